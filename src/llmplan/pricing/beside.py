"""What a fleet costs beside its machines: a place for the weights, answers on the wire, a cluster, people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from llmplan.plan.outcome import PriceFigure, QuoteLine
from llmplan.pricing.index import index_of
from llmplan.pricing.rates import charge, rate_at, rate_figure, stated_figure
from llmplan.pricing.tiers import fact_usd
from llmplan.spec.expenses import Expenses
from llmplan.spec.price import CostFact, PriceBook
from llmplan.units import GB, HOURS_PER_MONTH

EGRESS_BYTES_PER_TOKEN: Final = 300.0
"""An output token as a server-sent event of the OpenAI API: 227 bytes (a `chat.completion.chunk` with a model name of
14 letters and a token of six), 6 of HTTP chunking, 22 of a TLS 1.3 record, 52 of TCP and IP. Assumed: one event a
token, each in a packet of its own, not compressed. An answer that is not streamed takes about 5."""
LEAST_USD: Final = 0.005
"""What would be printed as nothing is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What decides about the charges beside the machines.

    `checkpoint_bytes`: of the weights as they are stored; `output_tokens`: of the month; `several`: two or more
    replicas are reached through a load balancer and run by a cluster, one by its machine alone.
    """

    expenses: Expenses
    checkpoint_bytes: int = 0
    output_tokens: float = 0.0
    several: bool = False


@dataclass(frozen=True, slots=True)
class _Charge:
    """One line to be: its rate is a figure, or what the asker states with a flag."""

    name: str
    quantity: float
    unit: str
    rate: CostFact | float
    flag: str = ""
    note: str = ""

    @property
    def usd(self) -> float:
        return fact_usd(self.quantity, self.rate) if isinstance(self.rate, CostFact) else self.quantity * self.rate

    @property
    def worth_saying(self) -> bool:
        """Not nothing; or nothing for so much, by assumption."""
        free = isinstance(self.rate, CostFact) and self.rate.value == 0 and self.rate.provenance.kind == "assumed"
        return self.usd >= LEAST_USD or (free and self.quantity >= 1)

    def line(self, prices: PriceBook) -> QuoteLine:
        figure: PriceFigure
        figure = rate_figure(self.rate) if isinstance(self.rate, CostFact) else stated_figure(self.flag, prices)
        return charge(self.name, self.quantity, self.unit, self.rate, figure, note=self.note)


def stored_gb_month(checkpoint_bytes: int, copies: int) -> float:
    """Weights at rest.

    checkpoint_bytes [B]: of all files; copies [-]: one for each machine, since a block volume belongs to one.
    GB-month = bytes x copies / 1e9, all month. Valid for volumes of just the weights' size. Reference: the sellers'
    unit of block storage, the GB of 1e9 bytes.

    >>> stored_gb_month(65_524_246_528, 2)
    131.048493056
    """
    return checkpoint_bytes * copies / GB


def egress_gb(output_tokens: float, bytes_per_token: float) -> float:
    """What a month's answers take out of the cloud; what comes in is free everywhere.

    output_tokens [tokens]: of the month; bytes_per_token [B]: on the wire. GB = tokens x bytes / 1e9.
    Valid for clients outside the seller's network. Reference: `EGRESS_BYTES_PER_TOKEN`.

    >>> egress_gb(3_153_600_000, 300.0)
    946.08
    """
    return output_tokens * bytes_per_token / GB


@dataclass(frozen=True, slots=True)
class Extras:
    """The lines beside what serves, and their sum, by which sellers are ranked."""

    lines: tuple[QuoteLine, ...] = ()
    usd: float = 0.0


NOTHING: Final = Extras()


def beside_rent(provider: str, copies: int, beside: Beside | None, prices: PriceBook) -> Extras:
    """Beside machines by the hour: weights (so many copies), egress, cluster, load balancer, engineering."""
    return _extras("rent", provider, copies, beside, prices, _of_rent)


def beside_seconds(provider: str, beside: Beside | None, prices: PriceBook) -> Extras:
    """Beside GPUs by the second, whose platform runs the cluster: one copy of the weights, egress, engineering."""
    return _extras("seconds", provider, 1, beside, prices, _of_seconds)


def beside_owned(beside: Beside | None, prices: PriceBook) -> Extras:
    """Beside hardware of one's own, which has its disks, network and cluster: what the asker states."""
    return _extras("owned", "", 0, beside, prices, _of_owned)


def beside_tokens(beside: Beside | None, prices: PriceBook) -> Extras:
    """Beside a hosted API, whose price holds everything else: engineering."""
    return _extras("tokens", "", 0, beside, prices, _of_tokens)


Charges: TypeAlias = Callable[[str, int, Beside, PriceBook], Iterator[_Charge]]


def _extras(
    kind: str, provider: str, copies: int, beside: Beside | None, prices: PriceBook, charges: Charges
) -> Extras:
    """The same for every fleet with the same weights and answers, so done once."""
    if beside is None:
        return NOTHING
    answers = index_of(prices).answers
    key = (kind, provider, copies, beside)
    found: Extras | None = answers.get(key)
    if found is None:
        lines = [each.line(prices) for each in charges(provider, copies, beside, prices) if each.worth_saying]
        found = answers[key] = Extras(tuple(lines), sum(line.usd_per_month or 0.0 for line in lines))
    return found


def _of_rent(provider: str, copies: int, beside: Beside, prices: PriceBook) -> Iterator[_Charge]:
    yield from _storage(provider, copies, beside, prices)
    yield from _egress(provider, beside, prices)
    yield from _cluster(provider, beside, prices)
    yield from _balancer(provider, beside, prices)
    yield from _engineering(beside)


def _of_seconds(provider: str, copies: int, beside: Beside, prices: PriceBook) -> Iterator[_Charge]:
    yield from _storage(provider, copies, beside, prices)
    yield from _egress(provider, beside, prices)
    yield from _engineering(beside)


def _of_owned(_provider: str, _copies: int, beside: Beside, prices: PriceBook) -> Iterator[_Charge]:
    yield from _balancer(None, beside, prices)
    yield from _engineering(beside)


def _of_tokens(_provider: str, _copies: int, beside: Beside, _prices: PriceBook) -> Iterator[_Charge]:
    yield from _engineering(beside)


def _storage(provider: str, copies: int, beside: Beside, prices: PriceBook) -> Iterator[_Charge]:
    rate = rate_at(provider, "block-storage", prices)
    if beside.checkpoint_bytes and rate is not None:
        stored = stored_gb_month(beside.checkpoint_bytes, copies)
        yield _Charge("storage of weights", stored, "GB-month", rate, note="a copy for each machine" * (copies > 1))


def _egress(provider: str, beside: Beside, prices: PriceBook) -> Iterator[_Charge]:
    rate, stated = rate_at(provider, "egress", prices), beside.expenses.egress_bytes_per_token
    if rate is not None:
        each = EGRESS_BYTES_PER_TOKEN if stated is None else stated
        how = "as stated" if stated is not None else "assumed: server-sent events"
        yield _Charge(
            "egress", egress_gb(beside.output_tokens, each), "GB", rate, note=f"{each:g} B an output token, {how}"
        )


def _cluster(provider: str, beside: Beside, prices: PriceBook) -> Iterator[_Charge]:
    """Replicas that come and go together are run by Kubernetes; a single one by its machine alone."""
    rate, stated = rate_at(provider, "control-plane", prices), beside.expenses.clusters
    clusters = int(beside.several) if stated is None else stated
    if clusters and rate is not None:
        why = "as stated" if stated is not None else "Kubernetes, for more than one replica"
        yield _Charge("cluster", clusters * HOURS_PER_MONTH, "cluster-h", rate, note=why)


def _balancer(provider: str | None, beside: Beside, prices: PriceBook) -> Iterator[_Charge]:
    """By the hour alone: what it takes by traffic is little, and in units of each seller's own. No line where nobody
    states a rate, since an open line would make every total a lower bound."""
    if not beside.several:
        return
    stated = beside.expenses.load_balancer_usd_per_month
    if stated is not None:
        yield _Charge("load balancer", 1, "month", stated, "--load-balancer-usd-per-month")
    elif provider is not None and (rate := rate_at(provider, "load-balancer", prices)) is not None:
        yield _Charge("load balancer", HOURS_PER_MONTH, "h", rate, note="without what it takes by traffic")


def _engineering(beside: Beside) -> Iterator[_Charge]:
    hours, usd_per_hour = beside.expenses.engineering_hours_per_month, beside.expenses.engineering_usd_per_hour
    if hours is not None and usd_per_hour is not None:
        yield _Charge("engineering", hours, "person-h", usd_per_hour, "--engineering-usd-per-hour")

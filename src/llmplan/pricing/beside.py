"""What a fleet costs beside its machines: a place for the weights, answers on the wire, a cluster, people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from llmplan.plan.outcome import PriceFigure, QuoteLine
from llmplan.pricing.rates import charge, rate_at, rate_figure, stated_figure
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

    `checkpoint_bytes`: of the weights as they are stored; `output_tokens`: of the month; `replicas`: two or more are
    reached through a load balancer and run by a cluster, one by its machine alone.
    """

    expenses: Expenses
    checkpoint_bytes: int = 0
    output_tokens: float = 0.0
    replicas: int = 1

    @property
    def several(self) -> bool:
        """Whether there is more than one replica."""
        return self.replicas > 1


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
        return self.quantity * (self.rate.value if isinstance(self.rate, CostFact) else self.rate)

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


def beside_rent_usd(provider: str, copies: int, beside: Beside, prices: PriceBook) -> float:
    """The sum of `beside_rent` without its lines: enough to rank sellers.

    provider: whose machines; copies [-]: of the weights; beside: of what; prices [USD]. Valid for machines by the
    hour. Reference: `beside_rent`.
    """
    return sum(each.usd for each in _of_rent(provider, copies, beside, prices))


def beside_rent(provider: str, copies: int, beside: Beside, prices: PriceBook) -> tuple[QuoteLine, ...]:
    """The lines beside machines by the hour: weights, egress, cluster, load balancer, engineering."""
    return _lines(_of_rent(provider, copies, beside, prices), prices)


def beside_seconds_usd(provider: str, beside: Beside, prices: PriceBook) -> float:
    """The sum of `beside_seconds` without its lines: enough to rank sellers.

    provider: the platform; beside: of what; prices [USD]. Valid for GPUs by the second. Reference: `beside_seconds`.
    """
    return sum(each.usd for each in _of_seconds(provider, beside, prices))


def beside_seconds(provider: str, beside: Beside, prices: PriceBook) -> tuple[QuoteLine, ...]:
    """The lines beside GPUs by the second, whose platform runs the cluster: one copy of the weights, egress, people."""
    return _lines(_of_seconds(provider, beside, prices), prices)


def beside_owned(beside: Beside, prices: PriceBook) -> tuple[QuoteLine, ...]:
    """The lines beside hardware of one's own, which has its disks, network and cluster: what the asker states."""
    return _lines((*_balancer(None, beside, prices), *_engineering(beside)), prices)


def beside_tokens(beside: Beside, prices: PriceBook) -> tuple[QuoteLine, ...]:
    """The lines beside a hosted API, whose price holds everything else: people."""
    return _lines(_engineering(beside), prices)


def _lines(charges: Iterator[_Charge] | tuple[_Charge, ...], prices: PriceBook) -> tuple[QuoteLine, ...]:
    return tuple(each.line(prices) for each in charges if each.usd >= LEAST_USD)


def _of_rent(provider: str, copies: int, beside: Beside, prices: PriceBook) -> Iterator[_Charge]:
    yield from _storage(provider, copies, beside, prices)
    yield from _egress(provider, beside, prices)
    yield from _cluster(provider, beside, prices)
    yield from _balancer(provider, beside, prices)
    yield from _engineering(beside)


def _of_seconds(provider: str, beside: Beside, prices: PriceBook) -> Iterator[_Charge]:
    yield from _storage(provider, 1, beside, prices)
    yield from _egress(provider, beside, prices)
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
    """No line where nobody states a rate: it is little, and an open line would make every total a lower bound."""
    if not beside.several:
        return
    stated = beside.expenses.load_balancer_usd_per_month
    if stated is not None:
        yield _Charge("load balancer", 1, "month", stated, "--load-balancer-usd-per-month")
    elif provider is not None and (rate := rate_at(provider, "load-balancer", prices)) is not None:
        yield _Charge("load balancer", HOURS_PER_MONTH, "h", rate)


def _engineering(beside: Beside) -> Iterator[_Charge]:
    hours, usd_per_hour = beside.expenses.engineering_hours_per_month, beside.expenses.engineering_usd_per_hour
    if hours is not None and usd_per_hour is not None:
        yield _Charge("engineering", hours, "person-h", usd_per_hour, "--engineering-usd-per-hour")

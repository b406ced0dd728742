"""What the money of a plan looks like from beside it: other loads, other GPUs, other terms, other inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmplan.plan.deployment import StrategyId
from llmplan.plan.replay import Crossing
from llmplan.spec.price import Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The bill of one way of serving over the load. Between two points it is a straight line; a step is two points at
    the same load."""

    label: str
    requests_per_s: tuple[float, ...]
    usd_per_month: tuple[float, ...]
    source: str = ""
    """seller, term and date of the rate behind it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven(Crossing):
    """A crossing of two bills over the load, every other input as asked, with what it means in work and money.

    `requests_per_s` is the load from which on `above` stays cheaper up to `tried_requests_per_s`. Whole replicas make
    steps, so that the order may flip to and fro before: `flips_requests_per_s` has every load at which it does,
    `above` becoming the cheaper one at the first, third, fifth. With an even number of them `below` is the cheaper one
    again at the end: then it is not `for_good`, and `requests_per_s` is the first. `utilization`: how busy the replicas
    of the machines are there, spares among them, over the mean hour [-].
    """

    tokens_per_day: float | None = None
    utilization: float | None = None
    usd_per_month: float | None = None
    flips_requests_per_s: tuple[float, ...] = ()
    usd_per_mtok_tokens: float | None = None
    """what a seller of tokens asks for this mix of input and output; None where none is compared"""
    usd_per_mtok_full: float | None = None
    """the least that the machines come to per million tokens, when all of them are as busy as they may be"""

    @property
    def for_good(self) -> bool:
        """Whether `above` is the cheaper one at the largest load that was tried."""
        return self.requests_per_s is not None and (
            not self.flips_requests_per_s or len(self.flips_requests_per_s) % 2 == 1
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """What one input does to the bill of the recommended way when it alone moves from `low` to `high`.

    None: with that value it cannot be done, and `note` says why. `recommended_low` and `recommended_high`: the
    strategy that would then be cheapest among the five as they stand, where that was asked.
    """

    input: str
    unit: str
    low: float
    mid: float
    high: float
    usd_per_month_low: float | None
    usd_per_month_high: float | None
    recommended_low: StrategyId | None = None
    recommended_high: StrategyId | None = None
    note: str = ""

    @property
    def swing_usd_per_month(self) -> float | None:
        """How far the bill moves between the two ends [USD/month]; None where one of them cannot be done."""
        if self.usd_per_month_low is None or self.usd_per_month_high is None:
            return None
        return abs(self.usd_per_month_high - self.usd_per_month_low)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuValue:
    """One GPU for this workload: the least that it costs at all, and what a unit of work costs on it.

    `floor_usd_per_month`: the smallest fleet that serves a single request within the promise, all month.
    `usd_per_mtok_full`: the cheapest that a million tokens get on it in a fleet as busy as the promise and the limits
    allow, spares and unused GPUs of whole instances included. `usd_per_month`: at the load that was asked. `wins_by`
    says which of the two makes it cheaper than `against`, None where it is not cheaper, or only because its steps
    are smaller at this load.
    """

    gpu_id: str
    what: str
    replicas: int
    usd_per_month: float
    floor_usd_per_month: float
    usd_per_mtok_full: float
    utilization: float
    wins_by: Literal["floor", "work per dollar", "both"] | None = None
    against: str | None = None
    seller: str = ""
    """seller, term and date of the rate behind it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermValue:
    """The same machines on one term. `break_even_months`: how long they have to be needed before a commitment is
    cheaper than paying on demand for as long. `committed_usd`: what is owed whether they are needed or not."""

    term: Term
    what: str
    seller: str
    usd_per_month: float
    break_even_months: float | None = None
    committed_usd: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Two ways to the same end: fewer bytes against more GPUs, one fleet for all against one each."""

    title: str
    first: str
    first_usd_per_month: float | None
    second: str
    second_usd_per_month: float | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillBand:
    """The bill of a strategy if every step of its replicas takes as short and as long as the ends of the 80 % band of
    step times. None: with steps that slow (or at all) it cannot be done, and `note` says why. An API has a point."""

    strategy: StrategyId
    usd_per_month: float
    usd_per_month_low: float | None
    usd_per_month_high: float | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """Everything that `llmplan cost` sets beside the five bills. `notes`: what could not be compared, and why."""

    curves: tuple[Curve, ...] = ()
    break_evens: tuple[BreakEven, ...] = ()
    influences: tuple[Influence, ...] = ()
    gpus: tuple[GpuValue, ...] = ()
    terms: tuple[TermValue, ...] = ()
    duels: tuple[Duel, ...] = ()
    bands: tuple[BillBand, ...] = ()
    notes: tuple[str, ...] = ()

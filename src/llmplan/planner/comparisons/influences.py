"""Which input moves the answer most: each alone from one end to the other, everything sized and priced again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from llmplan.plan.comparisons import Influence
from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome, PriceFigure, Quote, Rejection
from llmplan.plan.plan import Plan
from llmplan.planner.comparisons.base import asked_again, evaluated, scaled_lengths, too_long
from llmplan.planner.comparisons.pace import at_pace, band_of
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate
from llmplan.planner.rank import choose
from llmplan.spec.workload import Workload

PRICE_MOVES = 0.2
"""assumed: about what a list price of a GPU moves by within a year"""
UTILIZATION_ENDS = (0.5, 0.9)
CACHE_ENDS = (0.0, 0.8)
MOST_PEAK = 4.0

Rows = Mapping[StrategyId, Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One input at one end: the value, and the five rows as they are then."""

    value: float
    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The plan's rows, to be sized and priced again; the recommended one is watched."""

    plan: Plan
    strategy: StrategyId
    context: Context
    held: dict[str, Rows] = field(default_factory=dict, repr=False)

    @property
    def option(self) -> Option:
        """The recommended option."""
        option = self.plan.outcomes[self.strategy]
        assert isinstance(option, Option)
        return option

    def rows(self, again: Callable[[Option], Outcome]) -> Rows:
        """Each feasible row again, the others as they stand."""
        return {
            name: again(row) if isinstance(row, Option) else row for name, row in self.plan.outcomes.items()
        }  # fmt: skip

    def with_traffic(self, workload: Workload, *, refit: bool = False) -> Rows:
        """The rows under other traffic."""
        there = asked_again(self.context, workload)

        def again(row: Option) -> Outcome:
            reason = too_long(row, workload) if refit else ""
            return Rejection(reason=reason) if reason else evaluated(row, there, refit=refit)

        return self.rows(again)

    def influence(self, name: str, unit: str, mid: float, low: Moved, high: Moved, note: str = "") -> Influence:
        """The bill and the choice at both ends."""
        ends = [low.rows[self.strategy], high.rows[self.strategy]]
        why = [
            f"at {end.value:g}: {row.reason}"
            for end, row in zip((low, high), ends, strict=True)
            if isinstance(row, Rejection)
        ]
        return Influence(
            input=name,
            unit=unit,
            low=low.value,
            mid=mid,
            high=high.value,
            usd_per_month_low=_usd(ends[0]),
            usd_per_month_high=_usd(ends[1]),
            recommended_low=choose(low.rows, self.context)[0],
            recommended_high=choose(high.rows, self.context)[0],
            note="; ".join(part for part in (note, *why) if part),
        )


def influences(plan: Plan, context: Context) -> tuple[Influence, ...]:
    """Every input that moves the recommended bill or the recommendation, the widest swing first; what cannot be done
    at one end comes before all."""
    if plan.recommended is None:
        return ()
    bench = Bench(plan=plan, strategy=plan.recommended, context=context)
    found = [each for each in _all(bench) if _matters(each, plan.recommended)]
    return tuple(sorted(found, key=_order))


def _all(bench: Bench) -> Iterator[Influence]:
    yield _price(bench)
    yield _load(bench)
    yield from _lengths(bench)
    yield _peak(bench)
    yield _cache(bench)
    yield _utilization(bench)
    speed = _speed(bench)
    if speed is not None:
        yield speed


def _price(bench: Bench) -> Influence:
    """The prices of what serves in the recommended row, wherever it is bought; those of everything else as they are."""
    bought = rates_of_what_serves(bench.option.quote)

    def moved(factor: float) -> Moved:
        def again(row: Option) -> Outcome:
            return replace(row, quote=_scaled(row.quote, factor)) if rates_of_what_serves(row.quote) & bought else row

        return Moved(value=factor, rows=bench.rows(again))

    note = f"assumed: a list price may move by {PRICE_MOVES:.0%}" + _market(bench.option)
    return bench.influence("its price", "x", 1.0, moved(1.0 - PRICE_MOVES), moved(1.0 + PRICE_MOVES), note)


def rates_of_what_serves(quote: Quote) -> frozenset[PriceFigure]:
    """The rows behind machines, seconds and tokens; what comes beside them is often the same for every seller."""
    return frozenset(line.figure for line in quote.serving if line.figure is not None)


def _market(option: Option) -> str:
    """What the other sellers of the same ask, where some are known."""
    asked = sorted(line.usd_per_month for line in option.quote.alternatives if line.usd_per_month)
    own = option.quote.usd_per_month
    if not asked or own <= 0:
        return ""
    return f"; other sellers and terms ask {asked[0] / own:.2g} to {asked[-1] / own:.2g} times as much"


def _scaled(quote: Quote, factor: float) -> Quote:
    lines = tuple(
        replace(
            line,
            unit_price_usd=None if line.unit_price_usd is None else line.unit_price_usd * factor,
            usd_per_month=None if line.usd_per_month is None else line.usd_per_month * factor,
        )
        if not line.beside
        else line
        for line in quote.lines
    )
    return replace(quote, lines=lines)


def _load(bench: Bench) -> Influence:
    """Half and twice the traffic."""
    work = bench.context.workload
    if work.requests_per_s is not None:
        rate = work.requests_per_s
        low, high = (Moved(value=at, rows=bench.with_traffic(with_rate(work, at))) for at in (rate / 2, rate * 2))
        return bench.influence("load", "requests/s", rate, low, high)
    users = work.concurrency or 1.0
    low, high = (
        Moved(value=at, rows=bench.with_traffic(replace(work, concurrency=at)))
        for at in (max(1.0, users / 2), users * 2)
    )
    return bench.influence("requests in flight", "requests", users, low, high)


def _lengths(bench: Bench) -> Iterator[Influence]:
    """Half and twice as long; a stated context limit moves with them."""
    work = bench.context.workload
    for name, attribute in (("input length", "input_tokens"), ("output length", "output_tokens")):
        lengths = work.input_tokens if attribute == "input_tokens" else work.output_tokens
        ends: list[Moved] = []
        for factor in (0.5, 2.0):
            changed = scaled_lengths(lengths, factor)
            context_tokens = work.context_tokens
            if context_tokens is not None and factor > 1:
                context_tokens += round((changed.p99 or changed.mean) - (lengths.p99 or lengths.mean))
            there = replace(work, **{attribute: changed, "context_tokens": context_tokens})  # type: ignore[arg-type]
            ends.append(Moved(value=changed.mean, rows=bench.with_traffic(there, refit=factor > 1)))
        yield bench.influence(name, "tokens", lengths.mean, ends[0], ends[1])


def _peak(bench: Bench) -> Influence:
    """From an even load to a busiest hour of twice what was asked, four times the mean at least."""
    work = bench.context.workload
    low, high = (
        Moved(value=at, rows=bench.with_traffic(replace(work, peak_to_mean=at)))
        for at in (1.0, max(MOST_PEAK, 2.0 * work.peak_to_mean))
    )
    return bench.influence("busiest hour / mean", "x", work.peak_to_mean, low, high)


def _cache(bench: Bench) -> Influence:
    """No prompt token in a prefix cache, and four of five."""
    work = bench.context.workload
    low, high = (Moved(value=at, rows=bench.with_traffic(replace(work, prefix_share=at))) for at in CACHE_ENDS)
    return bench.influence("prefix cache hits", "share", work.prefix_share, low, high)


def _utilization(bench: Bench) -> Influence:
    """How full replicas may be at the peak."""
    limits = bench.context.limits

    def moved(at: float) -> Moved:
        question = replace(bench.context.question, limits=replace(limits, max_utilization=at))
        there = Context.of(question, bench.context.catalog, bench.context.shared)
        return Moved(value=at, rows=bench.rows(lambda row: evaluated(row, there)))

    low, high = (moved(at) for at in UTILIZATION_ENDS)
    return bench.influence("utilization limit", "share", limits.max_utilization, low, high)


def _speed(bench: Bench) -> Influence | None:
    """Both ends of the band of step times of the recommended replica, each row at its own."""
    replica = bench.option.deployment.replica
    if replica is None:
        return None
    band = band_of(replica, bench.context)

    def moved(fast: bool) -> Moved:
        def again(row: Option) -> Outcome:
            own = row.deployment.replica
            if own is None:
                return row
            ends = band_of(own, bench.context)
            return at_pace(row, bench.context, ends.low_ratio if fast else ends.high_ratio)

        return Moved(value=band.low_ratio if fast else band.high_ratio, rows=bench.rows(again))

    note = "the 80 % band of measured over predicted step times"
    return bench.influence("step time", "x", 1.0, moved(True), moved(False), note)


def _usd(outcome: Outcome) -> float | None:
    return outcome.quote.usd_per_month if isinstance(outcome, Option) else None


def _matters(each: Influence, recommended: StrategyId) -> bool:
    swing = each.swing_usd_per_month
    changes = {each.recommended_low, each.recommended_high} != {recommended}
    return swing is None or swing > 0 or changes


def _order(each: Influence) -> tuple[bool, float, str]:
    swing = each.swing_usd_per_month
    return swing is not None, -(swing or 0.0), each.input

"""Bill against latency: every option that was found, those that are beaten on both hollow, the others on a front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from llmplan.plan.outcome import Estimate, Option
from llmplan.plan.plan import Plan
from llmplan.report import rows
from llmplan.report.charts.caption import bill_sources, caption
from llmplan.report.charts.picture import Note, Picture, Point, Rule, Series, plain
from llmplan.report.charts.scales import around
from llmplan.report.numbers import at_percentile, usd
from llmplan.spec.band import Band
from llmplan.spec.workload import Slo
from llmplan.units import MS_PER_S, format_seconds

FRONT = "front: nothing is both cheaper and faster"
MOST_NOTES = 10
MOST_UNTIMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An option with the strategies that found it."""

    names: tuple[str, ...]
    option: Option
    latency_s: Band
    usd_per_month: float


def picture(plan: Plan, options: Iterable[Option]) -> Picture:
    """`options`: more than the plan's own, of other GPUs for instance. A latency is a 95th percentile."""
    title = f"{plain(plan.question.model_id)}: bill against latency"
    every = [*(each for each in plan.outcomes.values() if isinstance(each, Option)), *plan.alternatives, *options]
    metric = tightest(plan, every)
    timed = candidates(every, metric)
    untimed = [each for each in plan.outcomes.values() if isinstance(each, Option) and each.estimate is None]
    if not timed:
        reason = "no option has a predicted latency" if every else "nothing here is feasible and priced"
        return Picture(kind="pareto", title=title, caption=caption(plan, bill_sources(every)), empty=reason)
    front = _front(timed)
    numbered = [each for each in timed if each in front or each.option == plan.chosen]
    sourced = [*(each.option for each in numbered), *untimed[:MOST_UNTIMED], *(each.option for each in timed)]
    promised = promise_s(plan.question.slo, metric)
    xs = [edge * MS_PER_S for each in timed for edge in (each.latency_s.low, each.latency_s.mid, each.latency_s.high)]
    ys = [each.usd_per_month for each in timed] + [each.quote.usd_per_month for each in untimed[:MOST_UNTIMED]]
    remarks = [
        "Filled: on the front. Hollow: another option is at least as fast and as cheap.",
        "Whiskers, where drawn: the 80 % band of the latency.",
    ]
    if len(numbered) > MOST_NOTES:
        remarks.append(f"{len(numbered) - MOST_NOTES} more options of the front have no number.")
    if any(not each.option.quote.complete for each in timed):
        remarks.append("≥: a charge has no known price, the point may lie higher.")
    return Picture(
        kind="pareto",
        title=title,
        x=around([*xs, *([promised * MS_PER_S] if promised else [])], label=f"{metric.upper()} p95", unit="ms"),
        y=around(ys, label="bill", unit="USD/month", money=True),
        series=(*_by_strategy(timed, front), *([_line(front)] if len(front) > 1 else [])),
        rules=tuple(_rules(untimed, metric, promised)),
        notes=tuple(_note(place, each, metric) for place, each in enumerate(numbered[:MOST_NOTES], start=1)),
        caption=caption(plan, bill_sources(sourced), *remarks),
    )


def tightest(plan: Plan, options: Sequence[Option]) -> str:
    """`tpot` or `ttft`: the promise that the recommended option (else the first one) is nearest to; `tpot` without."""
    option = (
        plan.chosen if plan.chosen and plan.chosen.estimate else next((each for each in options if each.estimate), None)
    )
    if option is None or option.estimate is None:
        return "tpot"
    slo = plan.question.slo
    use = {
        name: p95_s(option.estimate, name).mid / promised
        for name in ("tpot", "ttft")
        if (promised := promise_s(slo, name))
    }
    return max(use, key=lambda name: use[name]) if use else "tpot"


def p95_s(estimate: Estimate, metric: str) -> Band:
    """The 95th percentile with the band of the mean [s]."""
    if metric == "ttft":
        return at_percentile(estimate.ttft_s, estimate.ttft_p95_s)
    return at_percentile(estimate.tpot_s, estimate.tpot_p95_s)


def promise_s(slo: Slo, metric: str) -> float | None:
    """What was promised of a latency [s]."""
    return slo.ttft_p95_s if metric == "ttft" else slo.tpot_p95_s


def candidates(options: Iterable[Option], metric: str) -> list[Candidate]:
    """Options with a latency, those at the same place put together, from the cheapest on."""
    found: dict[tuple[float, float], Candidate] = {}
    for option in options:
        if option.estimate is None:
            continue
        latency, bill, name = p95_s(option.estimate, metric), option.quote.usd_per_month, option.deployment.strategy
        first = found.get((latency.mid, bill))
        names = tuple(dict.fromkeys((*(first.names if first else ()), name)))
        found[latency.mid, bill] = Candidate(
            names=names, option=first.option if first else option, latency_s=latency, usd_per_month=bill
        )
    return sorted(found.values(), key=lambda each: (each.usd_per_month, each.latency_s.mid))


def _front(timed: Sequence[Candidate]) -> list[Candidate]:
    """From the cheapest on, those that are faster than everything before."""
    found: list[Candidate] = []
    for each in timed:
        if not found or each.latency_s.mid < found[-1].latency_s.mid:
            found.append(each)
    return found


def _by_strategy(timed: Sequence[Candidate], front: Sequence[Candidate]) -> tuple[Series, ...]:
    groups: dict[str, list[Point]] = {}
    for each in timed:
        band = each.latency_s.scaled(MS_PER_S)
        point = Point(
            x=band.mid, y=each.usd_per_month, x_low=band.low, x_high=band.high, hollow=each not in front
        )  # fmt: skip
        groups.setdefault(", ".join(each.names), []).append(point)
    return tuple(Series(label=plain(names), points=tuple(points), joined=False) for names, points in groups.items())


def _line(front: Sequence[Candidate]) -> Series:
    """Steps: between two options nothing is known to be had."""
    corners = [(each.latency_s.mid * MS_PER_S, each.usd_per_month) for each in reversed(front)]
    steps = corners[:1]
    for (_, bill), (latency, next_bill) in pairwise(corners):
        steps += [(latency, bill), (latency, next_bill)]
    return Series(label=FRONT, points=tuple(Point(x=at, y=bill) for at, bill in steps), marked=False)


def _rules(untimed: Sequence[Option], metric: str, promised: float | None) -> Iterable[Rule]:
    if promised is not None:
        yield Rule(
            of="x", value=promised * MS_PER_S, label=f"promised: {metric.upper()} p95 ≤ {format_seconds(promised)}"
        )
    for each in untimed[:MOST_UNTIMED]:
        bill = usd(each.quote.usd_per_month, complete=each.quote.complete)
        seller = rows.seller(each)
        label = f"{each.deployment.strategy}: {bill}{f', {seller}' if seller else ''}, latency not stated"
        yield Rule(of="y", value=each.quote.usd_per_month, label=plain(label))


def _note(number: int, each: Candidate, metric: str) -> Note:
    option = each.option
    what = ", ".join(part for part in rows.what(option).split("\n") if part)
    bill = usd(each.usd_per_month, complete=option.quote.complete)
    text = f"{', '.join(each.names)}: {what}; {bill}/month, {metric.upper()} p95 {format_seconds(each.latency_s.mid)}"
    return Note(number=number, text=plain(text), x=each.latency_s.mid * MS_PER_S, y=each.usd_per_month)

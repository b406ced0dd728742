"""The rows of a plan on recorded requests: what each fleet kept and cost, and where serverless and dedicated cross."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.plan import Plan
from llmplan.plan.replay import Crossing, Latency, OverTime, Played, Replay
from llmplan.report.blocks import Block, Column, Facts, Items, Row, Table
from llmplan.report.numbers import MISSING, percent, rate, seconds, usd
from llmplan.spec.band import Band
from llmplan.units import format_seconds


def blocks(plan: Plan) -> Iterator[Block]:
    """Nothing where the plan knows no trace."""
    found = plan.over_time
    if found is None:
        return
    yield Facts(title="On the trace", pairs=tuple(_facts(found)))
    yield table(found)
    if found.crossings:
        yield Items(title="Where they cross", items=tuple(crossing(each) for each in found.crossings))


def _facts(found: OverTime) -> Iterator[tuple[str, str]]:
    yield "trace", f"{found.trace}: {found.requests:,} requests in {format_seconds(found.duration_s)}"
    mean, busy = rate(found.requests_per_s), rate(found.busiest_hour_requests_per_s)
    yield "rate", f"{mean} requests/s" + (f", busiest hour {busy}" if busy != mean else "")
    for note in found.notes:
        yield "note", note


def table(found: OverTime) -> Table:
    """Each fleet that was tried, the one that a row stands for first; strategies that came to the same together."""
    groups: dict[Replay, list[str]] = {}
    for strategy, replay in found.replays:
        groups.setdefault(replay, []).append(strategy)
    rows = []
    for replay, strategies in groups.items():
        runs = [each for each in (replay.taken, *replay.others) if each is not None]
        rows += [
            Row(cells=("" if place else "\n".join(strategies), *cells(run)), tone="plain" if run.keeps else "dim")
            for place, run in enumerate(runs)
        ]
    return Table(columns=COLUMNS, rows=tuple(rows), spaced=True)


COLUMNS = (
    Column(title="strategy"),
    Column(title="fleet on the trace", share=1),
    Column(title="within all\npromises", align="right"),
    Column(title="TTFT p95\nTPOT p95"),
    Column(title="$/month", align="right"),
)


def cells(run: Played) -> tuple[str, str, str, str]:
    """One fleet."""
    words = [run.fleet]
    words += [f"{percent(run.cold_share)} of requests met a cold one"] if run.cold_share else []
    words += [f"{run.preemptions:,} preempted"] if run.preemptions else []
    words += [f"{run.refused:,} refused"] if run.refused else []
    if run.worst_tenant_ttft_p95_s is not None:
        words.append(f"worst tenant: TTFT p95 {format_seconds(run.worst_tenant_ttft_p95_s)}")
    kept = [percent(run.kept_share)]
    if run.kept_share_low is not None and percent(run.kept_share_low) != percent(run.kept_share):
        kept.append(f"≥ {percent(run.kept_share_low)}")
    kept.append("kept" if run.keeps else "broken")
    latency = f"{_latency(run.ttft_s)}\n{_latency(run.tpot_s)}"
    return "\n".join(words), "\n".join(kept), latency, usd(run.usd_per_month)


def _latency(spread: Latency | None) -> str:
    if spread is None:
        return MISSING
    low = spread.p95 if spread.p95_low is None else spread.p95_low
    high = spread.p95 if spread.p95_high is None else spread.p95_high
    return seconds(Band(low=low, mid=spread.p95, high=high))


def crossing(found: Crossing) -> str:
    """One sentence."""
    note = f" ({found.note})" if found.note else ""
    most, less = rate(found.tried_requests_per_s), f"{found.below} costs less than {found.above}"
    if found.requests_per_s is None:
        return f"{less} at any rate that one replica carries, up to {most} requests/s{note}"
    where = rate(found.requests_per_s)
    return f"{less} up to {where} requests/s of this traffic, and more from there to the {most} that one carries{note}"

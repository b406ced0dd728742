"""`llmplan simulate` as people read it: the verdict, latency against the promise, the fleet, time, money."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from llmplan.plan.simulated import PROMISED_SHARE, Attainment, Simulated, SimulatedBill, SimulatedFleet, Spread
from llmplan.report import views
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table, Tone
from llmplan.report.explain import ledger_lines, quote_lines
from llmplan.report.numbers import MISSING, cents, format_seconds, percent, plural, rate, seconds, usd
from llmplan.report.sparkline import sparkline
from llmplan.report.tree import quote_table

SPARK_WIDTH = 48
OTHER_SELLERS = 5
WORST_TENANTS = 5
MOST_CHANGES = 12


def document(
    asked: SimulatedFleet,
    run: Simulated,
    bills: Sequence[SimulatedBill],
    notes: Sequence[str] = (),
    assumed: Mapping[str, str] | None = None,
    *,
    explain: bool = False,
) -> Document:
    """The answer to `simulate`."""
    explained = _explained(asked, run, bills) if explain else ()
    return (*_what_became(asked, run), *_money(run, bills), *_beside(asked, notes, assumed or {}), *explained)


def _what_became(asked: SimulatedFleet, run: Simulated) -> Iterator[Block]:
    yield Paragraph(text=f"{asked.replica.model.id} on {fleet_line(asked)}", heading=1)
    yield Paragraph(text=f"{asked.traffic}; {span(run)}")
    text, tone = verdict(asked, run)
    yield Paragraph(text=text, tone=tone)
    yield latency_table(asked, run)
    yield Facts(pairs=tuple(_served(run, not asked.slo.is_empty)))
    yield Facts(title="Fleet", pairs=tuple(_fleet(asked, run)))
    if len(run.series) > 1:
        yield over_time(run)
    if len(run.tenants) > 1:
        yield tenants_table(run)


def _beside(asked: SimulatedFleet, notes: Sequence[str], assumed: Mapping[str, str]) -> Iterator[Block]:
    if asked.extrapolated:
        text = (
            f"calibration {asked.calibration_id} was not fitted on this engine, GPU generation and kind of attention "
            "with so many sequences at once, all on the GPU"
        )
        yield Items(title="Warnings", items=(text,), tone="warn")
    if notes:
        yield Items(title="Notes", items=tuple(notes), tone="dim")
    yield from views.defaults_used(assumed)


def fleet_line(asked: SimulatedFleet) -> str:
    """`4 replicas of 2 × h100-sxm-80gb · ...`."""
    count = f"{asked.replicas} replica{plural(asked.replicas)} of " if not asked.scaling else "a fleet of "
    return count + views.replica_line(asked.replica)


def span(run: Simulated) -> str:
    """How much was simulated."""
    return f"{run.requests:,} request{plural(run.requests)} in {format_seconds(run.span_s)}"


def verdict(asked: SimulatedFleet, run: Simulated) -> tuple[str, Tone]:
    """One sentence: whether the promises hold, and for how many requests."""
    if not run.answered:
        return "No request was answered.", "bad"
    kept = run.keeps(asked.slo)
    if kept is None:
        assert run.ttft_s is not None
        tpot = f", TPOT p95 {format_seconds(run.tpot_s.p95)}" if run.tpot_s else ""
        text = f"TTFT p95 {format_seconds(run.ttft_s.p95)}{tpot}; no promise to hold that against."
        return text, "plain"
    share = share_of(run.attainment.joint)
    if kept:
        low = run.attainment.joint_low
        unsure = low is not None and low < PROMISED_SHARE
        doubt = (
            f" If steps take as long as the slow end of their band, it is {share_of(low)}." if unsure and low else ""
        )
        return f"Keeps its promises: {share} of requests are within all of them.{doubt}", "good"
    broken = ", ".join(f"{name} for {share_of(reached)}" for name, reached in _broken(run.attainment))
    return (
        f"Breaks its promises: {broken} of requests instead of {percent(PROMISED_SHARE)}; within all: {share}.",
        "bad",
    )


def share_of(share: float) -> str:
    """A share of requests, never rounded up: 100 % are all of them.

    >>> share_of(0.9999), share_of(1.0), share_of(0.5)
    ('99.9 %', '100 %', '50.0 %')
    """
    return "100 %" if share >= 1.0 else f"{math.floor(share * 1000.0) / 10.0:.1f} %"


def _broken(reached: Attainment) -> Iterator[tuple[str, float]]:
    for name, share in (("TTFT", reached.ttft), ("TPOT", reached.tpot), ("E2E", reached.e2e)):
        if share is not None and share < PROMISED_SHARE:
            yield name, share


def latency_table(asked: SimulatedFleet, run: Simulated) -> Table:
    """Percentiles beside what is promised for 95 of 100 requests."""
    slo, reached = asked.slo, run.attainment
    rows = [
        _latency("TTFT", run.ttft_s, slo.ttft_p95_s, reached.ttft),
        _latency("TPOT", run.tpot_s, slo.tpot_p95_s, reached.tpot),
        _latency("E2E", run.e2e_s, slo.e2e_p95_s, reached.e2e),
        _latency("queue wait", run.wait_s, None, None),
    ]
    titles = ("mean", "p50", "p95", "p99", *(() if slo.is_empty else ("promised p95", "within")))
    cut = len(titles) + 1
    return Table(
        columns=(Column(title="latency"), *(Column(title=title, align="right") for title in titles)),
        rows=tuple(Row(cells=row.cells[:cut], tone=row.tone) for row in rows),
    )


def _latency(name: str, spread: Spread | None, promised_s: float | None, within: float | None) -> Row:
    values = (MISSING,) * 4
    if spread is not None:
        values = (
            format_seconds(spread.mean), format_seconds(spread.p50), seconds(spread.p95_band),
            format_seconds(spread.p99),
        )  # fmt: skip
    promised = MISSING if promised_s is None else format_seconds(promised_s)
    tone: Tone = "bad" if within is not None and within < PROMISED_SHARE else "plain"
    return Row(cells=(name, *values, promised, MISSING if within is None else share_of(within)), tone=tone)


def _served(run: Simulated, promised: bool) -> Iterator[tuple[str, str]]:
    yield "served", f"{rate(run.requests_per_s)} requests/s, {rate(run.output_tokens_per_s)} output tokens/s"
    if promised:
        yield "goodput", f"{rate(run.goodput_requests_per_s)} requests/s within all promises"
    if run.refused:
        yield "refused", ", ".join(f"{count:,} {reason}" for reason, count in run.refused.items())
    if run.unfinished:
        yield "unfinished", f"{run.unfinished:,} were still in flight"
    if run.cold:
        yield "cold", f"{percent(run.cold_share)} of requests waited for a replica to start"
    if run.retries:
        yield "retried", f"{run.retries:,} request{plural(run.retries)} lost their replica and started again"
    if run.preemptions:
        yield "preempted", f"{run.preemptions:,} time{plural(run.preemptions)} a request lost its KV blocks"
    if run.prefix_hit_share:
        yield "prefix cache", f"{percent(run.prefix_hit_share)} of prompt tokens found"


def _fleet(asked: SimulatedFleet, run: Simulated) -> Iterator[tuple[str, str]]:
    started = sum(life.launched_s > 0 for life in run.lives)
    yield (
        "replicas",
        f"{rate(mean_replicas(run))} on average, {run.peak_replicas} at most, {started} started on the way",
    )
    yield "router", asked.router
    if asked.scaling:
        yield "autoscaler", asked.scaling
    if asked.faults:
        ends: dict[str, int] = {}
        for life in run.lives:
            if life.cause in ("failed", "preempted", "restarted"):
                ends[life.cause] = ends.get(life.cause, 0) + 1
        happened = ", ".join(f"{count} {cause}" for cause, count in ends.items()) or "none in this time"
        yield "faults", f"{asked.faults}: {happened}"
    if asked.start is not None:
        yield "start of a replica", format_seconds(asked.start.total)
    yield "busy", f"{percent(run.utilization)} of the time in which replicas are ready"
    yield "in flight", f"{rate(run.mean_in_system)} requests on average"
    yield "fullest KV pool", percent(run.kv_peak)
    if not asked.extrapolated and asked.calibration_id:
        yield "calibration", asked.calibration_id


def mean_replicas(run: Simulated) -> float:
    """Replicas that are there, starting or serving, over the run."""
    if run.span_s <= 0:
        return float(len(run.lives))
    ends = (run.span_s if life.stopped_s is None else min(life.stopped_s, run.span_s) for life in run.lives)
    there_s = sum(max(0.0, end - life.launched_s) for end, life in zip(ends, run.lives, strict=True))
    return there_s / run.span_s


def over_time(run: Simulated) -> Table:
    """Small pictures of the series, each from nothing to its own highest value."""
    series = run.series
    replicas = [ready + starting for ready, starting in zip(series.ready, series.starting, strict=True)]
    rows = (
        ("requests/s", series.arrivals_per_s, rate),
        ("waiting", series.waiting, rate),
        ("running", series.running, rate),
        ("KV pools", series.kv_share, percent),
        ("replicas", replicas, rate),
    )
    return Table(
        title=f"Over time, from 0 to {format_seconds(run.span_s)}",
        columns=(Column(title=""), Column(title=""), Column(title="highest", align="right")),
        rows=tuple(
            Row(cells=(name, sparkline(values, SPARK_WIDTH), write(max(values)))) for name, values, write in rows
        ),
    )


def tenants_table(run: Simulated) -> Table:
    """The tenants who fare worst."""
    worst = sorted(run.tenants, key=lambda each: (each.attainment, -(each.ttft_p95_s or 0.0)))[:WORST_TENANTS]
    rows = (
        (
            f"{each.tenant}",
            f"{each.requests:,}",
            *(MISSING if value is None else format_seconds(value)
              for value in (each.ttft_p95_s, each.tpot_p95_s, each.e2e_p95_s)),
            share_of(each.attainment),
        )
        for each in worst
    )  # fmt: skip
    titles = ("requests", "TTFT p95", "TPOT p95", "E2E p95", "within all")
    return Table(
        title=f"Tenants who fare worst, of {len(run.tenants):,}",
        columns=(Column(title="tenant"), *(Column(title=title, align="right") for title in titles)),
        rows=tuple(Row(cells=cells) for cells in rows),
    )


def _money(run: Simulated, bills: Sequence[SimulatedBill]) -> Iterator[Block]:
    if not bills:
        return
    best = bills[0]
    title = f"Money: {best.seller} for a month of such traffic ({cents(best.usd)} for the {format_seconds(run.span_s)})"
    yield quote_table(best.quote, title=title)
    for note in best.notes:
        yield Items(items=(note,), tone="dim")
    if len(bills) > 1:
        rows = tuple(_bill_row(bill) for bill in bills[: OTHER_SELLERS + 1])
        columns = (
            Column(title="seller", share=2),
            Column(title="billed GPU-hours/month", align="right"),
            Column(title="$/month", align="right"),
            Column(title="$/Mtok", align="right"),
            Column(title="note", share=3),
        )
        yield Table(title="The same fleet at other sellers", columns=columns, rows=rows)


def _bill_row(bill: SimulatedBill) -> Row:
    hours = sum(line.quantity for line in bill.quote.lines if line.unit == "GPU-s") / 3600.0
    complete = bill.quote.complete
    return Row(
        cells=(
            bill.seller,
            f"{hours:,.1f}",
            usd(bill.quote.usd_per_month, complete=complete),
            usd(bill.quote.usd_per_mtok_blended, complete=complete),
            "; ".join(bill.notes),
        )
    )


def _explained(asked: SimulatedFleet, run: Simulated, bills: Sequence[SimulatedBill]) -> Iterator[Block]:
    sources = views.Sources()
    if asked.start is not None:
        yield ledger_lines(asked.start, sources, title="Start of a replica, term by term")
    changes = [life for life in run.lives if life.launched_s > 0 or life.stopped_s is not None]
    if changes:
        items = tuple(_life(number, life) for number, life in enumerate(changes[:MOST_CHANGES], start=1))
        more = (f"... and {len(changes) - MOST_CHANGES} more",) if len(changes) > MOST_CHANGES else ()
        yield Items(title="Replicas that came or went", items=(*items, *more))
    for bill in bills[:1]:
        yield quote_lines(bill.quote, sources, title=f"{bill.seller}: how each line is computed")
    yield from sources.blocks()


def _life(number: int, life: object) -> str:
    from llmplan.plan.simulated import ReplicaLife

    assert isinstance(life, ReplicaLife)
    parts = [f"launched at {format_seconds(life.launched_s)}"]
    parts += [f"ready at {format_seconds(life.ready_s)}"] if life.ready_s is not None else ["never ready"]
    parts += [f"{life.cause} at {format_seconds(life.stopped_s)}"] if life.stopped_s is not None else []
    return f"replica {number}: " + ", ".join(parts)

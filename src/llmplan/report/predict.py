"""Speed of one replica under one load, as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from llmplan.plan.deployment import Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import CheckResult, Estimate, MemoryBudget
from llmplan.report import views
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.explain import ledger_lines
from llmplan.report.numbers import MISSING, at_percentile, percent, plural, rate, rates, seconds


def document(
    replica: Replica,
    load: Load,
    estimate: Estimate,
    budget: MemoryBudget,
    checks: Iterable[CheckResult],
    assumed: Mapping[str, str],
    *,
    explain: bool = False,
) -> Document:
    """`llmplan predict`: latency, throughput, what limits them, and how sure we are."""
    return tuple(_blocks(replica, load, estimate, budget, checks, assumed, explain))


def _blocks(
    replica: Replica,
    load: Load,
    estimate: Estimate,
    budget: MemoryBudget,
    checks: Iterable[CheckResult],
    assumed: Mapping[str, str],
    explain: bool,
) -> Iterator[Block]:
    yield Paragraph(text=f"{replica.model.id} on {views.replica_line(replica)}", heading=1)
    yield Paragraph(text=load_line(load))
    yield from views.refusals(checks)
    yield speed_table(estimate)
    yield Facts(pairs=tuple(_state(estimate, budget)))
    yield from _trust(estimate)
    yield from views.remarks(checks)
    yield from views.defaults_used(assumed)
    if explain:
        sources = views.Sources()
        yield ledger_lines(estimate.step_ledger, sources, title="One step, term by term")
        yield from sources.blocks()


def load_line(load: Load) -> str:
    """The load in words."""
    lengths = f"{load.input_tokens.mean:,.0f} tokens in, {load.output_tokens.mean:,.0f} out"
    shared = f", {percent(load.prefix_share)} of the input cached" if load.prefix_share else ""
    match load.kind:
        case "concurrency":
            what = f"{rate(load.value)} request{plural(load.value)} always in flight"
        case "rate":
            what = f"{rate(load.value)} request{plural(load.value)} per second, Poisson arrivals"
        case "burst":
            what = f"{rate(load.value)} request{plural(load.value)} at once"
        case "saturation":
            what = "as many requests as the engine admits"
    return f"{what}; {lengths}{shared}"


def speed_table(estimate: Estimate) -> Table:
    """Latency and throughput with their bands."""
    ttft_p95 = seconds(at_percentile(estimate.ttft_s, estimate.ttft_p95_s))
    tpot_p95 = seconds(at_percentile(estimate.tpot_s, estimate.tpot_p95_s))
    rows = (
        ("TTFT (time to first token)", seconds(estimate.ttft_s), ttft_p95),
        ("TPOT (time per output token)", seconds(estimate.tpot_s), tpot_p95),
        ("E2E (whole request)", seconds(estimate.e2e_s), MISSING),
        ("output tokens/s", rates(estimate.output_tokens_per_s), MISSING),
        ("total tokens/s", rates(estimate.total_tokens_per_s), MISSING),
        ("requests/s", rates(estimate.requests_per_s), MISSING),
    )
    return Table(
        columns=(
            Column(title="one replica"),
            Column(title="mean (80 % interval)", align="right"),
            Column(title="p95", align="right"),
        ),
        rows=tuple(Row(cells=cells) for cells in rows),
    )


def _state(estimate: Estimate, budget: MemoryBudget) -> Iterator[tuple[str, str]]:
    limit = ", limited by the KV pool" if estimate.kv_limited else ""
    yield "running batch", f"{rate(estimate.batch_size)} sequences{limit}"
    yield "bottleneck", estimate.bottleneck
    full = " (saturated: a queue grows)" if estimate.saturated else ""
    yield "utilization", f"{percent(estimate.utilization)} of {rate(estimate.capacity_requests_per_s)} requests/s{full}"
    yield "KV capacity", f"{budget.capacity_tokens:,} tokens"
    if not estimate.extrapolated:
        yield "calibration", estimate.calibration_id


def _trust(estimate: Estimate) -> Iterator[Block]:
    if estimate.extrapolated:
        text = (
            f"calibration {estimate.calibration_id} was not fitted on this engine, GPU generation "
            "and kind of attention: the interval is "
            "wider, and a measurement of your own is worth having"
        )
        yield Items(title="Warnings", items=(text,), tone="warn")

"""Speed of one replica under one load, as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from llmplan.plan.deployment import Replica
from llmplan.plan.disaggregation import PoolState
from llmplan.plan.load import Load
from llmplan.plan.outcome import CheckResult, Estimate, MemoryBudget
from llmplan.report import views
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.explain import ledger_lines
from llmplan.report.numbers import (
    MISSING,
    at_percentile,
    format_bytes,
    format_seconds,
    percent,
    plural,
    rate,
    rates,
    seconds,
)


def document(
    replica: Replica,
    load: Load,
    estimate: Estimate,
    budget: MemoryBudget,
    checks: Iterable[CheckResult],
    assumed: Mapping[str, str],
    *,
    pools: PoolState | None = None,
    explain: bool = False,
) -> Document:
    """`llmplan predict`: latency, throughput, what limits them, and how sure we are."""
    return tuple(_blocks(replica, load, estimate, budget, checks, assumed, pools, explain))


def _blocks(
    replica: Replica,
    load: Load,
    estimate: Estimate,
    budget: MemoryBudget,
    checks: Iterable[CheckResult],
    assumed: Mapping[str, str],
    pools: PoolState | None,
    explain: bool,
) -> Iterator[Block]:
    yield Paragraph(text=f"{replica.model.id} on {views.replica_line(replica)}", heading=1)
    yield Paragraph(text=load_line(load))
    yield from views.refusals(checks)
    yield speed_table(estimate, "both pools together" if pools else "one replica")
    yield Facts(pairs=tuple(_state(estimate, budget)))
    if pools is not None:
        yield Facts(pairs=tuple(_pools(pools)))
    if extras := tuple(_extras(replica)):
        yield Items(title="Asked for", items=extras)
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


def speed_table(estimate: Estimate, of: str = "one replica") -> Table:
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
            Column(title=of),
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


def _pools(state: PoolState) -> Iterator[tuple[str, str]]:
    """How busy the two pools are, and what moves between them."""
    pools = state.pools
    for name, count, busy in (
        ("prefill", pools.prefill, state.prefill_utilization),
        ("decode", pools.decode, state.decode_utilization),
    ):
        yield f"{name} pool", f"{count} replica{plural(count)}, {percent(busy)} busy"
    moved = format_bytes(state.transfer_bytes_per_gpu)
    yield "KV transfer", f"{format_seconds(state.transfer_s)} per prompt: {moved} from each GPU over {state.link}"
    yield "limited by", {"transfer": "the link"}.get(state.bottleneck, f"the {state.bottleneck} pool")


def _extras(replica: Replica) -> Iterator[str]:
    """What is not there unless asked for."""
    speculation, tenancy = replica.speculation, replica.tenancy
    if speculation is not None:
        yield (
            f"speculative decoding: {speculation.label}, {speculation.tokens_per_step:.2f} tokens a step; what is "
            "accepted depends on the text"
        )
    if tenancy is not None and tenancy.adapters:
        count = tenancy.adapters
        yield f"{count} LoRA adapter{plural(count)} of rank {tenancy.lora_rank}, {replica.resident_adapters} on the GPU"
    if replica.offload is not None:
        yield views.offload_line(replica)


def _trust(estimate: Estimate) -> Iterator[Block]:
    if estimate.extrapolated:
        text = (
            f"calibration {estimate.calibration_id} was not fitted on this engine, GPU generation and kind of "
            "attention with so many sequences at once, all on the GPU: the interval is "
            "wider, and a measurement of your own is worth having"
        )
        yield Items(title="Warnings", items=(text,), tone="warn")

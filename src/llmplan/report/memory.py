"""The memory budget of one GPU of a replica, as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llmplan.plan.deployment import Replica
from llmplan.plan.observation import Comparison
from llmplan.plan.outcome import CheckResult, MemoryBudget, Rejection
from llmplan.report import views
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.explain import ledger_lines
from llmplan.report.numbers import count, format_bytes, percent, size


def document(
    replica: Replica,
    outcome: MemoryBudget | Rejection,
    checkpoint: tuple[int, str],
    checks: Iterable[CheckResult],
    assumed: Mapping[str, str],
    compared: tuple[Comparison, ...] = (),
    *,
    explain: bool = False,
) -> Document:
    """`llmplan memory`: what one GPU holds, what is left for the KV cache, and how many requests that is.

    `checkpoint`: bytes on disk and the format that they are in.
    """
    return tuple(_blocks(replica, outcome, checkpoint, checks, assumed, compared, explain))


def _blocks(
    replica: Replica,
    outcome: MemoryBudget | Rejection,
    checkpoint: tuple[int, str],
    checks: Iterable[CheckResult],
    assumed: Mapping[str, str],
    compared: tuple[Comparison, ...],
    explain: bool,
) -> Iterator[Block]:
    yield Paragraph(text=f"{replica.model.id} on {views.replica_line(replica)}", heading=1)
    yield Facts(pairs=tuple(_model_facts(replica, *checkpoint)))
    yield from views.refusals(checks)
    if isinstance(outcome, Rejection):
        yield from views.why_not(outcome)
    else:
        yield from _budget(replica, outcome)
    if compared:
        yield _beside_the_log(compared)
    yield from views.remarks(checks)
    yield from views.defaults_used(assumed)
    ledger = outcome.ledger
    if explain and ledger is not None:
        sources = views.Sources()
        yield ledger_lines(ledger, sources, title="How each line is computed")
        yield from sources.blocks()


def _model_facts(replica: Replica, checkpoint_bytes: int, stored: str) -> Iterator[tuple[str, str]]:
    model = replica.model
    active = "" if model.active_parameters == model.text_parameters else f", {count(model.active_parameters)} active"
    encoders = f", {count(model.tower_parameters)} of them encoders" if model.towers else ""
    drafting = f", and {count(model.draft_parameters)} that only draft tokens" if model.draft else ""
    beside = "" if model.uncounted_parameters is None else f", and {count(model.uncounted_parameters)} not counted"
    yield "parameters", f"{count(model.total_parameters)}{active}{encoders}{drafting}{beside}"
    read = model.provenance.get("checkpoint_bytes")
    known = f", {read.source.title}" if read is not None and stored == model.checkpoint_format else ""
    loaded = f", loaded as {replica.weights.id}" if stored == "fp32" != replica.weights.id else ""
    yield "checkpoint", f"{format_bytes(checkpoint_bytes)} as {stored}{loaded}{known}"
    yield "context", f"{replica.settings.max_model_len:,} tokens of {model.max_context_tokens:,}"


def _budget(replica: Replica, budget: MemoryBudget) -> Iterator[Block]:
    share = percent(budget.budget_bytes / budget.total_bytes)
    yield views.ledger_table(
        budget.ledger,
        title=f"One GPU: {format_bytes(budget.budget_bytes)} budget = {share} of {format_bytes(budget.total_bytes)}",
        total_name="budget",
        whole=budget.total_bytes,
    )
    yield Facts(title="KV cache of the replica", pairs=tuple(_kv_facts(replica, budget)))
    if budget.notes:
        yield Items(items=budget.notes, tone="warn")


def _kv_facts(replica: Replica, budget: MemoryBudget) -> Iterator[tuple[str, str]]:
    if not budget.room.layout.groups:
        yield "pool", "none: an encoder keeps no cache"
        yield "concurrency", f"{budget.max_concurrency:,.0f} requests at once (max_num_seqs)"
        return
    yield "pool", f"{size(budget.kv_cache_bytes)} per GPU"
    beyond = budget.room.layout.unbounded_bytes
    windows = f", {format_bytes(beyond)} beyond its windows" if beyond < budget.kv_bytes_per_token else ""
    yield "per token", f"{format_bytes(budget.kv_bytes_per_token)} per GPU{windows}"
    if budget.kv_bytes_per_sequence:
        yield "per sequence", f"{format_bytes(budget.kv_bytes_per_sequence)} per GPU, whatever its length"
    yield "blocks", f"{budget.blocks:,} of {budget.block_tokens} tokens"
    yield "capacity", f"{budget.capacity_tokens:,} tokens"
    full = f"{budget.max_concurrency:,.2f} requests of {replica.settings.max_model_len:,} tokens at once"
    yield "concurrency", full
    if budget.host_bytes:
        yield "host memory", format_bytes(budget.host_bytes)


def _beside_the_log(compared: tuple[Comparison, ...]) -> Table:
    """What the engine measured of itself, beside the plan."""
    return Table(
        title="Beside the engine's own log",
        columns=(
            Column(title="quantity"),
            Column(title="planned", align="right"),
            Column(title="logged", align="right"),
            Column(title="error", align="right"),
        ),
        rows=tuple(
            Row(cells=(each.name, _amount(each.planned, each.unit), _amount(each.observed, each.unit),
                       f"{round(each.relative_error, 3) + 0.0:+.1%}"))
            for each in compared
        ),
    )  # fmt: skip


def _amount(value: float, unit: str) -> str:
    return format_bytes(value) if unit == "B" else f"{value:,.6g} {unit}" if value % 1 else f"{value:,.0f} {unit}"


def compared_record(compared: tuple[Comparison, ...]) -> dict[str, Any]:
    """The comparison in the JSON answer; nothing where there was no log."""
    rows = [
        {"quantity": each.name, "unit": each.unit, "planned": each.planned, "observed": each.observed,
         "relative_error": each.relative_error}
        for each in compared
    ]  # fmt: skip
    return {"observed": rows} if rows else {}

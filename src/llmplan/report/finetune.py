"""Memory of a fine-tuning run, as people and as programs read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmplan.plan.finetune import FinetuneAnswer, FinetuneFit, FinetuneSetup
from llmplan.report import json, views
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.explain import ledger_lines
from llmplan.report.numbers import count, format_bytes, size

SCOPE_NAMES = {
    "allocated": "allocated (max_memory_allocated)",
    "reserved": "reserved (max_memory_reserved)",
    "device": "on the device (nvidia-smi)",
}


def document(answer: FinetuneAnswer, *, explain: bool = False) -> Document:
    """`llmplan finetune`: the peak line by line, how it is read, whether it fits, and what else there is."""
    return tuple(_blocks(answer, explain))


def _blocks(answer: FinetuneAnswer, explain: bool) -> Iterator[Block]:
    memory, setup = answer.memory, answer.memory.setup
    yield Paragraph(text=f"Fine-tuning {setup.model.id}: {run_line(setup)}", heading=1)
    if answer.fit is not None:
        yield _verdict(answer.fit, setup.gpus)
    each = "One GPU" if setup.gpus == 1 else f"One of {setup.gpus} GPUs"
    yield views.ledger_table(memory.ledger, title=f"{each} at the peak of a step", total_name="on the device")
    yield Facts(title="Peak, with its 80 % band", pairs=tuple(_peaks(answer)))
    if answer.fit is not None:
        where = f"On one {answer.fit.gpu}" if setup.gpus == 1 else f"On each of {setup.gpus} {answer.fit.gpu}"
        yield Facts(title=where, pairs=tuple(_limits(answer.fit, setup)))
    yield from _gpus(answer)
    yield from _remedies(answer)
    yield _compared(answer)
    if memory.notes:
        yield Items(title="Notes", items=memory.notes)
    yield from views.defaults_used(answer.assumed)
    if explain:
        sources = views.Sources()
        yield ledger_lines(memory.ledger, sources, title="How each line is computed")
        yield from sources.blocks()


def run_line(setup: FinetuneSetup) -> str:
    """`qlora on nf4 · rank 16 · batch 1 × 2,048 tokens · adamw · checkpointing on · hf`."""
    adapts = setup.method != "full"
    parts = [f"{setup.method} on {setup.weights.id}" if adapts else f"full, {setup.precision}"]
    parts += [f"rank {setup.rank} on {','.join(setup.targets)}"] if adapts else []
    parts += [
        f"batch {setup.batch} × {setup.seq_tokens:,} tokens",
        setup.optimizer.id,
        f"checkpointing {setup.checkpointing}",
        setup.stack.id,
    ]
    parts += [f"{setup.gpus} GPUs, {setup.sharding}"] if setup.gpus > 1 else []
    parts += [f"{setup.offload} offloaded"] if setup.offload != "none" else []
    return " · ".join(parts)


def _verdict(fit: FinetuneFit, gpus: int) -> Paragraph:
    whose = fit.gpu if gpus == 1 else f"each of {gpus} {fit.gpu}"
    room = f"the {format_bytes(fit.visible_bytes)} that can be allocated on {whose}"
    if fit.safe:
        return Paragraph(text=f"Fits: at least {format_bytes(fit.margin_bytes.low)} of {room} stay free.", tone="good")
    if fit.fits:
        text = f"Probably fits {room}: {format_bytes(fit.margin_bytes.mid)} to spare, but the band reaches beyond."
        return Paragraph(text=text, tone="warn")
    text = f"Does not fit {room}: {format_bytes(-fit.margin_bytes.mid)} too much"
    hope = ", though the band leaves a chance." if fit.margin_bytes.high >= 0 else "."
    return Paragraph(text=text + hope, tone="bad")


def _peaks(answer: FinetuneAnswer) -> Iterator[tuple[str, str]]:
    memory = answer.memory
    yield "needed to run", f"{size(memory.needed_bytes)}"
    for name, band in (
        ("allocated", memory.allocated_bytes), ("reserved", memory.reserved_bytes), ("device", memory.device_bytes),
    ):  # fmt: skip
        yield SCOPE_NAMES[name], size(band)
    if memory.host_bytes:
        yield "host memory", format_bytes(memory.host_bytes)
    whole = memory.setup.model.total_parameters
    yield "library", memory.setup.stack.name
    yield "trained", f"{count(memory.trained_parameters)} of {count(whole)} weights"


def _limits(fit: FinetuneFit, setup: FinetuneSetup) -> Iterator[tuple[str, str]]:
    batch = f"{fit.largest_batch:,} × {setup.seq_tokens:,} tokens" if fit.largest_batch else "not even one sequence"
    length = f"{fit.longest_seq_tokens:,} tokens × batch {setup.batch}" if fit.longest_seq_tokens else "not one token"
    if fit.longest_seq_tokens == setup.model.max_context_tokens:
        length += ", the model's whole context"
    yield "largest batch", batch
    yield "longest sequence", length


def _gpus(answer: FinetuneAnswer) -> Iterator[Block]:
    if answer.smallest:
        items = tuple(
            f"{each.gpu}: {format_bytes(each.memory_bytes)}"
            + ("" if each.safe else ", inside the band")
            + ("" if each.bf16 else ", no bf16: train in fp16")
            for each in answer.smallest
        )
        yield Items(title="Smallest GPUs that hold it", items=items)
    elif answer.refusal is not None:
        text = f"No GPU of the catalogue holds it: {answer.refusal.needed} needed per GPU."
        yield Paragraph(text=text, tone="bad")


def _remedies(answer: FinetuneAnswer) -> Iterator[Block]:
    if answer.remedies and (answer.fit is None or not answer.fit.safe):
        yield Table(
            title="What would lower it",
            columns=(Column(title="change", share=1), Column(title="flags"), Column(title="needed", align="right")),
            rows=tuple(Row(cells=(each.change, each.flags, size(each.needed_bytes))) for each in answer.remedies),
        )


def _compared(answer: FinetuneAnswer) -> Table:
    """The other methods, so that a number read somewhere can be placed."""
    setup = answer.memory.setup
    weights = setup.model.total_parameters * 2
    rows = [Row(cells=("the 16-bit weights alone, nothing trained", format_bytes(weights)))]
    rows += [Row(cells=(name, size(band))) for name, band in answer.compared]
    return Table(
        title=f"The same model, batch {setup.batch} × {setup.seq_tokens:,} tokens, other ways",
        columns=(Column(title="method", share=1), Column(title="needed", align="right")),
        rows=tuple(rows),
    )


def record(answer: FinetuneAnswer) -> dict[str, Any]:
    """The JSON answer."""
    memory = answer.memory
    return {
        "schema": json.schema("finetune"),
        "model": memory.setup.model.id,
        "parameters": {**json.parameters(memory.setup.model), "trained": memory.trained_parameters},
        "peak_bytes": json.whole(memory.peak_bytes(answer.scope)),
        "scope": answer.scope,
        "needed_bytes": json.whole(memory.needed_bytes),
        "allocated_bytes": json.whole(memory.allocated_bytes),
        "reserved_bytes": json.whole(memory.reserved_bytes),
        "device_bytes": json.whole(memory.device_bytes),
        "host_bytes": round(memory.host_bytes),
        "lines": {_key(line.name): round(line.amount or 0.0) for line in memory.ledger.lines},
        "fit": _fit(answer.fit),
        "smallest_gpus": [
            {"gpu": each.gpu, "memory_bytes": each.memory_bytes, "safe": each.safe, "bf16": each.bf16}
            for each in answer.smallest
        ],
        "fits": None if answer.fit is None else answer.fit.fits,
        "rejection": None if answer.refusal is None else json.rejection(answer.refusal),
        "remedies": [
            {"change": each.change, "flags": each.flags, "needed_bytes": json.whole(each.needed_bytes)}
            for each in answer.remedies
        ],
        "compared": [{"method": name, "needed_bytes": json.whole(band)} for name, band in answer.compared],
        "run": _run(memory.setup),
        "ledger": json.ledger(memory.ledger),
        "notes": list(memory.notes),
        "assumed": dict(answer.assumed),
    }


def _key(name: str) -> str:
    """`base_weights_bytes` of `base weights`."""
    return name.casefold().replace(" ", "_") + "_bytes"


def _fit(fit: FinetuneFit | None) -> dict[str, Any] | None:
    if fit is None:
        return None
    return {
        "gpu": fit.gpu,
        "memory_bytes": fit.memory_bytes,
        "visible_bytes": fit.visible_bytes,
        "fits": fit.fits,
        "safe": fit.safe,
        "margin_bytes": json.whole(fit.margin_bytes),
        "largest_batch": fit.largest_batch,
        "longest_seq_tokens": fit.longest_seq_tokens,
    }


def _run(setup: FinetuneSetup) -> dict[str, Any]:
    return {
        "method": setup.method,
        "weights": setup.weights.id,
        "rank": setup.rank or None,
        "targets": list(setup.targets) if setup.method != "full" else None,
        "batch": setup.batch,
        "seq": setup.seq_tokens,
        "optimizer": setup.optimizer.id,
        "grad_checkpointing": setup.checkpointing,
        "attention": setup.attention,
        "precision": setup.precision,
        "lengths": setup.lengths,
        "stack": setup.stack.id,
        "gpus": setup.gpus,
        "sharding": setup.sharding,
        "offload": setup.offload,
    }

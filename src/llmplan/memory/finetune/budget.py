"""The peak of one GPU of a fine-tuning run, as a ledger with bands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from llmplan.memory.finetune import activations, overhead, states
from llmplan.memory.finetune.adapters import ALL_LINEAR, QUERY_VALUE, UNKNOWN, trained_parameters
from llmplan.memory.finetune.sources import (
    ALLOCATOR,
    CONTEXT,
    GATHER,
    INVENTORY,
    OPTIMIZER,
    SAVED,
    UNPACK,
)
from llmplan.plan.finetune import Checkpointing, FinetuneMemory, FinetuneSetup, Lengths
from llmplan.plan.ledger import Ledger, Line
from llmplan.spec.band import Band
from llmplan.spec.provenance import Provenance
from llmplan.units import GIB, format_bytes, format_count

HELD_RATIOS: Final = (0.98, 1.02)
ALLOCATED_RATIOS: Final = (0.8, 1.25)
DEVICE_RATIOS: Final[dict[Lengths, tuple[float, float]]] = {
    "fixed": (0.85, 1.5), "varied": (0.6, 1.8), "unknown": (0.6, 1.8),
}  # fmt: skip
"""measured over predicted passing memory, 10th and 90th percentile of the rows of docs/how-it-works/finetuning.md"""
CONTEXT_SPREAD_BYTES: Final = 0.25 * GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Lines of the ledger by what they are, and what the allocator holds beyond them on a GPU with room."""

    held: tuple[Line, ...]
    passing: tuple[Line, ...]
    cache_bytes: float
    host_bytes: float

    @property
    def held_bytes(self) -> float:
        """Weights, adapters, gradients and states."""
        return math.fsum(line.amount or 0.0 for line in self.held)

    @property
    def passing_bytes(self) -> float:
        """Activations, logits and workspaces."""
        return math.fsum(line.amount or 0.0 for line in self.passing)


def finetune_memory(setup: FinetuneSetup, gpu_bytes: int | None = None) -> FinetuneMemory:
    """What one GPU of the run holds at its peak; `gpu_bytes` is what it has, where that is known.

    Where nobody says whether layers are recomputed, or which modules are adapted, the middle lies between the
    possibilities and the band covers them.
    """
    variants = tuple(possibilities(setup))
    if len(variants) > 1:
        return _hull(setup, [_memory(each, gpu_bytes) for each in variants])
    return _memory(setup, gpu_bytes)


def possibilities(setup: FinetuneSetup) -> Iterator[FinetuneSetup]:
    """The runs that a setup with unknown settings may stand for, the smallest first."""
    recomputed: Checkpointing = "offloaded" if setup.stack.checkpointing == "offloaded" else "on"
    modes: tuple[Checkpointing, ...] = (recomputed, "off") if setup.checkpointing == "unknown" else (setup.checkpointing,)
    unnamed = setup.method != "full" and UNKNOWN in setup.targets
    adapted = ((QUERY_VALUE,), (ALL_LINEAR,)) if unnamed else (setup.targets,)
    for mode in modes:
        for targets in adapted:
            yield replace(setup, checkpointing=mode, targets=targets)


def _memory(setup: FinetuneSetup, gpu_bytes: int | None) -> FinetuneMemory:
    parts = _parts(setup)
    held, passing, context = parts.held_bytes, parts.passing_bytes, overhead.context_bytes(setup)
    needed = _plus(_band(held, passing * (1 + overhead.HOLES), ALLOCATED_RATIOS), context)
    room = math.inf if gpu_bytes is None else max(0.0, gpu_bytes - context - held - passing)
    cache = min(parts.cache_bytes, room)
    reserved = _band(held, passing + cache, DEVICE_RATIOS[setup.lengths])
    device = _plus(reserved, context)
    if gpu_bytes is not None and needed.low <= gpu_bytes:
        device = _under(device, gpu_bytes)
    ledger = Ledger(unit="B", lines=(*parts.held, *parts.passing, *_outside(setup, context, cache)))
    return FinetuneMemory(
        setup=setup, ledger=ledger, trained_parameters=trained_parameters(setup), host_bytes=parts.host_bytes,
        allocated_bytes=_band(held, passing, ALLOCATED_RATIOS), reserved_bytes=reserved, device_bytes=device,
        needed_bytes=needed, notes=tuple(_notes(setup)),
    )  # fmt: skip


def _outside(setup: FinetuneSetup, context: float, cache: float) -> Iterator[Line]:
    yield _line("CUDA context", context, "0.5 GiB" + (" and communication" if setup.gpus > 1 else ""), CONTEXT)
    growth = f"{overhead.GROWTH[setup.lengths] - 1:.0%} of what passes ({setup.lengths} lengths)"
    yield _line("allocator cache", cache, f"{growth}, as far as the GPU has room", ALLOCATOR)


def _under(band: Band, limit: float) -> Band:
    """A reading of a GPU cannot exceed what it has."""
    return Band(low=min(band.low, limit), mid=min(band.mid, limit), high=min(band.high, limit))


def _band(held: float, passing: float, ratios: tuple[float, float]) -> Band:
    low, high = (HELD_RATIOS[i] * held + ratios[i] * passing for i in (0, 1))
    return Band(low=low, mid=held + passing, high=high)


def _plus(band: Band, context: float) -> Band:
    low, high = context - CONTEXT_SPREAD_BYTES, context + CONTEXT_SPREAD_BYTES
    return Band(low=band.low + low, mid=band.mid + context, high=band.high + high)


def _hull(setup: FinetuneSetup, variants: Sequence[FinetuneMemory]) -> FinetuneMemory:
    """One band over all possibilities, around the geometric mean of the extremes."""

    def across(bands: Sequence[Band]) -> Band:
        mids = [band.mid for band in bands]
        middle = math.sqrt(min(mids) * max(mids))
        return Band(low=min(band.low for band in bands), mid=middle, high=max(band.high for band in bands))

    device = across([each.device_bytes for each in variants])
    least, most = variants[0], variants[-1]
    unsaid = _line(
        "unknown settings", device.mid - least.ledger.total,
        f"between {format_bytes(least.ledger.total)} and {format_bytes(most.ledger.total)}", SAVED,
    )  # fmt: skip
    return replace(
        least, setup=setup, ledger=Ledger(unit="B", lines=(*least.ledger.lines, unsaid)),
        allocated_bytes=across([each.allocated_bytes for each in variants]),
        reserved_bytes=across([each.reserved_bytes for each in variants]), device_bytes=device,
        needed_bytes=across([each.needed_bytes for each in variants]),
    )  # fmt: skip


def _parts(setup: FinetuneSetup) -> Parts:
    """The lines. Two moments compete for the peak: the loss, and a layer at work with its unpacked or gathered weights;
    the allocator may hold more after the one that needs less."""
    held, host = _held(setup)
    kept, loss, layer = _kept(setup), _loss(setup), _layer(setup)
    sums = {name: math.fsum(line.amount or 0.0 for line in lines) for name, lines in (("loss", loss), ("layer", layer))}
    passing = (kept, *(loss if sums["loss"] >= sums["layer"] else layer))
    growth, base = overhead.GROWTH[setup.lengths], kept.amount or 0.0
    held_back = max(
        growth * (base + sums["loss"]), growth * (base + sums["layer"]) + overhead.unpacking_cache_bytes(setup)
    )
    return Parts(
        held=tuple(held), passing=passing, host_bytes=host,
        cache_bytes=held_back - base - max(sums.values()),
    )  # fmt: skip


def _held(setup: FinetuneSetup) -> tuple[list[Line], float]:
    """Weights, adapters, gradients and states with their share per GPU, and what waits in host memory."""
    weights, grads, optimizer = (
        states.base_weight_bytes(setup), states.gradient_bytes(setup), states.optimizer_bytes(setup),
    )  # fmt: skip
    by_weights, by_grads, by_states = shares(setup)
    full = setup.method == "full"
    host = 0.0
    if setup.offload == "all":
        host += weights + (grads if full else 0.0)
        weights, grads = 0.0, 0.0 if full else grads
    if setup.offload != "none":
        host += optimizer
        optimizer = 0.0
    trained = format_count(trained_parameters(setup))
    width = states.trained_width_bytes(setup)
    wide = f"{trained} × {width} B"
    lines = [
        _line("base weights", weights / by_weights, _weights_text(setup, by_weights), INVENTORY),
        _line("adapters", overhead.adapter_copies(setup), wide, INVENTORY),
        _line("gradients", grads / by_grads, wide + _over(by_grads), INVENTORY),
        _line("optimizer states", optimizer / by_states, _optimizer_text(setup, trained, by_states), OPTIMIZER),
    ]
    return lines, host


def shares(setup: FinetuneSetup) -> tuple[int, int, int]:
    """Over how many GPUs weights, gradients and optimizer states are divided."""
    gpus = setup.gpus
    match setup.sharding:
        case "none" | "ddp":
            return 1, 1, 1
        case "zero1":
            return 1, 1, gpus
        case "zero2":
            return 1, gpus, gpus
        case "zero3" | "fsdp" | "layers":
            return gpus, gpus, gpus


def _kept(setup: FinetuneSetup) -> Line:
    stages = setup.gpus if setup.sharding == "layers" else 1
    text = _kept_text(setup, f"{setup.tokens:,} tokens") + _over(stages)
    return _line("activations kept", activations.kept_bytes(setup) / stages, text, SAVED)


def _loss(setup: FinetuneSetup) -> tuple[Line, ...]:
    text = f"{setup.stack.logit_bytes:g} B × {setup.tokens:,} tokens × {setup.model.vocab_size:,} vocabulary"
    return (_line("logits and loss", activations.logits_bytes(setup), text, SAVED),)


def _layer(setup: FinetuneSetup) -> tuple[Line, ...]:
    per_token = format_bytes(activations.widest_layer_bytes_per_token(setup))
    logits = format_bytes(activations.logits_bytes(setup))
    text = f"{per_token} × {setup.tokens:,} tokens; not at once with logits and loss, {logits}"
    return (
        _line("layer at work", activations.layer_at_work_bytes(setup), text, SAVED),
        _line("unpacked weights", overhead.unpacked_bytes(setup), f"{setup.weights.id} to 16 bit", UNPACK),
        _line("gathered from other GPUs", overhead.gathered_bytes(setup), f"{setup.sharding}", GATHER),
    )


def _line(name: str, amount: float, formula: str, provenance: tuple[Provenance, ...]) -> Line:
    return Line(name=name, amount=amount, unit="B", formula=formula, provenance=provenance)


def _over(gpus: int) -> str:
    return f" / {gpus} GPUs" if gpus > 1 else ""


def _weights_text(setup: FinetuneSetup, gpus: int) -> str:
    width = "fp32 masters" if setup.method == "full" and setup.precision == "mixed" else setup.weights.id
    return f"{format_count(setup.model.total_parameters)} weights as {width}{_over(gpus)}"


def _optimizer_text(setup: FinetuneSetup, trained: str, gpus: int) -> str:
    chosen = setup.optimizer
    if chosen.factored:
        return f"{chosen.id}: a row and a column per matrix{_over(gpus)}"
    width = chosen.state_bytes or states.trained_width_bytes(setup)
    return f"{chosen.id}: {trained} × {chosen.states} × {width:g} B{_over(gpus)}"


def _kept_text(setup: FinetuneSetup, tokens: str) -> str:
    model = setup.model
    match setup.checkpointing:
        case "on":
            return f"2 B × {model.layer_count} layers × {model.hidden_size:,} × {tokens}"
        case "offloaded":
            return "layer inputs wait in host memory"
        case "off" | "unknown":
            return f"{format_bytes(activations.layers_kept_bytes_per_token(setup))} × {tokens}"


def _notes(setup: FinetuneSetup) -> Iterator[str]:
    if setup.optimizer.paged:
        yield f"{setup.optimizer.id} moves its states to host memory when the GPU is full: they need not fit"
    if setup.model.towers:
        yield "the encoders are counted as frozen weights; their activations are not counted"
    if setup.method != "full" and setup.model.is_moe and "all-linear" in setup.targets:
        yield "routed experts get no adapters under all-linear; name their modules to adapt them"
    if setup.model.tied_embeddings and setup.stack.unties:
        yield "this stack holds embedding and head apart although the model ties them"

"""The peak of one GPU of a fine-tuning run, as a ledger with bands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from llmplan.memory.finetune import overhead, states
from llmplan.memory.finetune.adapters import ALL_LINEAR, QUERY_VALUE, UNKNOWN, trained_parameters
from llmplan.memory.finetune.parts import Parts, entry, parts_of, shares
from llmplan.memory.finetune.sources import ALLOCATOR, CONTEXT, SAVED
from llmplan.plan.finetune import Checkpointing, FinetuneMemory, FinetuneSetup, Lengths
from llmplan.plan.ledger import Ledger, Line
from llmplan.spec.band import Band
from llmplan.spec.model import RecurrentMixer
from llmplan.units import GIB, format_bytes

CACHE_LINE: Final = "allocator cache"
HELD_RATIOS: Final = (0.98, 1.02)
ALLOCATED_RATIOS: Final = (0.8, 1.25)
DEVICE_RATIOS: Final[dict[Lengths, tuple[float, float]]] = {
    "fixed": (0.85, 1.5), "varied": (0.6, 1.8), "unknown": (0.6, 1.8),
}  # fmt: skip
"""measured over predicted passing memory, 10th and 90th percentile of the rows of docs/how-it-works/finetuning.md"""
CONTEXT_SPREAD_BYTES: Final = 0.25 * GIB
DEVICE_HELD_RATIOS: Final = (0.98, 1.06)
LEFTOVER_BYTES: Final = 0.75 * GIB
"""what loading may leave in the allocator's cache, besides 6 % of what is held: seen in short runs"""


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
    modes: tuple[Checkpointing, ...] = (
        (recomputed, "off") if setup.checkpointing == "unknown" else (setup.checkpointing,)
    )
    unnamed = setup.method != "full" and UNKNOWN in setup.targets
    adapted = ((QUERY_VALUE,), (ALL_LINEAR,)) if unnamed else (setup.targets,)
    for mode in modes:
        for targets in adapted:
            yield replace(setup, checkpointing=mode, targets=targets)


def _memory(setup: FinetuneSetup, gpu_bytes: int | None) -> FinetuneMemory:
    parts, context = parts_of(setup), overhead.context_bytes(setup)
    room = math.inf if gpu_bytes is None else max(0.0, gpu_bytes - context - parts.held_bytes - parts.passing_bytes)
    cache = min(parts.cache_bytes, room)
    paged = states.optimizer_bytes(setup) / shares(setup)[2] if setup.optimizer.paged else 0.0
    holes = overhead.HOLES * parts.passing_bytes if parts.before_step_bytes is None else 0.0
    needed = _plus(_reading(parts, holes, ALLOCATED_RATIOS, HELD_RATIOS), context)
    needed = Band(**{edge: max(context, getattr(needed, edge) - paged) for edge in ("low", "mid", "high")})
    cached = _reading(parts, cache, DEVICE_RATIOS[setup.lengths], DEVICE_HELD_RATIOS)
    reserved = replace(cached, high=cached.high + LEFTOVER_BYTES)
    device = _plus(reserved, context)
    if gpu_bytes is not None and needed.low <= gpu_bytes:
        device = _under(device, gpu_bytes)
    ledger = Ledger(unit="B", lines=(*parts.held, *parts.passing, *_outside(setup, context, cache)))
    return FinetuneMemory(
        setup=setup, ledger=ledger, trained_parameters=trained_parameters(setup), host_bytes=parts.host_bytes,
        allocated_bytes=_reading(parts, 0.0, ALLOCATED_RATIOS, HELD_RATIOS), reserved_bytes=reserved,
        device_bytes=device, needed_bytes=needed, notes=tuple(_notes(setup)),
    )  # fmt: skip


def _reading(parts: Parts, extra: float, ratios: tuple[float, float], held_ratios: tuple[float, float]) -> Band:
    """A band around held + passing + extra: what is held is known well, what passes is not, a step's copies are."""
    held, passing = parts.held_bytes, parts.passing_bytes
    (low, high), (held_low, held_high) = ratios, held_ratios
    top = passing + extra
    if parts.before_step_bytes is None:
        return Band(low=held_low * held + low * top, mid=held + top, high=held_high * held + high * top)
    most = held_high * held + high * max(parts.before_step_bytes, top if extra > 0 else 0.0)
    known = held + passing
    return Band(low=held_low * known, mid=known + extra, high=max(held_high * known, most, known + extra))


def _outside(setup: FinetuneSetup, context: float, cache: float) -> Iterator[Line]:
    communication = " and 1 GiB for communication" if context > overhead.CONTEXT_BYTES else ""
    yield entry("CUDA context", context, f"0.5 GiB{communication}", CONTEXT)
    growth = f"{overhead.GROWTH[setup.lengths] - 1:.0%} of what passes ({setup.lengths} lengths)"
    yield entry(CACHE_LINE, cache, f"{growth}, as far as the GPU has room", ALLOCATOR)


def _under(band: Band, limit: float) -> Band:
    """A reading of a GPU cannot exceed what it has."""
    return Band(low=min(band.low, limit), mid=min(band.mid, limit), high=min(band.high, limit))


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
    unsaid = entry(
        "unknown settings", device.mid - least.ledger.total,
        f"between {format_bytes(least.ledger.total)} and {format_bytes(most.ledger.total)}", SAVED,
    )  # fmt: skip
    return replace(
        least, setup=setup, ledger=Ledger(unit="B", lines=(*least.ledger.lines, unsaid)),
        allocated_bytes=across([each.allocated_bytes for each in variants]),
        reserved_bytes=across([each.reserved_bytes for each in variants]), device_bytes=device,
        needed_bytes=across([each.needed_bytes for each in variants]),
    )  # fmt: skip


def _notes(setup: FinetuneSetup) -> Iterator[str]:
    if setup.optimizer.paged:
        yield f"{setup.optimizer.id} moves its states to host memory when the GPU is full: they need not fit"
    if any(isinstance(mixer, RecurrentMixer) for mixer in setup.model.mixers()):
        yield "states that recurrent kernels keep between chunks are not counted"
    if setup.model.towers:
        yield "the encoders are counted as frozen weights; their activations are not counted"
    if setup.method != "full" and setup.model.is_moe and "all-linear" in setup.targets:
        yield "routed experts get no adapters under all-linear; name their modules to adapt them"
    if setup.weights.is_quantized and setup.model.is_moe:
        yield "experts are counted as quantized, which takes a library that keeps each as linear layers of its own"
    if setup.seq_tokens > setup.model.max_context_tokens:
        yield f"{setup.seq_tokens:,} tokens exceed the model's context of {setup.model.max_context_tokens:,}"
    if setup.model.tied_embeddings and setup.stack.unties:
        yield "this stack holds embedding and head apart although the model ties them"

"""The question turned round: the largest batch and the longest sequence of a GPU, the smallest GPU, what would help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from llmplan.memory.finetune.budget import CACHE_LINE, finetune_memory
from llmplan.memory.finetune.options import STACKS, optimizer
from llmplan.memory.pool import visible_bytes
from llmplan.plan.finetune import FinetuneFit, FinetuneMemory, FinetuneSetup, FittingGpu, Method, Remedy
from llmplan.plan.outcome import Rejection
from llmplan.spec.band import Band
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.weight_format import WeightFormat
from llmplan.units import format_bytes

MAX_BATCH: Final = 65_536
SHOWN_GPUS: Final = 5
DEFAULT_RANK: Final = 16
GPU_COUNTS: Final = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def fit(memory: FinetuneMemory, gpu: GpuSpec) -> FinetuneFit:
    """Whether the run fits one GPU of the kind, by what CUDA gives of it, and how far batch and length could go."""
    setup, size = memory.setup, visible_bytes(gpu)
    needed = memory.needed_bytes

    def holds(changed: FinetuneSetup) -> bool:
        return finetune_memory(changed).needed_bytes.mid <= size

    return FinetuneFit(
        gpu=gpu.id, memory_bytes=gpu.memory_bytes, visible_bytes=size,
        fits=needed.mid <= size, safe=needed.high <= size,
        margin_bytes=Band(low=size - needed.high, mid=size - needed.mid, high=size - needed.low),
        largest_batch=largest(lambda count: holds(replace(setup, batch=count)), MAX_BATCH),
        longest_seq_tokens=largest(
            lambda tokens: holds(replace(setup, seq_tokens=tokens)), setup.model.max_context_tokens
        ),
    )  # fmt: skip


def largest(holds: Callable[[int], bool], limit: int) -> int | None:
    """The largest number from 1 to `limit` for which `holds`, which holds for all smaller ones; None where for none.

    holds: whether a number is small enough; limit [-]: the largest tried. Bisection. Valid for monotone conditions.
    Reference: none needed.

    >>> largest(lambda count: count * count <= 50, 100)
    7
    """
    if not holds(1):
        return None
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def smallest_gpus(memory: FinetuneMemory, gpus: Iterable[GpuSpec]) -> tuple[FittingGpu, ...]:
    """The smallest GPUs that hold the run, smallest first; by what CUDA gives of them."""
    needed = memory.needed_bytes
    held = [gpu for gpu in gpus if needed.mid <= visible_bytes(gpu)]
    return tuple(
        FittingGpu(
            gpu=gpu.id, memory_bytes=gpu.memory_bytes, safe=needed.high <= visible_bytes(gpu), bf16=gpu.computes_bf16
        )
        for gpu in sorted(held, key=lambda each: (each.memory_bytes, each.id))[:SHOWN_GPUS]
    )


def refuse(memory: FinetuneMemory, name: str, size_bytes: int, remedies: Iterable[Remedy]) -> Rejection:
    """Why a GPU does not hold the run, and the first change of `remedies` after which it would.

    What the allocator could give back is not a reason.
    """
    lines = (each for each in memory.ledger.lines if each.name != CACHE_LINE)
    line = max(lines, key=lambda each: each.amount or 0.0)
    needed = memory.needed_bytes
    fix = next((f"add {each.flags} ({each.change})" for each in remedies if each.needed_bytes.mid <= size_bytes), "")
    return Rejection(
        reason=f"{memory.setup.method} fine-tuning does not fit {name}: most goes to {line.name}",
        needed=f"{format_bytes(needed.mid)} ({format_bytes(needed.low)} to {format_bytes(needed.high)})",
        available=format_bytes(size_bytes), fix=fix, code="does_not_fit", ledger=memory.ledger,
        closeness=min(1.0, size_bytes / needed.mid),
    )  # fmt: skip


def remedies(setup: FinetuneSetup, quantized: WeightFormat, gpu_bytes: int | None = None) -> tuple[Remedy, ...]:
    """Changes that lower what the run needs, in the order in which the field tries them; `quantized` is for QLoRA.

    With `gpu_bytes`, what CUDA gives of each GPU, the last one is the fewest GPUs that hold the run, in powers of two.
    """
    before = finetune_memory(setup).needed_bytes.mid
    tried = (
        Remedy(change=change, flags=flags, needed_bytes=finetune_memory(changed).needed_bytes)
        for change, flags, changed in _changes(setup, quantized)
    )
    return tuple(each for each in (*tried, *_spread(setup, gpu_bytes)) if each.needed_bytes.mid < before)


def _spread(setup: FinetuneSetup, gpu_bytes: int | None) -> Iterator[Remedy]:
    """The same run over more GPUs: 2, 4 and 8, or the fewest that hold it."""
    counts = GPU_COUNTS if gpu_bytes is not None else GPU_COUNTS[:3]
    for gpus in counts:
        if gpus <= setup.gpus:
            continue
        needed = finetune_memory(replace(setup, gpus=gpus, sharding="fsdp")).needed_bytes
        if gpu_bytes is None or needed.mid <= gpu_bytes:
            change, flags = f"weights and states over {gpus} GPUs", f"--gpus {gpus} --sharding fsdp"
            yield Remedy(change=change, flags=flags, needed_bytes=needed)
            if gpu_bytes is not None:
                return


def _changes(setup: FinetuneSetup, quantized: WeightFormat) -> Iterator[tuple[str, str, FinetuneSetup]]:
    if setup.checkpointing in ("off", "unknown"):
        on = replace(setup, checkpointing="on")
        yield "recompute the layers", "--grad-checkpointing on", on
    if setup.attention == "eager":
        yield "flash attention", "--attention flash", replace(setup, attention="flash")
    if setup.batch > 1:
        yield "one sequence at a time, with gradient accumulation", "--batch 1", replace(setup, batch=1)
    if setup.seq_tokens > 1024:
        yield "half the length", f"--seq {setup.seq_tokens // 2}", replace(setup, seq_tokens=setup.seq_tokens // 2)
    if not setup.stack.fused_adapters and setup.gpus == 1:
        for fused in (each for each in STACKS if each.fused_adapters):
            chosen = setup.checkpointing != setup.stack.checkpointing
            flags = f"--stack {fused.id}" + (f" --grad-checkpointing {fused.checkpointing}" if chosen else "")
            changed = replace(setup, stack=fused, checkpointing=fused.checkpointing)
            yield "fused kernels and loss, layer inputs on the host", flags, changed
    sharding = f" --sharding {setup.sharding}" if setup.gpus > 1 else ""
    if setup.method == "full":
        eight = replace(setup, optimizer=optimizer("adamw-8bit"))
        yield "8-bit optimizer states", "--optimizer adamw-8bit", eight
        if setup.offload == "none":
            yield "optimizer states in host memory", "--offload optimizer", replace(setup, offload="optimizer")
        if setup.precision == "mixed":
            yield "16-bit weights, gradients and states", "--precision bf16", replace(setup, precision="bf16")
        yield "LoRA", f"--method lora{sharding}", _adapted(setup, setup.weights, "lora")
    if setup.method != "qlora":
        yield "QLoRA", f"--method qlora{sharding}", _adapted(setup, quantized, "qlora")


def _adapted(setup: FinetuneSetup, weights: WeightFormat, method: Method) -> FinetuneSetup:
    return replace(setup, method=method, weights=weights, rank=setup.rank or DEFAULT_RANK)


def ways(setup: FinetuneSetup, quantized: WeightFormat, plain: WeightFormat) -> tuple[tuple[str, Band], ...]:
    """What other ways of fine-tuning the model need with the same batch and length; `plain` is a 16-bit format."""
    half = replace(setup, precision="bf16")
    full = replace(half, method="full", rank=0, weights=plain)
    named = (
        ("full, 32-bit masters", replace(full, precision="mixed")), ("full, 16 bit throughout", full),
        ("LoRA on 16-bit weights", _adapted(half, plain, "lora")),
        (f"QLoRA on {quantized.id}", _adapted(half, quantized, "qlora")),
    )  # fmt: skip
    return tuple((f"{name}, {each.optimizer.id}", finetune_memory(each).needed_bytes) for name, each in named)

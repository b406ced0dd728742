"""A fine-tuning run from what was asked for: defaults, contradictions, the answer, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from llmplan.errors import UsageError
from llmplan.memory import finetune as core
from llmplan.memory.finetune import fit as inverse
from llmplan.memory.formats import AUTO, weight_format
from llmplan.memory.pool import visible_bytes
from llmplan.plan.finetune import FinetuneAnswer, FinetuneMemory, FinetuneRequest, FinetuneSetup, Remedy, Sharding
from llmplan.plan.outcome import Rejection
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.model import ModelSpec

PLAIN_FORMAT: Final = "bf16"
DEFAULTS: Final = FinetuneRequest()


def answer(
    model: ModelSpec, request: FinetuneRequest, gpus: Sequence[GpuSpec], gpu: GpuSpec | None = None
) -> FinetuneAnswer:
    """Memory, whether it fits `gpu`, which of `gpus` are the smallest that hold it, and what would lower it."""
    setup = setup_of(model, request)
    memory = core.finetune_memory(setup, gpu.memory_bytes if gpu else None)
    plain, quantized = weight_format(PLAIN_FORMAT), core.base_format(model, "qlora", AUTO)
    found = inverse.fit(memory, gpu) if gpu else None
    smallest = inverse.smallest_gpus(memory, gpus)
    target = gpu or (None if smallest else largest(gpus))
    remedies = inverse.remedies(setup, quantized, visible_bytes(target) if target else None)
    if request.weights.casefold() != AUTO:
        remedies = _naming_the_base(remedies, quantized.id)
    fits = found.fits if found else bool(smallest)
    return FinetuneAnswer(
        memory=memory, scope=request.scope, fit=found, smallest=smallest, remedies=remedies,
        refusal=None if fits or target is None else refusal(memory, target, remedies, any_gpu=gpu is None),
        compared=inverse.ways(setup, quantized, plain), assumed=assumptions(request, setup),
    )  # fmt: skip


def largest(gpus: Iterable[GpuSpec]) -> GpuSpec | None:
    """The GPU with the most memory."""
    return max(gpus, key=lambda each: each.memory_bytes, default=None)


def refusal(memory: FinetuneMemory, gpu: GpuSpec, remedies: Iterable[Remedy], *, any_gpu: bool) -> Rejection:
    """Why the GPU does not hold the run; with `any_gpu`, none does, and this is the largest."""
    count = memory.setup.gpus
    name = f"one {gpu.id}" if count == 1 else f"{count} × {gpu.id}"
    if any_gpu:
        name = f"any GPU of the catalogue, the largest is {gpu.id}"
    return inverse.refuse(memory, name, visible_bytes(gpu), remedies)


def setup_of(model: ModelSpec, request: FinetuneRequest) -> FinetuneSetup:
    """The run that is asked for, every default filled in."""
    demand_consistent(request)
    stack = core.stack(request.stack)
    adapts = request.method != "full"
    setup = FinetuneSetup(
        model=model, method=request.method, optimizer=core.optimizer(request.optimizer), stack=stack,
        weights=core.base_format(model, request.method, request.weights, double_quant=request.double_quant),
        batch=request.batch, seq_tokens=request.seq_tokens,
        rank=(request.rank or inverse.DEFAULT_RANK) if adapts else 0, targets=request.targets or (core.ALL_LINEAR,),
        checkpointing=request.checkpointing or stack.checkpointing, attention=request.attention,
        precision=request.precision, lengths=request.lengths, gpus=request.gpus,
        sharding=request.sharding or _usual_sharding(request), offload=request.offload,
    )  # fmt: skip
    if adapts:
        core.targets(setup)
    return setup


def _usual_sharding(request: FinetuneRequest) -> Sharding:
    if request.gpus == 1:
        return "none"
    return "fsdp" if request.method == "full" else "ddp"


def demand_consistent(request: FinetuneRequest) -> None:
    """Refuse settings that contradict each other."""
    if request.method == "full" and (request.rank is not None or request.targets is not None):
        named = "--rank" if request.rank is not None else "--targets"
        raise UsageError(f"{named} is for adapters, and --method full has none", hints=["--method lora"])
    if request.gpus == 1 and request.sharding not in (None, "none"):
        raise UsageError(f"--sharding {request.sharding} needs more than one GPU", hints=["for example --gpus 8"])
    if request.gpus > 1 and request.sharding == "none":
        message = f"--gpus {request.gpus} with --sharding none would run {request.gpus} separate trainings"
        raise UsageError(message, hints=["--sharding ddp divides the batch, fsdp the weights, too"])
    if not request.double_quant and request.method != "qlora":
        raise UsageError("--no-double-quant is for the NF4 base of qlora", hints=["--method qlora"])


def assumptions(request: FinetuneRequest, setup: FinetuneSetup) -> dict[str, str]:
    """Every setting that matters and may not have been asked for: the value that counts."""
    adapts = request.method != "full"
    nested = request.method == "qlora" and setup.weights.id == "nf4" and request.double_quant
    chosen = {
        "method": (request.method == DEFAULTS.method, request.method),
        "weights": (request.weights.casefold() == AUTO, setup.weights.id),
        "double_quant": (nested, "on"),
        "rank": (adapts and request.rank is None, f"{setup.rank}"),
        "targets": (adapts and request.targets is None, ",".join(setup.targets)),
        "batch": (request.batch == DEFAULTS.batch, f"{request.batch}"),
        "seq": (request.seq_tokens == DEFAULTS.seq_tokens, f"{request.seq_tokens}"),
        "optimizer": (request.optimizer == DEFAULTS.optimizer, setup.optimizer.id),
        "grad_checkpointing": (request.checkpointing is None, setup.checkpointing),
        "attention": (request.attention == DEFAULTS.attention, setup.attention),
        "precision": (not adapts and request.precision == DEFAULTS.precision, setup.precision),
        "lengths": (request.lengths == DEFAULTS.lengths, setup.lengths),
        "stack": (request.stack == DEFAULTS.stack, setup.stack.id),
        "sharding": (request.gpus > 1 and request.sharding is None, setup.sharding),
    }
    return {name: value for name, (assumed, value) in chosen.items() if assumed}


def _naming_the_base(remedies: Iterable[Remedy], quantized: str) -> tuple[Remedy, ...]:
    """QLoRA needs a base of its own where another was asked for by name."""
    return tuple(
        replace(each, flags=f"{each.flags} --weights {quantized}") if "--method qlora" in each.flags else each
        for each in remedies
    )

"""`llmplan finetune`: what does fine-tuning need, and on which GPU does it fit?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console, _parse
from llmplan.cli._catalog import find_model, open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import ModelArgument, ModelCatalogFlags, OutputFlags, count
from llmplan.errors import NoFeasiblePlanError, UsageError

if TYPE_CHECKING:
    from llmplan.plan.finetune import FinetuneAnswer, FinetuneMemory, FinetuneSetup, Remedy
    from llmplan.plan.outcome import Rejection
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.gpu import GpuSpec
    from llmplan.spec.model import ModelSpec

METHODS = ("full", "lora", "qlora")
CHECKPOINTING = ("on", "offloaded", "off", "unknown")
ATTENTION = ("flash", "eager")
PRECISION = ("bf16", "mixed")
LENGTHS = ("fixed", "varied", "unknown")
SHARDING = ("none", "ddp", "layers", "zero1", "zero2", "zero3", "fsdp")
OFFLOAD = ("none", "optimizer", "all")
SCOPES = ("allocated", "reserved", "device")
"""those of plan.finetune, which --help need not import"""
CHECKPOINTING_WORDS = {"true": "on", "yes": "on", "false": "off", "no": "off", "unstated": "unknown"}
TARGET_WORDS = {"all": "all-linear", "default": "q,v", "qv": "q,v", "q-v": "q,v"}
"""other words for the same, as configurations of training libraries have them"""
DEFAULT_RANK = 16
DEFAULT_TARGETS = "all-linear"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("finetune", short_help="Memory of full, LoRA and QLoRA fine-tuning, and the GPUs it fits.")(finetune)


def pick(flag: str, known: tuple[str, ...], help_text: str) -> Any:
    """An option that takes one of a few words."""
    return typer.Option(flag, parser=_parse.choice(flag, known), metavar="|".join(known), help=help_text)


def checkpointing(value: object) -> str:
    """`on`, `offloaded`, `off` or `unknown`; `true` and `false` will do.

    >>> checkpointing("True"), checkpointing("offloaded")
    ('on', 'offloaded')
    """
    text = str(value).strip().casefold()
    return _parse.choice("--grad-checkpointing", CHECKPOINTING)(CHECKPOINTING_WORDS.get(text, text))


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneFlags:
    """One fine-tuning run."""

    method: Annotated[str, pick("--method", METHODS, "What is trained: all weights, or adapters on them.")] = "lora"
    weights: Annotated[
        str, typer.Option("--weights", metavar="FMT", help="Format of the base; auto: 16 bit, NF4 under qlora.")
    ] = "auto"
    double_quant: Annotated[
        bool, typer.Option("--double-quant/--no-double-quant", help="Quantize NF4's scales, too.")
    ] = True
    rank: Annotated[int | None, count("--rank", "Rank of the adapters (16).", at_most=65_536)] = None
    targets: Annotated[
        str | None,
        typer.Option(
            "--targets", metavar="NAMES",
            help="Adapted modules: all-linear, q,v, attention, mlp, unknown, or module names (all-linear).",
        ),
    ] = None  # fmt: skip
    batch: Annotated[int, count("--batch", "Sequences per GPU in one forward pass.", at_most=65_536)] = 1
    seq: Annotated[int, count("--seq", "Tokens of the longest sequence.")] = 2048
    optimizer: Annotated[
        str, typer.Option("--optimizer", metavar="NAME", help="adamw, adamw-8bit, paged-adamw, adafactor, lion, sgd, …")
    ] = "adamw"
    grad_checkpointing: Annotated[
        str | None,
        typer.Option(
            "--grad-checkpointing",
            parser=checkpointing,
            metavar="|".join(CHECKPOINTING),
            help="Recompute layers in the backward pass (as the stack does).",
        ),
    ] = None
    attention: Annotated[str, pick("--attention", ATTENTION, "Whether attention scores are kept.")] = "flash"
    precision: Annotated[
        str, pick("--precision", PRECISION, "Of what is trained: 16 bit throughout, or 32-bit masters.")
    ] = "bf16"
    lengths: Annotated[
        str, pick("--lengths", LENGTHS, "Whether all batches have one shape: packed or padded to --seq.")
    ] = "varied"
    stack: Annotated[
        str, typer.Option("--stack", metavar="NAME", help="Training library: hf, unsloth, torchtune, litgpt.")
    ] = "hf"
    gpu: Annotated[str | None, typer.Option("--gpu", metavar="ID", envvar="LLMPLAN_GPU", help="GPU id or alias.")] = (
        None
    )
    gpus: Annotated[int, count("--gpus", "GPUs that share the run.", at_most=4096)] = 1
    sharding: Annotated[
        str | None, pick("--sharding", SHARDING, "What the GPUs divide (fsdp for full, ddp for adapters).")
    ] = None
    offload: Annotated[str, pick("--offload", OFFLOAD, "What waits in host memory.")] = "none"
    scope: Annotated[str, pick("--scope", SCOPES, "How the peak is read: by PyTorch, or by nvidia-smi (device).")] = (
        "device"
    )


@takes_flags
def finetune(model: ModelArgument, *, run: FinetuneFlags, catalog: ModelCatalogFlags, output: OutputFlags) -> int:
    """Memory of fine-tuning, line by line with its band; with --gpu, whether it fits and how far batch and length go.

    Exits 3 when the run does not fit the GPU.
    """
    answer = answer_for(model, run, open_catalog(catalog))
    _show(answer, output)
    refused = answer.refusal
    if refused is not None:
        raise NoFeasiblePlanError(refused.reason, hints=[refused.fix] if refused.fix else [])
    return 0


def answer_for(name: str, run: FinetuneFlags, catalog: Catalog) -> FinetuneAnswer:
    """The answer to one set of flags."""
    from llmplan.memory import finetune as core
    from llmplan.memory.finetune import fit as inverse
    from llmplan.memory.formats import weight_format
    from llmplan.plan.finetune import FinetuneAnswer

    model = find_model(name, catalog, (run.weights,))
    gpu = catalog.gpus[run.gpu] if run.gpu else None
    setup, assumed = setup_of(model, run)
    memory = core.finetune_memory(setup, gpu.memory_bytes if gpu else None)
    plain, quantized = weight_format("bf16"), weight_format("nf4")
    found = inverse.fit(memory, gpu) if gpu else None
    smallest = inverse.smallest_gpus(memory, catalog.gpus.values())
    most = gpu.memory_bytes if gpu else None if smallest else max(each.memory_bytes for each in catalog.gpus.values())
    remedies = inverse.remedies(setup, quantized, most)
    return FinetuneAnswer(
        memory=memory, scope=run.scope, fit=found, smallest=smallest, remedies=remedies, assumed=assumed,  # type: ignore[arg-type]
        refusal=_refusal(memory, gpu, bool(found and found.fits), bool(smallest), remedies, catalog),
        compared=inverse.ways(setup, quantized, plain),
    )  # fmt: skip


def _refusal(
    memory: FinetuneMemory,
    gpu: GpuSpec | None,
    fits: bool,
    any_fits: bool,
    remedies: tuple[Remedy, ...],
    catalog: Catalog,
) -> Rejection | None:
    from llmplan.memory.finetune import fit as inverse

    if gpu is not None:
        return None if fits else inverse.refuse(memory, f"one {gpu.id}", gpu.memory_bytes, remedies)
    if any_fits:
        return None
    largest = max(catalog.gpus.values(), key=lambda each: each.memory_bytes)
    name = f"any GPU of the catalogue, the largest is {largest.id}"
    return inverse.refuse(memory, name, largest.memory_bytes, remedies)


def setup_of(model: ModelSpec, run: FinetuneFlags) -> tuple[FinetuneSetup, dict[str, str]]:
    """The run that the flags describe, every default filled in and named."""
    from llmplan.memory import finetune as core
    from llmplan.plan.finetune import FinetuneSetup

    _consistent(run)
    stack = core.stack(run.stack)
    optimizer = core.optimizer(run.optimizer)
    weights = core.base_format(model, run.method, run.weights, double_quant=run.double_quant)  # type: ignore[arg-type]
    adapts = run.method != "full"
    sharding = run.sharding or ("none" if run.gpus == 1 else "ddp" if adapts else "fsdp")
    setup = FinetuneSetup(
        model=model, method=run.method, weights=weights, optimizer=optimizer, stack=stack, batch=run.batch,  # type: ignore[arg-type]
        seq_tokens=run.seq, rank=(run.rank or DEFAULT_RANK) if adapts else 0, targets=_targets(run.targets),
        checkpointing=run.grad_checkpointing or stack.checkpointing, attention=run.attention,  # type: ignore[arg-type]
        precision=run.precision, lengths=run.lengths, gpus=run.gpus, sharding=sharding, offload=run.offload,  # type: ignore[arg-type]
    )  # fmt: skip
    if adapts:
        core.targets(setup)
    return setup, assumptions(run, setup)


def _targets(text: str | None) -> tuple[str, ...]:
    """`q,v` is one group; anything else is a list of names."""
    wanted = (text or DEFAULT_TARGETS).replace(" ", "")
    group = TARGET_WORDS.get(wanted.casefold(), wanted.casefold())
    if group in ("q,v", DEFAULT_TARGETS):
        return (group,)
    return tuple(name for name in wanted.split(",") if name) or (DEFAULT_TARGETS,)


def _consistent(run: FinetuneFlags) -> None:
    """Refuse flags that contradict each other."""
    if run.method == "full" and (run.rank is not None or run.targets is not None):
        named = "--rank" if run.rank is not None else "--targets"
        raise UsageError(f"{named} is for adapters, and --method full has none", hints=["--method lora"])
    if run.gpus == 1 and run.sharding not in (None, "none"):
        raise UsageError(f"--sharding {run.sharding} needs more than one GPU", hints=["for example --gpus 8"])
    if run.gpus > 1 and run.sharding == "none":
        raise UsageError(f"--gpus {run.gpus} with --sharding none would run {run.gpus} separate trainings",
                         hints=["--sharding ddp divides the batch, fsdp the weights, too"])  # fmt: skip
    if not run.double_quant and run.method != "qlora":
        raise UsageError("--no-double-quant is for the NF4 base of qlora", hints=["--method qlora"])


def assumptions(run: FinetuneFlags, setup: FinetuneSetup) -> dict[str, str]:
    """Every setting that matters and may not have been asked for: the value that counts."""
    said = {field: getattr(run, field) for field in ("grad_checkpointing", "sharding", "rank", "targets")}
    adapts = run.method != "full"
    chosen = {
        "method": (run.method == "lora", run.method),
        "weights": (run.weights == "auto", setup.weights.id),
        "double_quant": (run.method == "qlora" and setup.weights.id == "nf4" and run.double_quant, "on"),
        "rank": (adapts and said["rank"] is None, f"{setup.rank}"),
        "targets": (adapts and said["targets"] is None, DEFAULT_TARGETS),
        "batch": (run.batch == 1, "1"),
        "seq": (run.seq == FinetuneFlags().seq, f"{run.seq}"),
        "optimizer": (run.optimizer == "adamw", "adamw"),
        "grad_checkpointing": (said["grad_checkpointing"] is None, setup.checkpointing),
        "attention": (run.attention == "flash", "flash"),
        "precision": (not adapts and run.precision == "bf16", "bf16"),
        "lengths": (run.lengths == "varied", "varied"),
        "stack": (run.stack == "hf", "hf"),
        "sharding": (run.gpus > 1 and said["sharding"] is None, setup.sharding),
    }
    return {name: value for name, (assumed, value) in chosen.items() if assumed}


def _show(answer: FinetuneAnswer, output: OutputFlags) -> None:
    from llmplan.report import finetune as view

    _console.answer(
        output.chosen,
        record=lambda: view.record(answer),
        document=lambda: view.document(answer, explain=output.explain),
    )

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
    from llmplan.plan.finetune import FinetuneAnswer, FinetuneRequest
    from llmplan.spec.catalog import Catalog

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
TARGET_GROUPS = ("all-linear", "q,v", "attention", "mlp", "unknown")
"""those of memory.finetune, which --help need not import"""


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
    from llmplan.planner import finetune as planner

    model = find_model(name, catalog, (run.weights,))
    gpu = catalog.gpus[run.gpu] if run.gpu else None
    return planner.answer(model, request_of(run), tuple(catalog.gpus.values()), gpu)


def request_of(run: FinetuneFlags) -> FinetuneRequest:
    """The flags as a question."""
    from llmplan.plan.finetune import FinetuneRequest

    return FinetuneRequest(
        method=run.method, weights=run.weights, double_quant=run.double_quant, rank=run.rank,  # type: ignore[arg-type]
        targets=None if run.targets is None else target_names(run.targets), batch=run.batch, seq_tokens=run.seq,
        optimizer=run.optimizer, checkpointing=run.grad_checkpointing, attention=run.attention,  # type: ignore[arg-type]
        precision=run.precision, lengths=run.lengths, stack=run.stack, gpus=run.gpus,  # type: ignore[arg-type]
        sharding=run.sharding, offload=run.offload, scope=run.scope,  # type: ignore[arg-type]
    )  # fmt: skip


def target_names(text: str) -> tuple[str, ...]:
    """The modules of `--targets`; `q,v` is one group, anything else is a list of names.

    >>> target_names("Default"), target_names("q_proj, v_proj")
    (('q,v',), ('q_proj', 'v_proj'))
    """
    wanted = text.replace(" ", "")
    group = TARGET_WORDS.get(wanted.casefold(), wanted.casefold())
    if group in TARGET_GROUPS:
        return (group,)
    names = tuple(name for name in wanted.split(",") if name)
    if not names:
        raise UsageError("--targets names no module", hints=[f"--targets takes {', '.join(TARGET_GROUPS)}, or names"])
    return names


def _show(answer: FinetuneAnswer, output: OutputFlags) -> None:
    from llmplan.report import finetune as view

    _console.answer(
        output.chosen,
        record=lambda: view.record(answer),
        document=lambda: view.document(answer, explain=output.explain),
    )

"""The options that commands share, each defined once: name, environment variable, bounds and help.

Precedence is typer's for flag and environment (`LLMPLAN_*`), then the workload file, then the default; an option
that a workload file may state has the default None.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from llmplan.cli import _parse

if TYPE_CHECKING:
    from llmplan.cli._console import OutputFormat

PRIVACY = ("any", "private", "air-gapped")
TERMS = ("on-demand", "spot", "reserved-1y", "reserved-3y")
"""those of spec.price, which --help need not import"""
FORMATS = ("table", "json", "markdown")

MODEL_HELP = (
    "Hub id of a catalogue model, or a path: a checkpoint's folder or file (.safetensors, .gguf), a config.json."
)
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFlags:
    """How the answer is printed."""

    format: Annotated[
        str,
        typer.Option(
            "--format", parser=_parse.choice("--format", FORMATS), metavar="|".join(FORMATS), envvar="LLMPLAN_FORMAT",
            help="How to print the answer.",
        ),
    ] = "table"  # fmt: skip
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Print the formula of each line with the numbers put in, and its sources."),
    ] = False

    @property
    def chosen(self) -> OutputFormat:
        """The format, whichever of the two flags said it."""
        return "json" if self.json else cast("OutputFormat", self.format)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogFlags:
    """Which figures are used."""

    catalog: Annotated[
        Path | None,
        typer.Option("--catalog", metavar="DIR", help="A folder of your own profiles, over the packaged ones."),
    ] = None
    as_of: Annotated[
        Any,
        typer.Option(
            "--as-of", "--price-date", parser=_parse.day("--as-of"), metavar="DATE", envvar="LLMPLAN_PRICE_DATE",
            help="Quote the prices of this day (default: today).",
        ),
    ] = None  # fmt: skip

    @property
    def price_date(self) -> date | None:
        """The day asked for."""
        return cast("date | None", self.as_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCatalogFlags(CatalogFlags):
    """Which figures are used, by a command that takes a model."""

    hub: Annotated[
        bool,
        typer.Option(
            "--hub", help="Read a Hub id that the catalogue does not have from the Hugging Face Hub (network)."
        ),
    ] = False


def count(flag: str, help_text: str, *, at_least: int = 1, at_most: int = _parse.MAX_TOKENS, envvar: str = "") -> Any:
    return typer.Option(
        flag, parser=_parse.integer(flag, at_least=at_least, at_most=at_most), metavar="N", help=help_text,
        envvar=envvar or None,
    )  # fmt: skip


def amount(
    flag: str,
    help_text: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    metavar: str = "X",
    envvar: str = "",
) -> Any:
    return typer.Option(
        flag, parser=_parse.number(flag, above=above, at_least=at_least, at_most=at_most), metavar=metavar,
        help=help_text, envvar=envvar or None,
    )  # fmt: skip


def many(flag: str, metavar: str, help_text: str, envvar: str = "", parser: Any = None) -> Any:
    return typer.Option(flag, metavar=metavar, help=f"{help_text} (repeatable)", envvar=envvar or None, parser=parser)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaFlags:
    """One replica: what `memory` and `predict` ask about. Hashable, so that thousands of cases share their pieces."""

    gpu: Annotated[str | None, typer.Option("--gpu", metavar="ID", envvar="LLMPLAN_GPU", help="GPU id or alias.")] = (
        None
    )
    gpus: Annotated[
        int | None, count("--gpus", "GPUs of the replica; without --tp they are one TP group.", at_most=4096)
    ] = None
    tp: Annotated[int | None, count("--tp", "Tensor parallel ranks.", at_most=1024)] = None
    pp: Annotated[int | None, count("--pp", "Pipeline stages.", at_most=1024)] = None
    dp: Annotated[int | None, count("--dp", "Data parallel attention groups.", at_most=1024)] = None
    ep: Annotated[int | None, count("--ep", "Expert parallel ranks: 1, or all TP x DP ranks.", at_most=1024)] = None
    dcp: Annotated[
        int | None,
        count("--dcp", "Decode context parallel: TP ranks that share one copy of the KV cache.", at_most=1024),
    ] = None
    host: Annotated[
        str | None, typer.Option("--host", metavar="ID", help="Host around the GPUs (default: the usual one).")
    ] = None
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine", metavar="ID[@VERSION]", envvar="LLMPLAN_ENGINE",
            help="Serving engine (default: vllm; llama-cpp for a GGUF file).",
        ),
    ] = None  # fmt: skip
    engine_version: Annotated[
        str | None, typer.Option("--engine-version", metavar="V", help="Version of the engine.")
    ] = None
    weights: Annotated[
        str, typer.Option("--weights", metavar="FMT", help="Weight format; auto is the checkpoint's own.")
    ] = "auto"
    kv_cache: Annotated[
        str,
        typer.Option(
            "--kv-cache",
            metavar="FMT",
            help="KV cache format; auto is what the checkpoint asks for, else the 16-bit type.",
        ),
    ] = "auto"
    max_model_len: Annotated[int | None, count("--max-model-len", "Longest request, input plus output.")] = None
    max_num_seqs: Annotated[int | None, count("--max-num-seqs", "Most sequences in one step.", at_most=1_000_000)] = (
        None
    )
    max_num_batched_tokens: Annotated[int | None, count("--max-num-batched-tokens", "Most tokens in one step.")] = None
    gpu_memory_utilization: Annotated[
        float | None,
        amount(
            "--gpu-memory-utilization", "Share of GPU memory that the engine may use.", above=0, at_most=1, metavar="F"
        ),
    ] = None
    block_size: Annotated[int | None, count("--block-size", "Tokens of one KV block.", at_most=65536)] = None
    enforce_eager: Annotated[bool, typer.Option("--enforce-eager", help="No CUDA graphs.")] = False
    kv_cache_memory_gib: Annotated[
        float | None,
        amount("--kv-cache-memory-gib", "A known KV pool per GPU, instead of the estimated one.", above=0, at_most=1e6),
    ] = None
    host_layers: Annotated[int | None, count("--host-layers", "Layers that the CPU computes (llama.cpp).")] = None
    experts_on_cpu: Annotated[
        int | None,
        count("--experts-on-cpu", "First layers whose routed experts the CPU computes (llama.cpp --n-cpu-moe)."),
    ] = None
    cpu_offload_gb: Annotated[
        float | None,
        amount(
            "--cpu-offload-gb", "GiB of each GPU's weights that cross PCIe every step (vLLM).", above=0, at_most=1e6
        ),
    ] = None
    adapters: Annotated[int | None, count("--adapters", "LoRA adapters to serve.", at_most=1_000_000)] = None
    lora_rank: Annotated[int | None, count("--lora-rank", "Rank of the adapters (default: 16).", at_most=4096)] = None
    speculative_tokens: Annotated[
        int | None,
        count("--speculative-tokens", "Tokens drafted in each step; never assumed.", at_least=0, at_most=64),
    ] = None
    acceptance_rate: Annotated[
        float | None,
        amount(
            "--acceptance-rate", "Chance that a drafted token is accepted if those before it were.", at_least=0,
            at_most=1, metavar="A",
        ),
    ] = None  # fmt: skip
    draft_model: Annotated[
        str | None,
        typer.Option(
            "--draft-model", metavar="MODEL|mtp|eagle|ngram",
            help="What drafts: a model, the model's own MTP layers (default where it has them), an EAGLE layer, a "
            "look-up.",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFlags:
    """What one replica is asked to carry: exactly one of concurrency, rate, burst and saturation."""

    isl: Annotated[int | None, count("--isl", "Input tokens of a request.", envvar="LLMPLAN_ISL")] = None
    osl: Annotated[int | None, count("--osl", "Output tokens of a request.", envvar="LLMPLAN_OSL")] = None
    concurrency: Annotated[
        float | None, amount("--concurrency", "That many requests always in flight.", above=0, at_most=1e6, metavar="N")
    ] = None
    rate: Annotated[
        float | None,
        amount("--rate", "Poisson arrivals per second.", above=0, at_most=_parse.MAX_REQUESTS_PER_S, metavar="R"),
    ] = None
    burst: Annotated[
        float | None, amount("--burst", "That many requests at once, at t = 0.", above=0, at_most=1e6, metavar="N")
    ] = None
    saturation: Annotated[bool, typer.Option("--saturation", help="As many as the engine admits.")] = False
    prefix_share: Annotated[
        float,
        amount("--prefix-share", "Share of the input that the prefix cache already holds.", at_least=0, at_most=1),
    ] = 0.0
    prefixes: Annotated[
        int | None,
        count(
            "--prefixes",
            "Different prefixes, each held once (default: 1); 0: each request has its own.",
            at_least=0,
            at_most=1_000_000,
        ),
    ] = None
    disaggregate: Annotated[
        str | None,
        typer.Option(
            "--disaggregate", metavar="P:D", help="P replicas that only prefill and D that only decode; speed of all."
        ),
    ] = None

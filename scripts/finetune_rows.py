"""Published peaks of fine-tuning memory as runs: how each row of finetune_memory.csv is read.

A row becomes a run by what its columns say; nothing is looked up by source but the training library that it names.
Models come from the public sizes below, from the catalogue, or from config.json files beside the table, which is found
in the folder named by `LLMPLAN_DATA` (default `../shared/data` beside the repository).
"""

from __future__ import annotations

import csv
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.catalogs.hf_config import read_config, read_config_file
from llmplan.errors import LlmplanError
from llmplan.memory import finetune
from llmplan.memory.formats import weight_format
from llmplan.plan.finetune import Checkpointing, FinetuneSetup, Lengths, Scope, Sharding
from llmplan.spec.catalog import Catalog
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB

REPO = Path(__file__).resolve().parents[1]
FILE = "finetune_memory.csv"
RANK_UNSTATED = 16
NAMES = (
    "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "intermediate_size", "vocab_size",
)  # fmt: skip
SIZES: dict[str, tuple[Any, ...]] = {
    "phi-1.5": ("phi", 2048, 24, 32, 32, 8192, 51200),
    "phi-2": ("phi", 2560, 32, 32, 32, 10240, 51200),
    "falcon-7b": ("falcon", 4544, 32, 71, 1, 18176, 65024),
    "gemma-2b": ("gemma", 2048, 18, 8, 1, 16384, 256000),
    "gemma-7b": ("gemma", 3072, 28, 16, 16, 24576, 256000),
    "llama-2-7b": ("llama", 4096, 32, 32, 32, 11008, 32000),
    "llama-2-13b": ("llama", 5120, 40, 40, 40, 13824, 32000),
    "llama-30b": ("llama", 6656, 60, 52, 52, 17920, 32000),
    "llama-3-8b": ("llama", 4096, 32, 32, 8, 14336, 128256),
    "llama-3-70b": ("llama", 8192, 80, 64, 8, 28672, 128256),
    "llama-3.1-8b": ("llama", 4096, 32, 32, 8, 14336, 128256),
    "llama-3.1-70b": ("llama", 8192, 80, 64, 8, 28672, 128256),
    "llama-3.1-405b": ("llama", 16384, 126, 128, 8, 53248, 128256),
    "mistral-7b": ("mistral", 4096, 32, 32, 8, 14336, 32000),
    "mistral-7b-v0.2": ("mistral", 4096, 32, 32, 8, 14336, 32000),
    "zephyr-7b": ("mistral", 4096, 32, 32, 8, 14336, 36608),
    "phi-3-mini": ("phi3", 3072, 32, 32, 32, 8192, 32064),
    "stablelm-alpha-3b": ("gpt_neox", 4096, 16, 32, 32, 16384, 50688),
    "tinyllama-1.1b": ("llama", 2048, 22, 32, 4, 5632, 32000),
    "qwen-1.8b": ("qwen", 2048, 24, 16, 16, 11008, 151936),
    "qwen-7b": ("qwen", 4096, 32, 32, 32, 22016, 151936),
    "qwen-14b": ("qwen", 5120, 40, 40, 40, 27392, 152064),
    "qwen-72b": ("qwen", 8192, 80, 64, 64, 49152, 152064),
    "yi-6b": ("llama", 4096, 32, 32, 4, 11008, 64000),
    "yi-34b": ("llama", 7168, 60, 56, 8, 20480, 64000),
    "yi-9b": ("llama", 4096, 48, 32, 4, 11008, 64000),
    "llama-7b": ("llama", 4096, 32, 32, 32, 11008, 32000),
    "llama-13b": ("llama", 5120, 40, 40, 40, 13824, 32000),
    "deepseek-llm-7b": ("llama", 4096, 30, 32, 32, 11008, 102400),
    "qwen1.5-1.8b": ("qwen2", 2048, 24, 16, 16, 5504, 151936),
    "qwen1.5-4b": ("qwen2", 2560, 40, 20, 20, 6912, 151936),
    "qwen1.5-7b": ("qwen2", 4096, 32, 32, 32, 11008, 151936),
    "qwen1.5-14b": ("qwen2", 5120, 40, 40, 40, 13696, 152064),
    "qwen1.5-72b": ("qwen2", 8192, 80, 64, 64, 24576, 152064),
    "phi-3-medium": ("phi3", 5120, 40, 40, 10, 17920, 32064),
    "pythia-1b": ("gpt_neox", 2048, 16, 8, 8, 8192, 50304),
    "pythia-6.9b": ("gpt_neox", 4096, 32, 32, 32, 16384, 50432),
    "pythia-12b": ("gpt_neox", 5120, 36, 40, 40, 20480, 50688),
    "internlm-20b": ("internlm", 5120, 60, 40, 40, 13824, 103168),
    "internlm-7b": ("internlm", 4096, 32, 32, 32, 11008, 103168),
    "baichuan2-7b": ("baichuan", 4096, 32, 32, 32, 11008, 125696),
    "baichuan2-13b": ("baichuan", 5120, 40, 40, 40, 13696, 125696),
}
TIED = ("gemma", "falcon")
NO_SUFFIX = re.compile(r"(-chat|-instruct|-it|-base|-hf)$|\(.*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published peak per GPU; None where the run ran out of memory."""

    number: int
    record: dict[str, str]
    setup: FinetuneSetup
    scope: Scope
    peak_bytes: float | None
    gpu_bytes: int | None

    @property
    def model(self) -> str:
        """The model as the record calls it."""
        return self.record["model"]

    @property
    def source(self) -> str:
        """Where the record was published."""
        return self.record["source"]

    @property
    def is_single(self) -> bool:
        """Whether one GPU did it all, without help from the host."""
        return self.setup.gpus == 1 and self.setup.offload == "none" and self.record["measured"].startswith("yes")

    @property
    def label(self) -> str:
        """The run in a few words."""
        record = self.record
        return f"{record['model']} {record['method']}, batch {record['batch']} × {record['seq_len']}"


def config(name: str) -> dict[str, Any]:
    """The keys of a config.json of the public sizes."""
    kind = SIZES[name][0]
    fixed = {"torch_dtype": "bfloat16", "max_position_embeddings": 32768, "rms_norm_eps": 1e-6}
    head = {"head_dim": 256} if kind == "gemma" else {}
    return {**fixed, **dict(zip(NAMES, SIZES[name], strict=True)), **head, "tie_word_embeddings": kind in TIED}


def plain(name: str) -> str:
    """A model's name without its variant: `Qwen-72B-chat` is as large as `Qwen-72B`.

    >>> plain("Zephyr-7B(openbuddy)"), plain("Qwen/Qwen-72B-Chat")
    ('zephyr-7b', 'qwen-72b')
    """
    return NO_SUFFIX.sub("", NO_SUFFIX.sub("", name.rpartition("/")[2].casefold()))


@cache
def find_model(name: str, folder: Path) -> ModelSpec | None:
    """The model that a row names, or None where nobody here knows its sizes."""
    wanted = plain(name)
    if wanted in SIZES:
        return read_config(config(wanted), model_id=name)
    catalog = the_catalog()
    for alias in (name, wanted):
        with suppress(LlmplanError):
            return catalog.models[alias]
    for known in catalog.models:
        if plain(known) == wanted:
            return catalog.models[known]
    for path in sorted((folder / "configs").glob("*.json")):
        if plain(path.stem.partition("__")[2]) == wanted:
            try:
                return read_config_file(path)
            except LlmplanError:
                continue
    return None


def read_rows(folder: Path) -> tuple[list[Row], list[str]]:
    """The rows that state a run completely, and the names of models that could not be read."""
    rows: list[Row] = []
    unknown: list[str] = []
    with (folder / FILE).open(encoding="utf-8", newline="") as file:
        for number, record in enumerate(csv.DictReader(file), start=2):
            if not record["batch"] or not record["seq_len"]:
                continue
            model = find_model(record["model"], folder)
            if model is None:
                unknown.append(record["model"])
                continue
            rows.append(_row(number, record, model))
    return rows, unknown


def _row(number: int, record: dict[str, str], model: ModelSpec) -> Row:
    setup = setup_of(record, model)
    scope = scope_of(record["scope"])
    peak = None
    if record["peak_gib"] != "OOM":
        whole = "total" in record["scope"].casefold() or "summed" in record["scope"].casefold()
        peak = float(record["peak_gib"]) * GIB / (setup.gpus if whole else 1)
    return Row(
        number=number, record=record, setup=setup, scope=scope, peak_bytes=peak, gpu_bytes=gpu_bytes(record["gpu"])
    )


def gpu_bytes(name: str) -> int | None:
    """Memory of the GPU that a row names, where the catalogue knows it."""
    gpus = the_catalog().gpus
    try:
        return gpus[name.rstrip("?")].memory_bytes
    except LlmplanError:
        return None


@cache
def the_catalog() -> Catalog:
    """The packaged catalogue."""
    return load_catalog([packaged_profiles()], price_date=date(2026, 11, 25))


def scope_of(text: str) -> Scope:
    """How the record was read: PyTorch's peak of allocations where it says peak or allocated."""
    return "allocated" if "peak" in text.casefold() or "allocated" in text.casefold() else "device"


def setup_of(record: dict[str, str], model: ModelSpec) -> FinetuneSetup:
    """The run that a record describes; what it leaves out is the library's default."""
    text = record["method"].casefold()
    method = "qlora" if text.startswith("qlora") else "lora" if text.startswith("lora") else "full"
    stack = finetune.stack(library_of(record))
    said = record["grad_checkpointing"].casefold()
    checkpointing: Checkpointing = (
        "offloaded" if "offload" in said else "on" if said == "true" else "off" if said == "false"
        else stack.checkpointing
    )  # fmt: skip
    gpus = int(record["n_gpus"])
    masters = method == "full" and "deepspeed" in (text + record["optimizer"].casefold())
    return FinetuneSetup(
        model=model, method=method, weights=_base(text), optimizer=finetune.optimizer("adamw"), stack=stack,  # type: ignore[arg-type]
        batch=int(record["batch"]), seq_tokens=int(record["seq_len"]), checkpointing=checkpointing,
        rank=0 if method == "full" else int(record["rank"] or RANK_UNSTATED),
        targets=(targets_of(record["lora_targets"].casefold()),),
        lengths=lengths_of(record), precision="mixed" if masters else "bf16", gpus=gpus,
        sharding="zero2" if masters and gpus == 1 else _sharding(text, record, gpus),
        offload="all" if "cpu offload" in (text + record["notes"].casefold()) else "none",
    )  # fmt: skip


def targets_of(text: str) -> str:
    """The group of modules that a record names."""
    return "q,v" if text.startswith(("q,v", "default")) else "all-linear" if text.startswith("all") else "unknown"


def library_of(record: dict[str, str]) -> str:
    """The training library that the record names."""
    notes, source = record["notes"].casefold(), record["source"].casefold()
    if notes.startswith("unsloth") or "with unsloth" in notes:
        return "unsloth"
    return next((each.id for each in finetune.STACKS if each.id in source and each.id != "unsloth"), "hf")


def lengths_of(record: dict[str, str]) -> Lengths:
    """Whether batches have one shape: profiles of given lengths do, texts of a data set do not."""
    text = (record["source"] + record["notes"]).casefold()
    if "profiling" in text or "long-sequence" in text or "packed" in text:
        return "fixed"
    return "varied" if re.search(r"alpaca|cls-|data ?set|shorter", text) else "unknown"


def _base(text: str) -> Any:
    if not text.startswith("qlora"):
        return weight_format("bf16")
    named = re.search(r"gptq-int4|gptq-int8|awq|int8|nf4-dq", text)
    if named is None and "nf4" in text:
        return finetune.single_quantized(weight_format("nf4"))
    wanted = named.group() if named else "nf4-dq"
    return weight_format({"nf4-dq": "nf4", "awq": "awq-int4", "int8": "bnb-int8"}.get(wanted, wanted))


def _sharding(text: str, record: dict[str, str], gpus: int) -> Sharding:
    if gpus == 1:
        return "none"
    whole = text + record["notes"].casefold() + record["source"].casefold()
    if "zero3" in text:
        return "zero3"
    return "fsdp" if "fsdp" in whole or "torchtune" in whole else "layers"


def data_folder() -> Path | None:
    """The folder with the table, or None where there is none."""
    folder = Path(os.environ.get("LLMPLAN_DATA") or REPO.parent / "shared" / "data")
    return folder if (folder / FILE).is_file() else None

"""Published checkpoint sizes against the bytes that the inventory gives, by kind of format.

`measure(folder)` reads `checkpoint_sizes.jsonl` and the configs beside it and returns one row per record that can be
compared; `summary(rows)` says by format how many there are, the median and the worst error, and which miss the bar.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmplan import memory
from llmplan.catalogs.hf_config import read_config
from llmplan.errors import LlmplanError
from llmplan.spec.model import ModelSpec
from llmplan.spec.places import Place, draft_places, places
from llmplan.spec.storage import is_quantizable
from llmplan.units import GB, GIB, MIB

BAR = 0.005
ROUNDED_BAR = 0.0075
"""of sizes that are published in GB to three digits"""

CONFIGS: tuple[tuple[str, str], ...] = (
    (r"DeepSeek-V3\.2", "nvidia__DeepSeek-V3.2-NVFP4"),
    (r"DeepSeek-V3-0324", "deepseek-ai__DeepSeek-V3.1"),
    (r"DeepSeek-V4-Flash", "deepseek-ai__DeepSeek-V4-Flash"),
    (r"DeepSeek-V4-Pro", "deepseek-ai__DeepSeek-V4-Pro"),
    (r"GLM-4\.7-\d", "zai-org__GLM-4.7-FP8"),
    (r"GLM-5$", "zai-org__GLM-5.1"),
    (r"Kimi-K2\.6$", "moonshotai__Kimi-K2.5"),
    (r"Llama-3\.1-Nemotron-70B", "meta-llama__Llama-3.1-70B-Instruct"),
    (r"Llama-?3-70B|Llama3 70B|Llama-3\.3-70B", "meta-llama__Llama-3.3-70B-Instruct"),
    (r"MiniMax-M2\.", "MiniMaxAI__MiniMax-M2.5"),
    (r"Nemotron-3-Nano-30B", "nvidia__NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"),
    (r"Qwen3-Coder-Next|Qwen3-Next-80B", "Qwen__Qwen3-Next-80B-A3B-Instruct"),
    (r"Qwen3\.5-122B", "nvidia__Qwen3.5-122B-A10B-NVFP4"),
    (r"Qwen3\.[56]-27B", "fantasylord__Qwen36-27B-W4A16"),
    (r"Qwen3\.5-35B", "Qwen__Qwen3.5-35B-A3B"),
    (r"Qwen3\.5-397B", "Qwen__Qwen3.5-397B-A17B"),
    (r"Qwen3\.6-35B", "Qwen__Qwen3.6-35B-A3B"),
    (r"gemma-4-26b", "google__gemma-4-26B-A4B"),
    (r"gemma-4-e2b", "google__gemma-4-E2B-it"),
    (r"gemma-4-e4b", "google__gemma-4-E4B-it"),
    (r"Mixtral-8x7B", "mistralai__Mixtral-8x7B-v0.1"),
    (r"gpt-oss-20b", "openai__gpt-oss-20b"),
    (r"gpt-oss-120b", "openai__gpt-oss-120b"),
    (r"Qwen3-30B-A3B", "Qwen__Qwen3-30B-A3B"),
    (r"^gpt2$", "openai-community__gpt2"),
    (r"Qwen2\.5-32B", "deepseek-ai__DeepSeek-R1-Distill-Qwen-32B"),
    (r"Qwen2\.5-7B|Qwen2-7B", "Qwen__Qwen2-7B-Instruct"),
)
"""Records without a config: the config of the same architecture, by the record's name."""

QWEN_1_5 = {"model_type": "qwen2", "vocab_size": 151936, "torch_dtype": "float16", "max_position_embeddings": 32768}
SHAPES: tuple[tuple[str, dict[str, Any]], ...] = (
    (r"Qwen1\.5-4B", QWEN_1_5 | {
        "hidden_size": 2560, "num_hidden_layers": 40, "num_attention_heads": 20, "num_key_value_heads": 20,
        "intermediate_size": 6912, "tie_word_embeddings": False,
    }),
    (r"Qwen1\.5-0\.5B", QWEN_1_5 | {
        "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 16,
        "intermediate_size": 2816, "tie_word_embeddings": False,
    }),
)  # fmt: skip
"""Sizes of models whose config is not in the table, from their model cards. The file of the smaller one stores its tied
head again."""

DECLARED_MIXES = r"MXFP4-Q8|DQ3_K_M"
"""Mixes that are named, but whose choice of tensors is stated in the file alone."""

OWN_WAYS: tuple[tuple[str, str], ...] = (
    (r"Qwen3-Coder-Next", "the sizes of its five files are in no proportion to their bits"),
    (r"Qwen3-Next-80B-A3B-Thinking-4bit", "an early conversion that left the mixers of all layers in 16 bit"),
    (r"gemma-4-26b-a4b-it-4bit", "the feed-forwards beside the experts are in 8 bit"),
    (r"gemma-4-e[24]b", "the copy of its config has no audio encoder"),
    (r"DeepSeek-V4-(Flash|Pro)$", "what the conversion made of the FP8 parts is not stated"),
)
"""Files that depart from what their names or configs say, as far as their sizes show it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One published size and ours [bytes]; `problem` where there is none of ours."""

    model: str
    format: str
    published: float
    predicted: float | None = None
    bar: float = BAR
    problem: str = ""
    """why there is nothing to compare, or what the comparison leaves out"""

    @property
    def error(self) -> float | None:
        """predicted / published - 1"""
        return None if self.predicted is None else self.predicted / self.published - 1

    @property
    def reason(self) -> str:
        """Why it may lie beyond the bar, if anything is known."""
        return next((reason for pattern, reason in OWN_WAYS if re.search(pattern, self.model)), self.problem)


def measure(folder: Path) -> list[Row]:
    """Every record of the table that states the size of a checkpoint or a number of parameters."""
    lines = (folder / "checkpoint_sizes.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for line in lines if line for row in _rows(json.loads(line), folder)]


def _rows(record: Mapping[str, Any], folder: Path) -> Iterator[Row]:
    published, bar = _published(record)
    if published is None:
        return
    name = record["model"]
    weights = _weights(name, record)
    counted = record.get("total_size_bytes") is None and "parameters" in record
    shown = "parameters" if counted else weights
    config = _config(name, record, folder)
    if re.search(DECLARED_MIXES, name) or config is None:
        problem = "the choice of tensors is not stated" if config is not None else "no config of this architecture"
        yield Row(model=name, format=shown, published=published, bar=bar, problem=problem)
        return
    try:
        model = read_config(config, model_id=name, dtype="bfloat16")
        if record["kind"].startswith("mlx"):
            model = replace(model, draft=None)
        predicted = _parameters(model, record) if counted else memory.checkpoint_bytes(
            model, memory.weight_format(weights, model)
        )  # fmt: skip
    except LlmplanError as error:
        yield Row(model=name, format=shown, published=published, bar=bar, problem=error.message)
        return
    own = memory.weight_format(weights, model).id
    yield Row(
        model=name, format=shown if counted else own, published=published, predicted=float(predicted), bar=bar,
        problem="a tower is not counted" if any("not counted" in note for note in model.notes) else "",
    )  # fmt: skip


def _published(record: Mapping[str, Any]) -> tuple[float | None, float]:
    """Bytes, or parameters where only these are stated, and the bar that their digits allow.

    The listing that names single files writes GB and MB for multiples of 1024.
    """
    if record["kind"].startswith("measured"):
        return None, BAR
    for key in ("total_size_bytes", "parameters"):
        if record.get(key) is not None:
            return float(record[key]), BAR
    if "shards_gb" in record:
        return sum(record["shards_gb"]) * GB, ROUNDED_BAR
    if "file_gb" in record:
        return record["file_gb"] * GIB, ROUNDED_BAR
    return (record["file_mb"] * MIB, ROUNDED_BAR) if "file_mb" in record else (None, BAR)


def _parameters(model: ModelSpec, record: Mapping[str, Any]) -> int:
    """Stored elements; block scales and buffers count where the published number says that drafts do."""
    if "MTP" not in record["kind"]:
        return model.total_parameters
    scales = sum(
        place.layers * place.tensor.copies * -(-place.tensor.shape[0] // 128) * -(-place.tensor.shape[1] // 128)
        for place in _quantized(model)
    )
    buffers = sum(count * tensor.elements for count, tensor in model.tensors() if tensor.buffer)
    drafted = sum(count * tensor.elements for count, tensor in model.draft.tensors()) if model.draft else 0
    return model.total_parameters + buffers + drafted + scales


def _quantized(model: ModelSpec) -> Iterator[Place]:
    weights = memory.weight_format("auto", model)
    for place in (*places(model), *draft_places(model)):
        if is_quantizable(place.tensor, weights):
            yield place


def _weights(name: str, record: Mapping[str, Any]) -> str:
    """The format that a record's name states."""
    if "config" in record:
        return "auto"
    if re.search(r"DeepSeek-V3\.2-8bit", name):
        return "mlx-8bit-g32"  # 9.0 bits per weight
    found = re.search(r"-(\d)bits?(?:-gs(\d+))?$", name, re.IGNORECASE)
    if found:
        return f"mlx-{found[1]}bit" + (f"-g{found[2]}" if found[2] else "")
    named = {r"-bf16$": "bf16", r"GLM-5$": "bf16", r"awq": "awq-int4", r"w4a16": "w4a16"}
    return next((known for part, known in named.items() if re.search(part, name, re.IGNORECASE)), "auto")


def _config(name: str, record: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """The record's own config, or that of its architecture; a conversion starts from unquantized weights."""
    if isinstance(record.get("config"), dict):
        return {"max_position_embeddings": 4096, **record["config"]}
    shape = next((shape for pattern, shape in SHAPES if re.search(pattern, name)), None)
    if shape is not None:
        return shape
    file = next((file for pattern, file in CONFIGS if re.search(pattern, name)), None)
    path = folder / "configs" / f"{file}.json"
    if file is None or not path.is_file():
        return None
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if _weights(name, record) != "auto":
        config.pop("quantization_config", None)
    return config


def summary(rows: Iterable[Row]) -> list[tuple[str, int, float, float, Sequence[Row]]]:
    """Format, rows, median and worst absolute error, and the rows beyond the bar."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.error is not None:
            groups.setdefault(row.format, []).append(row)
    found: list[tuple[str, int, float, float, Sequence[Row]]] = []
    for name, members in sorted(groups.items()):
        errors = [abs(row.error or 0.0) for row in members]
        missed = [row for row, error in zip(members, errors, strict=True) if error > row.bar]
        found.append((name, len(members), statistics.median(errors), max(errors), missed))
    return found


def table(folder: Path) -> list[str]:
    """The summary as Markdown, with what could not be compared."""
    rows = measure(folder)
    lines = ["| format | files | median | worst | beyond the bar |", "|---|---|---|---|---|"]
    for name, count, median, worst, missed in summary(rows):
        names = ", ".join(
            f"{row.model} ({row.error:+.2%}{': ' + row.reason if row.reason else ''})" for row in missed
        )  # fmt: skip
        lines.append(f"| {name} | {count} | {median:.3%} | {worst:.3%} | {names} |")
    left = [row for row in rows if row.predicted is None]
    return [*lines, "", *(f"- not compared: {row.model}: {row.problem}" for row in left)]


if __name__ == "__main__":
    import os

    print("\n".join(table(Path(os.environ["LLMPLAN_DATA"]))))

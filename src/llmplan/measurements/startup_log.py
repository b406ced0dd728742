"""A start-up log of vLLM or SGLang: what the engine measured of its own memory. Every version prints some of these."""

from __future__ import annotations

import re
from pathlib import Path

from llmplan.errors import DataError
from llmplan.plan.observation import MemoryObservation
from llmplan.units import GIB, MIB

MAX_LOG_BYTES = 64 * MIB

_NUMBER = r"([0-9][0-9,]*\.?[0-9]*)"
_LINES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("weights_gib", re.compile(rf"Model loading took {_NUMBER} Gi?B")),
    ("weights_gib", re.compile(rf"Loading model weights took {_NUMBER} GB")),
    ("weights_gib", re.compile(rf"model weights take {_NUMBER} ?GiB")),
    ("weights_gib", re.compile(rf"Actual usage is {_NUMBER} GiB for weight")),
    ("weights_gib", re.compile(rf"Load weight end\..*mem usage={_NUMBER} GB")),
    ("non_torch_gib", re.compile(rf"non_torch_memory takes {_NUMBER} ?GiB")),
    ("non_torch_gib", re.compile(rf"{_NUMBER} GiB for non-torch memory")),
    ("activation_gib", re.compile(rf"PyTorch activation peak memory takes {_NUMBER} ?GiB")),
    ("activation_gib", re.compile(rf"{_NUMBER} GiB for peak activation")),
    ("kv_cache_gib", re.compile(rf"Available KV cache memory: {_NUMBER} GiB")),
    ("kv_cache_gib", re.compile(rf"memory reserved for KV Cache is {_NUMBER} ?GiB")),
    ("kv_tokens", re.compile(rf"GPU KV cache size: {_NUMBER} tokens")),
    ("kv_tokens", re.compile(rf"max_total_num_tokens={_NUMBER}")),
    ("kv_tokens", re.compile(rf"#tokens: {_NUMBER}")),
    ("keys_gib", re.compile(rf"K size: {_NUMBER} GB")),
    ("values_gib", re.compile(rf"V size: {_NUMBER} GB")),
    ("gpu_blocks", re.compile(rf"# (?:GPU|cuda) blocks: {_NUMBER}")),
    ("max_concurrency", re.compile(rf"Maximum concurrency for [0-9,]+ tokens per request: {_NUMBER}x")),
    ("concurrency_at", re.compile(rf"Maximum concurrency for {_NUMBER} tokens per request")),
    ("graph_gib", re.compile(rf"Graph capturing finished in [0-9.]+ secs, took {_NUMBER} GiB")),
)


def read_startup_log(path: Path) -> MemoryObservation:
    """Read a log file; a file without any of the known lines is refused with what was looked for."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_LOG_BYTES:
            raise DataError(f"{path}: {size_bytes:,} bytes is too long for a start-up log (limit {MAX_LOG_BYTES:,})")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_startup_log(text, name=str(path))


def parse_startup_log(text: str, *, name: str) -> MemoryObservation:
    """The last value of each line, since a restarted server prints them again."""
    found: dict[str, float] = {}
    for key, pattern in _LINES:
        for match in pattern.finditer(text):
            found[key] = float(match[1].replace(",", ""))
    if not found:
        raise DataError(
            f"{name}: no memory line of a vLLM or SGLang start-up log in it",
            hints=[
                "expected for example 'Available KV cache memory: 36.36 GiB' or 'GPU KV cache size: 297,856 tokens'"
            ],
        )

    if "kv_cache_gib" not in found and "keys_gib" in found:
        found["kv_cache_gib"] = found["keys_gib"] + found.get("values_gib", 0.0)

    def gib(key: str) -> float | None:
        return found[key] * GIB if key in found else None

    def whole(key: str) -> int | None:
        return int(found[key]) if key in found else None

    return MemoryObservation(
        weights_bytes=gib("weights_gib"),
        kv_cache_bytes=gib("kv_cache_gib"),
        kv_tokens=whole("kv_tokens"),
        gpu_blocks=whole("gpu_blocks"),
        max_concurrency=found.get("max_concurrency"),
        concurrency_at_tokens=whole("concurrency_at"),
        activation_bytes=gib("activation_gib"),
        non_torch_bytes=gib("non_torch_gib"),
        cuda_graph_bytes=gib("graph_gib"),
    )

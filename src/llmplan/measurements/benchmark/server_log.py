"""A start-up log of vLLM: no speed, but the settings and the KV pool that the server really had."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from llmplan.errors import DataError
from llmplan.measurements.benchmark.result import Result, clean
from llmplan.measurements.startup_log import MAX_LOG_BYTES, parse_startup_log
from llmplan.plan.observation import BenchmarkReading, MemoryObservation
from llmplan.units import GIB

FORMAT = "vLLM start-up log (text)"


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 1.0:
        raise ValueError(text)
    return value


def _true(text: str) -> bool:
    return text == "True"


SETTINGS: tuple[tuple[str, re.Pattern[str], Callable[[str], Any]], ...] = (
    ("engine_version", re.compile(r"(?:LLM engine \(v|\bversion v?)(\d+\.\d+[\w.]*)"), clean),
    ("tp", re.compile(r"\btensor_parallel_size[=:'\s]+(\d{1,4})\b"), int),
    ("pp", re.compile(r"\bpipeline_parallel_size[=:'\s]+(\d{1,4})\b"), int),
    ("dp", re.compile(r"\bdata_parallel_size[=:'\s]+(\d{1,4})\b"), int),
    ("max_model_len", re.compile(r"\bmax_(?:seq|model)_len[=:'\s]+(\d{1,9})\b"), int),
    ("max_num_seqs", re.compile(r"\bmax_num_seqs[=:'\s]+(\d{1,6})\b"), int),
    ("max_num_batched_tokens", re.compile(r"\bmax_num_batched_tokens[=:'\s]+(\d{1,8})\b"), int),
    ("gpu_memory_utilization", re.compile(r"\bgpu_memory_utilization[=:'\s]+(\d*\.\d+)"), _share),
    ("enforce_eager", re.compile(r"\benforce_eager[=:'\s]+(True|False)\b"), _true),
)
"""flag, what it looks like among the arguments or in the configuration that is printed, and how it is read"""
_ENGINE = re.compile(r"\bvLLM\b|\bvllm[./]|LLM engine \(v")


def recognizes(result: Result) -> bool:
    """Whether it is a log with something to take from it."""
    return result.values is None and bool(_ENGINE.search(result.text)) and bool(_settings(result.text))


def read(result: Result) -> BenchmarkReading:
    """The server's settings; its KV pool per GPU where it prints one."""
    if len(result.text) > MAX_LOG_BYTES:
        raise DataError(f"{result.name}: too long for a start-up log (limit {MAX_LOG_BYTES:,})")
    found: dict[str, Any] = {"engine": "vllm", **_settings(result.text)}
    try:
        memory = parse_startup_log(result.text, name=result.name)
    except DataError:
        memory = MemoryObservation()
    if memory.kv_cache_bytes:
        found["kv_cache_memory_gib"] = memory.kv_cache_bytes / GIB
    notes = (f"{result.name}: no line about the KV pool: it is estimated",) if not memory.kv_cache_bytes else ()
    return BenchmarkReading(name=result.name, format=FORMAT, server=found, notes=notes)


def _settings(text: str) -> dict[str, Any]:
    """The last value of each, since a restarted server prints them again."""
    found: dict[str, Any] = {}
    for name, pattern, read_as in SETTINGS:
        matches = pattern.findall(text)
        if matches:
            try:
                value = read_as(matches[-1])
            except ValueError:
                continue
            if value:
                found[name] = value
    return found

"""Benchmark results of any tool as observations: one reader a format, told apart by content, never by name."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from llmplan.errors import DataError
from llmplan.measurements.benchmark import aiperf, guidellm, llama_bench, metrics, rows, server_log, vllm_serve
from llmplan.measurements.benchmark.result import Result, open_result
from llmplan.plan.observation import BenchmarkReading

READERS: tuple[ModuleType, ...] = (vllm_serve, guidellm, aiperf, llama_bench, rows, metrics, server_log)
"""each with `FORMAT`, `recognizes(result)` and `read(result)`; the first that recognizes a file reads it"""


def read_result(path: Path) -> BenchmarkReading:
    """What a file says; one of no known format is refused with what was expected."""
    return read(open_result(path))


def read(result: Result) -> BenchmarkReading:
    """`read_result` of contents that are at hand."""
    for reader in READERS:
        if reader.recognizes(result):
            found: BenchmarkReading = reader.read(result)
            return found
    kind = "JSON" if result.values is not None else "text" if result.text.strip() else "empty"
    hints = [f"expected {reader.FORMAT}" for reader in READERS]
    if any("payloads" in str(record.get("data"))[:2000] for record in result.records):
        hints.insert(0, "these are the prompts that aiperf sent; its figures are in profile_export_aiperf.json")
    raise DataError(f"{result.name}: {kind}, and no benchmark result that is known here", hints=hints)


__all__ = ["READERS", "read", "read_result"]

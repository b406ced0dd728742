"""One line of a diagnosis, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.hardware.report import GpuReading, HardwareReport
from llmplan.spec.gpu import GpuSpec

FindingStatus: TypeAlias = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`fail` is something broken, `warn` something that costs memory or speed; `gpu` None is about no single GPU."""

    check: str
    status: FindingStatus
    message: str
    advice: str | None = None
    gpu: int | None = None


Check: TypeAlias = Callable[[HardwareReport, Mapping[str, GpuSpec]], Iterator[Finding]]
"""Looks at one thing; the mapping is the catalogue's GPUs."""


def ok(check: str, message: str, advice: str | None = None, *, gpu: int | None = None) -> Finding:
    """In order; advice is for those who wonder."""
    return Finding(check=check, status="ok", message=message, advice=advice, gpu=gpu)


def warn(check: str, message: str, advice: str | None = None, *, gpu: int | None = None) -> Finding:
    """Costs memory or speed."""
    return Finding(check=check, status="warn", message=message, advice=advice, gpu=gpu)


def fail(check: str, message: str, advice: str | None = None, *, gpu: int | None = None) -> Finding:
    """Broken."""
    return Finding(check=check, status="fail", message=message, advice=advice, gpu=gpu)


def usable(report: HardwareReport) -> list[GpuReading]:
    """The GPUs that answer."""
    return [gpu for gpu in report.gpus if gpu.access == "ok"]

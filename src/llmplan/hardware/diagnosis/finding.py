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
    """`fail` means that something is broken, `warn` that it will cost memory or speed."""

    check: str
    status: FindingStatus
    message: str
    advice: str | None = None


Check: TypeAlias = Callable[[HardwareReport, Mapping[str, GpuSpec]], Iterator[Finding]]
"""Looks at one thing; the mapping is the catalogue's GPUs."""


def usable(report: HardwareReport) -> list[GpuReading]:
    """The GPUs that answer."""
    return [gpu for gpu in report.gpus if gpu.access == "ok"]

"""One line of a diagnosis, what a check is, and what the machine is looked at for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmplan.hardware.inventory import match_product
from llmplan.hardware.report import GpuReading, HardwareReport
from llmplan.plan.deployment import Replica
from llmplan.spec.engine import EngineSpec
from llmplan.spec.gpu import GpuSpec

FindingStatus: TypeAlias = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`fail` is something broken, `warn` something that costs memory or speed; `gpu` None is about no single GPU.

    `source` is where a threshold comes from.
    """

    check: str
    status: FindingStatus
    message: str
    advice: str | None = None
    gpu: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The weights that are to be here: their size, how much of them is there (None: unknown), and in which folder."""

    name: str
    needed_bytes: int
    present_bytes: int | None
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a plan wants of its machines: one replica's shape, how many, and host memory in bytes on each node."""

    replica: Replica
    replicas: int | None
    host_bytes: int = 0

    @property
    def gpus_here(self) -> int:
        """GPUs of one replica on one node."""
        return min(self.replica.parallel.gpus, self.replica.host.gpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the machine is looked at for. `certain`: these engines will run here, so what stops one is broken.

    `hosted` says of a plan that it rents an API, and wants nothing of this machine.
    """

    gpus: Mapping[str, GpuSpec] = field(default_factory=dict)
    engines: tuple[EngineSpec, ...] = ()
    certain: bool = False
    files: ModelFiles | None = None
    planned: Planned | None = None
    hosted: str | None = None

    def spec_of(self, gpu: GpuReading) -> GpuSpec | None:
        """The catalogue's entry of a GPU."""
        match = match_product(gpu.name or "unnamed", gpu.memory.total_bytes if gpu.memory else None, self.gpus)
        return self.gpus[match.gpu_id] if match.gpu_id is not None else None


Check: TypeAlias = Callable[[HardwareReport, Subject], Iterator[Finding]]
"""Looks at one thing."""


def ok(
    check: str, message: str, advice: str | None = None, *, gpu: int | None = None, source: str | None = None
) -> Finding:
    """In order; advice is for those who wonder."""
    return Finding(check=check, status="ok", message=message, advice=advice, gpu=gpu, source=source)


def warn(
    check: str, message: str, advice: str | None = None, *, gpu: int | None = None, source: str | None = None
) -> Finding:
    """Costs memory or speed."""
    return Finding(check=check, status="warn", message=message, advice=advice, gpu=gpu, source=source)


def fail(
    check: str, message: str, advice: str | None = None, *, gpu: int | None = None, source: str | None = None
) -> Finding:
    """Broken."""
    return Finding(check=check, status="fail", message=message, advice=advice, gpu=gpu, source=source)


def usable(report: HardwareReport) -> list[GpuReading]:
    """The GPUs that answer."""
    return [gpu for gpu in report.gpus if gpu.access == "ok"]


def visible(report: HardwareReport) -> list[GpuReading]:
    """Of these, the whole GPUs that a CUDA program sees."""
    return [gpu for gpu in usable(report) if gpu.index in report.visible.indexes]


def numbers(values: Iterable[int]) -> str:
    """`GPU 0, 1`."""
    return f"GPU {', '.join(map(str, values))}"

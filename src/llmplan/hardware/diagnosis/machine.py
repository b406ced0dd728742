"""Whether the host has room for what the GPUs will do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, ok, usable, warn
from llmplan.hardware.report import HardwareReport
from llmplan.spec.gpu import GpuSpec
from llmplan.units import GIB, format_bytes

_SMALL_SHM_BYTES: Final = 1 * GIB
_SMALL_DISK_BYTES: Final = 20 * GIB
"""Little more than the weights of an 8B model at 16 bits (15 GiB)."""


def check_host_memory(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """The control group's limit against the GPUs' memory, through which weights pass when they are loaded."""
    host = report.host
    if host.memory_total_bytes is None:
        yield warn("host memory", "the host's memory is not readable (/proc/meminfo)")
        return
    total = format_bytes(host.memory_total_bytes)
    limit = host.cgroup_memory_limit_bytes
    if limit is None:
        available = format_bytes(host.memory_available_bytes or 0)
        yield ok("host memory", f"{total}, {available} available, no control-group limit")
        return
    message = f"the control group allows {format_bytes(limit)} of {total}"
    if limit < sum(gpu.memory.total_bytes for gpu in usable(report) if gpu.memory and not gpu.is_unified):
        advice = "less than the GPUs' memory: loading and offload may be killed; raise the container's limit"
        yield warn("host memory", message, advice)
    else:
        yield ok("host memory", message)


def check_shm(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Shared memory between worker processes; Docker gives 64 MiB unless asked."""
    shm = report.host.shm
    if shm is None:
        return
    message = f"/dev/shm has {format_bytes(shm.total_bytes)}"
    if report.gpus and shm.total_bytes < _SMALL_SHM_BYTES:
        advice = (
            "engines and NCCL share memory there: docker run --ipc=host or --shm-size 16g, "
            "in Kubernetes an emptyDir with medium Memory"
        )
        yield warn("/dev/shm", message, advice)
    else:
        yield ok("/dev/shm", message)


def check_disk(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Room for weights, where they are downloaded."""
    for disk in report.host.disks:
        message = f"{disk.path}: {format_bytes(disk.free_bytes)} free"
        if report.gpus and disk.free_bytes < _SMALL_DISK_BYTES:
            yield warn("disk", message, "little room for weights: point HF_HOME at a larger disk")
        else:
            yield ok("disk", message)

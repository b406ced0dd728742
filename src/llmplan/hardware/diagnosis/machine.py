"""Whether the host has room for what the GPUs will do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, usable
from llmplan.hardware.report import HardwareReport
from llmplan.spec.gpu import GpuSpec
from llmplan.units import GIB, format_bytes

_SMALL_SHM_BYTES: Final = 1 * GIB
_SMALL_DISK_BYTES: Final = 20 * GIB
"""Less than the weights of an 8B model at 16 bits (15 GiB) with their download."""


def check_host_memory(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """The control group's limit against the GPUs' memory."""
    host = report.host
    if host.memory_total_bytes is None:
        yield Finding(check="host memory", status="warn", message="the host's memory is not readable (/proc/meminfo)")
        return
    total = format_bytes(host.memory_total_bytes)
    limit = host.cgroup_memory_limit_bytes
    if limit is None:
        available = format_bytes(host.memory_available_bytes or 0)
        yield Finding(
            check="host memory", status="ok", message=f"{total}, {available} available, no control-group limit"
        )
        return
    vram = sum(gpu.memory.total_bytes for gpu in usable(report) if gpu.memory and not gpu.is_unified)
    small = limit < vram
    yield Finding(
        check="host memory",
        status="warn" if small else "ok",
        message=f"the control group allows {format_bytes(limit)} of {total}",
        advice="less than the GPUs' memory: loading and offload may be killed; raise the container's limit"
        if small
        else None,
    )


def check_shm(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Shared memory between worker processes."""
    shm = report.host.shm
    if shm is None:
        return
    small = shm.total_bytes < _SMALL_SHM_BYTES and bool(report.gpus)
    yield Finding(
        check="/dev/shm",
        status="warn" if small else "ok",
        message=f"/dev/shm has {format_bytes(shm.total_bytes)}",
        advice="engines and NCCL share memory there: docker run --ipc=host or --shm-size 16g, in Kubernetes an "
        "emptyDir with medium Memory"
        if small
        else None,
    )


def check_disk(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Room for weights."""
    for disk in report.host.disks:
        small = disk.free_bytes < _SMALL_DISK_BYTES and bool(report.gpus)
        yield Finding(
            check="disk",
            status="warn" if small else "ok",
            message=f"{disk.path}: {format_bytes(disk.free_bytes)} free",
            advice="little room for weights: point HF_HOME at a larger disk" if small else None,
        )

"""Which GPUs can be used, by whom, and how much of them is free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, usable
from llmplan.hardware.inventory import match_product
from llmplan.hardware.report import GpuReading, HardwareReport
from llmplan.spec.gpu import GpuSpec
from llmplan.units import format_bytes

_BROKEN_STATES: Final = frozenset({"version_mismatch", "no_permission", "no_binding"})
_FRACTION_ENGINES_TAKE: Final = 0.92
"""vLLM's default share of a GPU's memory; it refuses to start when less than that is free."""


def check_driver(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Whether NVML answers, and if not, whether that is a fault."""
    nvml = report.nvml
    if nvml.ok:
        cuda = f", CUDA up to {report.cuda_version}" if report.cuda_version else ""
        yield Finding(
            check="driver", status="ok", message=f"driver {report.driver_version or 'of unknown version'}{cuda}"
        )
    elif nvml.state == "no_library":
        yield Finding(
            check="driver", status="ok", message="no NVIDIA driver here: planning needs none", advice=nvml.advice
        )
    else:
        broken = nvml.state in _BROKEN_STATES
        message = f"NVML: {nvml.state.replace('_', ' ')} ({nvml.message})"
        yield Finding(check="driver", status="fail" if broken else "warn", message=message, advice=nvml.advice)


def check_products(report: HardwareReport, gpus: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Whether every GPU answers and is known. Without a catalogue there is nothing to be known by."""
    if report.nvml.ok and not report.gpus:
        yield Finding(check="gpu", status="ok", message="the driver lists no GPU")
    for gpu in report.gpus:
        if gpu.access != "ok":
            advice = (
                "reset it (nvidia-smi --gpu-reset -i N) or reboot; dmesg shows the Xid, 79 means it fell off the bus"
                if gpu.access == "lost"
                else "check the permissions of /dev/nvidia* and of the container's devices"
            )
            message = f"GPU {gpu.index} cannot be used: {gpu.access_error}"
            yield Finding(check="gpu", status="fail", message=message, advice=advice)
            continue
        if not gpus:
            yield Finding(check="gpu", status="ok", message=f"GPU {gpu.index}: {gpu.name}")
            continue
        match = match_product(gpu.name or "unnamed", gpu.memory.total_bytes if gpu.memory else None, gpus)
        known = f"{gpu.name} is {match.gpu_id}" if match.gpu_id else f"{gpu.name}"
        yield Finding(
            check="gpu",
            status="warn" if match.note else "ok",
            message=f"GPU {gpu.index}: {match.note or known}",
            advice="add it as one YAML file: llmplan catalog check DIR, then --catalog DIR"
            if not match.gpu_id
            else None,
        )


def check_memory(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """How much is free, and who holds the rest."""
    for gpu in usable(report):
        memory = gpu.memory
        if memory is None:
            if not gpu.mig_enabled:
                reason = gpu.unread.get("memory", "unknown reason")
                yield Finding(check="memory", status="warn", message=f"GPU {gpu.index}: memory not readable ({reason})")
            continue
        where = " of the host's memory" if gpu.is_unified else ""
        message = (
            f"GPU {gpu.index}: {format_bytes(memory.free_bytes)} of {format_bytes(memory.total_bytes)}{where} free"
        )
        free = memory.free_bytes / memory.total_bytes
        short = free < _FRACTION_ENGINES_TAKE
        holders = _holders(gpu) or ("; no process that holds it is visible from here" if short else "")
        yield Finding(
            check="memory",
            status="warn" if short else "ok",
            message=f"{message}{holders}",
            advice=f"stop what holds it, or plan with at most --gpu-memory-utilization {int(free * 100) / 100:.2f}"
            if short
            else None,
        )


def _holders(gpu: GpuReading) -> str:
    if not gpu.processes:
        return ""
    names = [
        f"{process.name or 'a process outside this container'} (pid {process.pid}"
        + (f", {format_bytes(process.memory_bytes)})" if process.memory_bytes is not None else ")")
        for process in gpu.processes[:4]
    ]
    more = f" and {len(gpu.processes) - 4} more" if len(gpu.processes) > 4 else ""
    return f"; held by {', '.join(names)}{more}"


def check_visible(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """What `CUDA_VISIBLE_DEVICES` shows."""
    visible = report.visible
    if visible.variable is not None or visible.notes:
        seen = ", ".join([f"GPU {index}" for index in visible.indexes] + list(visible.mig_uuids)) or "no GPU"
        value = "unset" if visible.variable is None else repr(visible.variable)
        odd = bool(visible.notes) and bool(report.gpus)
        yield Finding(
            check="visible",
            status="warn" if odd else "ok",
            message="; ".join([f"CUDA_VISIBLE_DEVICES is {value}: CUDA sees {seen}", *visible.notes]),
        )


def check_mig(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """GPUs that are split, or about to be."""
    for gpu in usable(report):
        if gpu.mig_enabled and not gpu.mig:
            yield Finding(
                check="mig",
                status="warn",
                message=f"GPU {gpu.index} is in MIG mode without an instance that can be seen: nothing can run on it",
                advice="create one (nvidia-smi mig -cgi PROFILE -C), leave MIG mode (nvidia-smi -mig 0), "
                "or give the container its MIG device",
            )
        elif gpu.mig_enabled:
            shares = ", ".join(f"{i.profile or i.name} ({format_bytes(i.memory_bytes or 0)})" for i in gpu.mig)
            message = f"GPU {gpu.index} is split: {shares}; one instance serves one replica without tensor parallelism"
            yield Finding(check="mig", status="ok", message=message)
        if gpu.mig_enabled_after_reset is not None and gpu.mig_enabled_after_reset != gpu.mig_enabled:
            yield Finding(check="mig", status="warn", message=f"GPU {gpu.index} changes its MIG mode at the next reset")

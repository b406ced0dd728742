"""Which GPUs can be used, by whom, and how much of them is free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, fail, ok, usable, warn
from llmplan.hardware.inventory import match_product
from llmplan.hardware.report import GpuReading, HardwareReport
from llmplan.spec.gpu import GpuSpec
from llmplan.units import format_bytes

_BROKEN_STATES: Final = frozenset({"version_mismatch", "no_permission", "no_binding"})
_FRACTION_ENGINES_TAKE: Final = 0.92
"""vLLM's default share of a GPU's memory; it refuses to start when less than that is free."""
_HOLDERS_NAMED: Final = 4
_ACCESS_ADVICE: Final = {
    "lost": "reset it (nvidia-smi --gpu-reset -i N) or reboot; dmesg shows the Xid, 79 means it fell off the bus",
    "no_permission": "check the permissions of /dev/nvidia* and of the container's devices",
    "error": "compare with nvidia-smi, then read dmesg for Xid messages",
}


def check_driver(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Whether NVML answers, and if not, whether that is a fault."""
    nvml = report.nvml
    if nvml.ok:
        cuda = f", CUDA up to {report.cuda_version}" if report.cuda_version else ""
        yield ok("driver", f"driver {report.driver_version or 'of unknown version'}{cuda}")
    elif nvml.state == "no_library":
        yield ok("driver", "no NVIDIA driver here: planning needs none", nvml.advice)
    else:
        severity = fail if nvml.state in _BROKEN_STATES else warn
        yield severity("driver", f"NVML: {nvml.state.replace('_', ' ')} ({nvml.message})", nvml.advice)


def check_products(report: HardwareReport, gpus: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Whether every GPU answers and is known. Without a catalogue there is nothing to be known by."""
    if report.nvml.ok and not report.gpus:
        yield ok("gpu", "the driver lists no GPU")
    for gpu in report.gpus:
        if gpu.access != "ok":
            yield fail("gpu", f"cannot be used: {gpu.access_error}", _ACCESS_ADVICE[gpu.access], gpu=gpu.index)
        elif not gpus:
            yield ok("gpu", gpu.name or "unnamed", gpu=gpu.index)
        else:
            yield _product(gpu, gpus)


def _product(gpu: GpuReading, gpus: Mapping[str, GpuSpec]) -> Finding:
    match = match_product(gpu.name or "unnamed", gpu.memory.total_bytes if gpu.memory else None, gpus)
    if match.note is None:
        return ok("gpu", f"{gpu.name} is {match.gpu_id}", gpu=gpu.index)
    advice = (
        None if match.gpu_id else "describe it in one YAML file, DIR/gpus/ID.yaml, and name the folder: --catalog DIR"
    )
    return warn("gpu", match.note, advice, gpu=gpu.index)


def check_memory(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """How much is free, and who holds the rest."""
    for gpu in usable(report):
        memory = gpu.memory
        if memory is None:
            if not gpu.mig_enabled:
                reason = gpu.unread.get("memory", "unknown reason")
                yield warn("memory", f"memory not readable ({reason})", gpu=gpu.index)
            continue
        kind = " shared with the host" if gpu.is_unified else ""
        message = f"{format_bytes(memory.free_bytes)} of {format_bytes(memory.total_bytes)}{kind} free"
        free = memory.free_bytes / memory.total_bytes
        if free >= _FRACTION_ENGINES_TAKE:
            yield ok("memory", message + _holders(gpu), gpu=gpu.index)
        else:
            holders = _holders(gpu) or "; the process that holds the rest is not visible from here"
            advice = f"stop what holds it, or plan with at most --gpu-memory-utilization {int(free * 100) / 100:.2f}"
            yield warn("memory", message + holders, advice, gpu=gpu.index)


def _holders(gpu: GpuReading) -> str:
    if not gpu.processes:
        return ""
    names = [
        f"{process.name or 'a process outside this container'} (pid {process.pid}"
        + (f", {format_bytes(process.memory_bytes)})" if process.memory_bytes is not None else ")")
        for process in gpu.processes[:_HOLDERS_NAMED]
    ]
    unnamed = len(gpu.processes) - len(names)
    return f"; held by {', '.join(names)}" + (f" and {unnamed} more" if unnamed else "")


def check_visible(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """What `CUDA_VISIBLE_DEVICES` shows."""
    visible = report.visible
    if visible.variable is None and not visible.notes:
        return
    seen = ", ".join([f"GPU {index}" for index in visible.indexes] + list(visible.mig_uuids)) or "no GPU"
    value = "unset" if visible.variable is None else repr(visible.variable)
    severity = warn if visible.notes and report.gpus else ok
    yield severity("visible", "; ".join([f"CUDA_VISIBLE_DEVICES is {value}: CUDA sees {seen}", *visible.notes]))


def check_mig(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """GPUs that are split, or about to be."""
    for gpu in usable(report):
        if gpu.mig_enabled and not gpu.mig:
            advice = (
                "create one (nvidia-smi mig -cgi PROFILE -C), leave MIG mode (nvidia-smi -mig 0), "
                "or give the container its MIG device"
            )
            yield warn("mig", "in MIG mode, no instance visible: nothing can run on it", advice, gpu=gpu.index)
        elif gpu.mig_enabled:
            shares = ", ".join(f"{i.profile or i.name} ({format_bytes(i.memory_bytes or 0)})" for i in gpu.mig)
            message = f"split into {shares}; an instance serves one replica without tensor parallelism"
            yield ok("mig", message, gpu=gpu.index)
        if gpu.mig_enabled_after_reset is not None and gpu.mig_enabled_after_reset != gpu.mig_enabled:
            yield warn("mig", "changes its MIG mode at the next reset", gpu=gpu.index)

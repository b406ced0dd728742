"""Whether the driver answers, which GPUs there are, and which of them a CUDA program sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from llmplan.hardware.container_devices import container_notes
from llmplan.hardware.diagnosis.finding import Finding, Subject, fail, ok, usable, visible, warn
from llmplan.hardware.inventory import match_product
from llmplan.hardware.report import GpuReading, HardwareReport

_BROKEN_STATES: Final = frozenset({"version_mismatch", "no_permission", "no_binding"})
_VISIBLE_RULES: Final = "https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#cuda-environment-variables"
_ACCESS_ADVICE: Final = {
    "lost": "reset it (nvidia-smi --gpu-reset -i {index}) or reboot; dmesg shows the Xid, 79 means it fell off the bus",
    "no_permission": "check the permissions of /dev/nvidia* and of the container's devices",
    "error": "compare with nvidia-smi, then read dmesg for Xid messages",
}


def check_driver(report: HardwareReport, _: Subject) -> Iterator[Finding]:
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


def check_products(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """Whether every GPU answers and is known. Without a catalogue there is nothing to be known by."""
    if report.nvml.ok and not report.gpus:
        yield ok("gpu", "the driver lists no GPU")
    for gpu in report.gpus:
        if gpu.access != "ok":
            yield fail(
                "gpu",
                f"cannot be used: {gpu.access_error}",
                _ACCESS_ADVICE[gpu.access].format(index=gpu.index),
                gpu=gpu.index,
            )
        elif not subject.gpus:
            yield ok("gpu", gpu.name or "unnamed", gpu=gpu.index)
        else:
            yield _product(gpu, subject)


def _product(gpu: GpuReading, subject: Subject) -> Finding:
    match = match_product(gpu.name or "unnamed", gpu.memory.total_bytes if gpu.memory else None, subject.gpus)
    if match.note is None:
        return ok("gpu", f"{gpu.name} is {match.gpu_id}", gpu=gpu.index)
    advice = (
        None if match.gpu_id else "describe it in one YAML file, DIR/gpus/ID.yaml, and name the folder: --catalog DIR"
    )
    return warn("gpu", match.note, advice, gpu=gpu.index)


def check_mixture(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """GPUs of several kinds, of which a parallel group runs at the slowest and smallest."""
    kinds = Counter(gpu.name or "unnamed" for gpu in visible(report))
    if len(kinds) > 1:
        message = "unlike GPUs: " + ", ".join(f"{count} x {name}" for name, count in kinds.items())
        advice = (
            "a tensor-parallel group of unlike GPUs runs at the slowest and holds what the smallest does: "
            "start one server for each kind, each with its own CUDA_VISIBLE_DEVICES"
        )
        yield warn("mixture", message, advice)


def check_visible(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """What `CUDA_VISIBLE_DEVICES` and `NVIDIA_VISIBLE_DEVICES` show."""
    shown = report.visible
    if shown.variable is None and not shown.notes:
        return
    seen = ", ".join([f"GPU {index}" for index in shown.indexes] + list(shown.mig_uuids)) or "no GPU"
    value = "unset" if shown.variable is None else repr(shown.variable)
    message = "; ".join([f"CUDA_VISIBLE_DEVICES is {value}: CUDA sees {seen}", *shown.notes])
    if not (shown.notes and report.gpus):
        yield ok("visible", message)
        return
    severity = warn if shown.indexes or shown.mig_uuids or not subject.certain else fail
    yield severity("visible", message, _own_gpus(report), source=_VISIBLE_RULES)


def _own_gpus(report: HardwareReport) -> str | None:
    """A setting that names whole GPUs as both NVML and CUDA count them, and in a container only its own."""
    shown = report.visible
    given = shown.container_variable
    if given is not None and shown.variable is None and container_notes(given, shown, report.gpus):
        return 'export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES="$NVIDIA_VISIBLE_DEVICES"'
    advice = ["unset it"] if shown.variable is not None else []
    whole = ",".join(str(gpu.index) for gpu in usable(report) if not gpu.mig_enabled)
    if whole:
        order = "CUDA_DEVICE_ORDER=PCI_BUS_ID " if not shown.certain or shown.variable is None else ""
        advice.append(f"export {order}CUDA_VISIBLE_DEVICES={whole}")
    return ", or ".join(advice) or None

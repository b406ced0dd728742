"""GPUs that are split into MIG instances, or about to be."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.hardware.diagnosis.finding import Finding, Subject, ok, usable, warn
from llmplan.hardware.report import GpuReading, HardwareReport
from llmplan.units import format_bytes


def check_mig(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """MIG mode without instances, instances of unlike size, and a mode that changes at the next reset."""
    for gpu in usable(report):
        if gpu.mig_enabled and not gpu.mig:
            advice = (
                "create one (nvidia-smi mig -cgi PROFILE -C), leave MIG mode (nvidia-smi -mig 0), "
                "or give the container its MIG device"
            )
            yield warn("mig", "in MIG mode, no instance visible: nothing can run on it", advice, gpu=gpu.index)
        elif gpu.mig_enabled:
            yield from _instances(gpu)
        if gpu.mig_enabled_after_reset is not None and gpu.mig_enabled_after_reset != gpu.mig_enabled:
            yield warn("mig", "changes its MIG mode at the next reset", gpu=gpu.index)


def _instances(gpu: GpuReading) -> Iterator[Finding]:
    shares = ", ".join(f"{i.profile or i.name} ({format_bytes(i.memory_bytes or 0)})" for i in gpu.mig)
    message = f"split into {shares}; an instance serves one replica without tensor parallelism"
    yield ok("mig", message, gpu=gpu.index)
    profiles = {instance.profile for instance in gpu.mig if instance.profile}
    if len(profiles) > 1:
        advice = (
            "replicas of unlike size behind one load balancer need weights of their own, and each profile a plan of "
            "its own; equal ones: nvidia-smi mig -dci, mig -dgi, then mig -cgi PROFILE,PROFILE -C"
        )
        message = f"instances of unlike size ({', '.join(sorted(profiles))})"
        yield warn("mig", message, advice, gpu=gpu.index)

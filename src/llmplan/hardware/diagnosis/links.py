"""Whether the GPUs are joined as they could be: PCIe, NVLink, the NVSwitch fabric."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, Subject, fail, ok, usable, warn
from llmplan.hardware.report import GpuReading, HardwareReport, PcieReading

_BUSY_FROM: Final = 0.5
"""Share of time with a kernel running from which a low PCIe generation is no longer that of an idle GPU: assumed."""


def check_pcie(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """Lanes that are missing. A GPU that shares the host's memory reports a link that means nothing."""
    for gpu in usable(report):
        if gpu.pcie is None or gpu.is_unified or not gpu.pcie.width:
            continue
        message = f"PCIe x{gpu.pcie.width} of x{gpu.pcie.max_width or '?'}{_generation(gpu.pcie)}"
        if gpu.pcie.is_narrowed:
            advice = (
                "a slot shared with another card, a riser or a bad contact: host offload, model loading and "
                "tensor parallelism over PCIe run at that share"
            )
            yield warn("pcie", message, advice, gpu=gpu.index)
        elif _is_slow(gpu.pcie) and (gpu.utilization or 0.0) >= _BUSY_FROM:
            advice = "look again under load (nvidia-smi -q -d PCIE); if it stays, set the slot's generation in the BIOS"
            yield warn("pcie", f"{message}, and the GPU is busy", advice, gpu=gpu.index)
        else:
            idle = "an idle GPU lowers its generation: only under load does a low one mean anything"
            yield ok("pcie", message, idle if _is_slow(gpu.pcie) else None, gpu=gpu.index)


def _is_slow(pcie: PcieReading) -> bool:
    return pcie.generation is not None and pcie.max_generation is not None and pcie.generation < pcie.max_generation


def _generation(pcie: PcieReading) -> str:
    if pcie.generation is None:
        return ""
    return f", generation {pcie.generation}" + (f" of {pcie.max_generation}" if pcie.max_generation else "")


def check_nvlink(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """Ports that are down where others are up; a GPU alone, and a card without a bridge, need none."""
    several = len(usable(report)) > 1
    for gpu in usable(report):
        if not gpu.nvlinks:
            continue
        up, ports, expected = gpu.active_nvlinks, len(gpu.nvlinks), _expected(gpu, report)
        down = [str(link.link) for link in gpu.nvlinks if not link.active]
        if several and not gpu.mig_enabled and 0 < up < expected:
            advice = "nvidia-smi nvlink -s and -e; all-reduce runs at the slowest GPU's share"
            message = f"NVLink {up} of {ports} up, down: {', '.join(down)}"
            yield warn("nvlink", message, advice, gpu=gpu.index)
        elif up:
            yield ok("nvlink", f"NVLink {up} of {ports} up", gpu=gpu.index)
        elif several and not gpu.mig_enabled and _is_on_baseboard(gpu, subject):
            advice = "check the fabric manager (systemctl status nvidia-fabricmanager) and nvidia-smi nvlink -s"
            yield warn("nvlink", f"all {ports} NVLinks are down", advice, gpu=gpu.index)
        else:
            yield ok("nvlink", f"{ports} NVLink ports, none in use", gpu=gpu.index)


def _expected(gpu: GpuReading, report: HardwareReport) -> int:
    """Ports that should be up: all to a switch, which takes every one; else as many as on another GPU of its kind."""
    if any(link.remote == "switch" for link in gpu.nvlinks):
        return len(gpu.nvlinks)
    return max(other.active_nvlinks for other in usable(report) if other.name == gpu.name)


def _is_on_baseboard(gpu: GpuReading, subject: Subject) -> bool:
    """Whether this product is joined by NVLink always (a module) rather than by a bridge that one may buy."""
    spec = subject.spec_of(gpu)
    return spec is not None and "PCIE" not in spec.form.upper()


def check_fabric(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """GPUs that the NVSwitch fabric has not taken in: CUDA refuses to start on them.

    A GPU alone whose links are all off (a slice of a machine) may be outside any fabric and still work.
    """
    alone = len(usable(report)) == 1
    for gpu in usable(report):
        if gpu.fabric_state not in ("not started", "in progress"):
            continue
        message = f"not yet in the NVSwitch fabric ({gpu.fabric_state})"
        advice = "start nvidia-fabricmanager in the driver's own version"
        if alone and not gpu.active_nvlinks:
            more = "no NVLink in use: a machine of one GPU may be meant so; if CUDA gives error 802"
            yield ok("fabric", f"{message}, and {more}, it is not", advice, gpu=gpu.index)
        else:
            yield fail("fabric", f"{message}: CUDA gives error 802", advice, gpu=gpu.index)

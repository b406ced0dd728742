"""Whether the GPUs run as they should: lanes, links, fabric, memory errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmplan.hardware.diagnosis.finding import Finding, fail, ok, usable, warn
from llmplan.hardware.inventory import match_product
from llmplan.hardware.report import GpuReading, HardwareReport
from llmplan.spec.gpu import GpuSpec


def check_pcie(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Lanes that are missing. A GPU that shares the host's memory reports a link that means nothing."""
    for gpu in usable(report):
        if gpu.pcie is None or gpu.is_unified or gpu.pcie.width is None:
            continue
        message = f"PCIe x{gpu.pcie.width} of x{gpu.pcie.max_width or '?'}"
        if gpu.pcie.is_narrowed:
            advice = (
                "a slot shared with another card, a riser or a bad contact: host offload, model loading and "
                "tensor parallelism over PCIe run at that share"
            )
            yield warn("pcie", message, advice, gpu=gpu.index)
        else:
            yield ok("pcie", message, gpu=gpu.index)


def check_nvlink(report: HardwareReport, gpus: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Ports that are down; all of them on a card without a bridge is how it is sold."""
    several = len(usable(report)) > 1
    for gpu in usable(report):
        if not gpu.nvlinks:
            continue
        up, ports = gpu.active_nvlinks, len(gpu.nvlinks)
        down = [str(link.link) for link in gpu.nvlinks if not link.active]
        if up and down:
            advice = "nvidia-smi nvlink -s and -e; all-reduce runs at the slowest GPU's share"
            yield warn("nvlink", f"NVLink {up} of {ports} up, down: {', '.join(down)}", advice, gpu=gpu.index)
        elif up:
            yield ok("nvlink", f"NVLink {up} of {ports} up", gpu=gpu.index)
        elif several and not gpu.mig_enabled and _is_on_baseboard(gpu, gpus):
            advice = "check the fabric manager (systemctl status nvidia-fabricmanager) and nvidia-smi nvlink -s"
            yield warn("nvlink", f"all {ports} NVLinks are down", advice, gpu=gpu.index)
        else:
            yield ok("nvlink", f"{ports} NVLink ports, none in use", gpu=gpu.index)


def _is_on_baseboard(gpu: GpuReading, gpus: Mapping[str, GpuSpec]) -> bool:
    """Whether this product is joined by NVLink always (a module) rather than by a bridge that one may buy."""
    match = match_product(gpu.name or "", gpu.memory.total_bytes if gpu.memory else None, gpus)
    return match.gpu_id is not None and "PCIE" not in gpus[match.gpu_id].form.upper()


def check_fabric(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """GPUs that the NVSwitch fabric has not taken in: CUDA refuses to start on them."""
    for gpu in usable(report):
        if gpu.fabric_state in ("not started", "in progress"):
            message = f"not yet in the NVSwitch fabric ({gpu.fabric_state}): CUDA gives error 802"
            yield fail("fabric", message, "start nvidia-fabricmanager in the driver's own version", gpu=gpu.index)


def check_ecc(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Memory errors that were not corrected since the driver was loaded, and rows that need a spare."""
    for gpu in usable(report):
        ecc = gpu.ecc
        if ecc is None:
            continue
        if ecc.row_remap_failed or ecc.uncorrected_volatile:
            failed = "row remapping failed" if ecc.row_remap_failed else None
            message = failed or f"{ecc.uncorrected_volatile} uncorrected ECC errors"
            yield fail("ecc", message, "reset the GPU; if it comes back, have the board replaced", gpu=gpu.index)
        elif ecc.row_remap_pending:
            yield warn("ecc", "a memory row waits to be remapped", "reset the GPU when it is idle", gpu=gpu.index)
        else:
            yield ok("ecc", "ECC is off" if ecc.enabled is False else "no uncorrected ECC errors", gpu=gpu.index)

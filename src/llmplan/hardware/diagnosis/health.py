"""Whether the GPUs run as they should: lanes, links, fabric, memory errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmplan.hardware.diagnosis.finding import Finding, usable
from llmplan.hardware.inventory import match_product
from llmplan.hardware.report import GpuReading, HardwareReport
from llmplan.spec.gpu import GpuSpec


def check_pcie(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Lanes that are missing."""
    for gpu in usable(report):
        if gpu.pcie is None or gpu.is_unified or gpu.pcie.width is None:
            continue
        message = f"GPU {gpu.index}: PCIe x{gpu.pcie.width} of x{gpu.pcie.max_width or '?'}"
        advice = "a slot shared with another card, a riser or a bad contact: host offload, model loading and tensor "
        advice += "parallelism over PCIe run at that share"
        narrowed = gpu.pcie.is_narrowed
        yield Finding(
            check="pcie", status="warn" if narrowed else "ok", message=message, advice=advice if narrowed else None
        )


def check_nvlink(report: HardwareReport, gpus: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Ports that are down."""
    several = len(usable(report)) > 1
    for gpu in usable(report):
        if not gpu.nvlinks:
            continue
        up, ports = gpu.active_nvlinks, len(gpu.nvlinks)
        down = [str(link.link) for link in gpu.nvlinks if not link.active]
        soldered = _is_on_baseboard(gpu, gpus)
        if up and down:
            message = f"GPU {gpu.index}: NVLink {up} of {ports} up, down: {', '.join(down)}"
            advice = "nvidia-smi nvlink -s and -e; all-reduce runs at the slowest GPU's share"
            yield Finding(check="nvlink", status="warn", message=message, advice=advice)
        elif up:
            yield Finding(check="nvlink", status="ok", message=f"GPU {gpu.index}: NVLink {up} of {ports} up")
        elif several and soldered and not gpu.mig_enabled:
            message = f"GPU {gpu.index}: all {ports} NVLinks are down"
            advice = "check the fabric manager (systemctl status nvidia-fabricmanager) and nvidia-smi nvlink -s"
            yield Finding(check="nvlink", status="warn", message=message, advice=advice)
        else:
            yield Finding(check="nvlink", status="ok", message=f"GPU {gpu.index}: {ports} NVLink ports, no bridge")


def _is_on_baseboard(gpu: GpuReading, gpus: Mapping[str, GpuSpec]) -> bool:
    """Whether this product is joined by NVLink always (a module) rather than by a bridge that one may buy."""
    match = match_product(gpu.name or "", gpu.memory.total_bytes if gpu.memory else None, gpus)
    return match.gpu_id is not None and "PCIE" not in gpus[match.gpu_id].form.upper()


def check_fabric(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """GPUs that the NVSwitch fabric has not taken in."""
    waiting = [gpu for gpu in usable(report) if gpu.fabric_state in ("not started", "in progress")]
    for gpu in waiting:
        yield Finding(
            check="fabric",
            status="fail",
            message=f"GPU {gpu.index} is not yet in the NVSwitch fabric ({gpu.fabric_state}): CUDA gives error 802",
            advice="start nvidia-fabricmanager in the driver's own version",
        )


def check_ecc(report: HardwareReport, _: Mapping[str, GpuSpec]) -> Iterator[Finding]:
    """Memory errors that were not corrected."""
    for gpu in usable(report):
        ecc = gpu.ecc
        if ecc is None:
            continue
        if ecc.row_remap_failed or ecc.uncorrected_volatile:
            what = (
                "row remapping failed" if ecc.row_remap_failed else f"{ecc.uncorrected_volatile} uncorrected ECC errors"
            )
            advice = "reset the GPU; if it comes back, have the board replaced"
            yield Finding(check="ecc", status="fail", message=f"GPU {gpu.index}: {what}", advice=advice)
        elif ecc.row_remap_pending:
            message = f"GPU {gpu.index}: a memory row waits to be remapped"
            yield Finding(check="ecc", status="warn", message=message, advice="reset the GPU when it is idle")
        elif ecc.enabled is False:
            yield Finding(check="ecc", status="ok", message=f"GPU {gpu.index}: ECC is off")
        else:
            yield Finding(check="ecc", status="ok", message=f"GPU {gpu.index}: no uncorrected ECC errors")

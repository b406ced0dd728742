"""What this machine has: GPUs through NVML, the host through /proc, and both as an inventory to plan on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from llmplan.hardware.container_devices import with_container
from llmplan.hardware.diagnosis import Finding, ModelFiles, Planned, Subject, diagnose
from llmplan.hardware.errors import NvmlStatus
from llmplan.hardware.host import read_host
from llmplan.hardware.inventory import match_product, to_inventory
from llmplan.hardware.model_cache import cached_bytes, model_cache
from llmplan.hardware.nvml import scan_nvml
from llmplan.hardware.report import GpuReading, HardwareReport, HostReading
from llmplan.hardware.visible import visible_gpus

__all__ = [
    "Finding", "GpuReading", "HardwareReport", "HostReading", "ModelFiles", "NvmlStatus", "Planned", "Subject",
    "cached_bytes", "diagnose", "match_product", "model_cache", "read_host", "scan", "scan_nvml", "to_inventory",
    "visible_gpus",
]  # fmt: skip


def scan(environ: Mapping[str, str], root: Path = Path("/")) -> HardwareReport:
    """Read this machine. Nothing raises for a missing or broken GPU: the report says what was found and what not.

    `root` is where the host is read (`/proc`, `/sys`, `/dev/shm`). The disks looked at are the working folder's and
    that of the Hugging Face cache, where model weights land.
    """
    cache = model_cache(environ)
    host = read_host(root, disks=(Path.cwd(), cache), models=cache)
    found = scan_nvml(host)
    return HardwareReport(
        nvml=found.status,
        driver_version=found.driver_version,
        nvml_version=found.nvml_version,
        cuda_version=found.cuda_version,
        gpus=found.gpus,
        peers=found.peers,
        host=host,
        visible=with_container(visible_gpus(environ, found.gpus), environ, found.gpus),
    )

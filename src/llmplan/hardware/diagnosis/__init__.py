"""What is wrong, or about to be, with the hardware as it was read. Each check looks at one thing and gives advice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llmplan.hardware.diagnosis.devices import check_driver, check_memory, check_mig, check_products, check_visible
from llmplan.hardware.diagnosis.finding import Check, Finding, FindingStatus
from llmplan.hardware.diagnosis.health import check_ecc, check_fabric, check_nvlink, check_pcie
from llmplan.hardware.diagnosis.machine import check_disk, check_host_memory, check_shm
from llmplan.hardware.report import HardwareReport
from llmplan.spec.gpu import GpuSpec

__all__ = ["CHECKS", "Check", "Finding", "FindingStatus", "diagnose"]

CHECKS: Final[tuple[Check, ...]] = (
    check_driver,
    check_products,
    check_memory,
    check_visible,
    check_mig,
    check_pcie,
    check_nvlink,
    check_fabric,
    check_ecc,
    check_host_memory,
    check_shm,
    check_disk,
)


def diagnose(report: HardwareReport, gpus: Mapping[str, GpuSpec]) -> tuple[Finding, ...]:
    """All findings about the hardware, in the order of `CHECKS`; `gpus` is the catalogue."""
    return tuple(finding for check in CHECKS for finding in check(report, gpus))

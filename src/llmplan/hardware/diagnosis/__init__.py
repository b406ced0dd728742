"""What is wrong, or about to be, with the hardware as it was read. Each check looks at one thing and gives advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from llmplan.hardware.diagnosis.cuda import check_driver_for_engines, check_kernels
from llmplan.hardware.diagnosis.devices import check_driver, check_mixture, check_products, check_visible
from llmplan.hardware.diagnosis.files import check_fit, check_weights
from llmplan.hardware.diagnosis.finding import Check, Finding, FindingStatus, ModelFiles, Planned, Subject
from llmplan.hardware.diagnosis.health import check_ecc, check_persistence, check_power, check_slowdowns
from llmplan.hardware.diagnosis.held import check_memory
from llmplan.hardware.diagnosis.links import check_fabric, check_nvlink, check_pcie
from llmplan.hardware.diagnosis.machine import check_disk, check_host_memory, check_limits, check_shm
from llmplan.hardware.diagnosis.mig import check_mig
from llmplan.hardware.diagnosis.planned import check_planned_gpus, check_planned_host
from llmplan.hardware.report import HardwareReport
from llmplan.spec.gpu import GpuSpec

__all__ = ["CHECKS", "Check", "Finding", "FindingStatus", "ModelFiles", "Planned", "Subject", "diagnose"]

CHECKS: Final[tuple[Check, ...]] = (
    check_driver,
    check_driver_for_engines,
    check_products,
    check_mixture,
    check_kernels,
    check_memory,
    check_visible,
    check_mig,
    check_pcie,
    check_nvlink,
    check_fabric,
    check_ecc,
    check_power,
    check_slowdowns,
    check_persistence,
    check_host_memory,
    check_shm,
    check_limits,
    check_disk,
    check_weights,
    check_fit,
    check_planned_gpus,
    check_planned_host,
)


def diagnose(
    report: HardwareReport, gpus: Mapping[str, GpuSpec], subject: Subject | None = None
) -> tuple[Finding, ...]:
    """All findings about the hardware, in the order of `CHECKS`; `gpus` is the catalogue.

    `subject` says which engines, which model's files and which plan it is looked at for; None looks at it alone.
    """
    whole = replace(subject or Subject(), gpus=gpus)
    return tuple(finding for check in CHECKS for finding in check(report, whole))

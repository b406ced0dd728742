"""Whether the GPUs run as they should: memory errors, power, clocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, Subject, fail, ok, usable, warn
from llmplan.hardware.report import EccReading, HardwareReport

_MEMORY_ERRORS: Final = "https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/index.html"
_LIMIT_TOLERANCE: Final = 0.99
_NORMAL_UNDER_LOAD: Final = frozenset({"power cap"})
"""A GPU at work runs into its power limit; that costs nothing that was promised."""


def check_ecc(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """Memory errors that were not corrected since the driver was loaded, and rows or pages that need a spare."""
    for gpu in usable(report):
        ecc = gpu.ecc
        if ecc is None:
            continue
        if ecc.row_remap_failed or ecc.uncorrected_volatile:
            failed = "row remapping failed" if ecc.row_remap_failed else None
            message = failed or f"{ecc.uncorrected_volatile} uncorrected ECC errors"
            advice = "reset the GPU; if it comes back, have the board replaced"
            yield fail("ecc", message, advice, gpu=gpu.index, source=_MEMORY_ERRORS)
        elif ecc.row_remap_pending or ecc.retired_pages_pending:
            what = "a memory row waits to be remapped" if ecc.row_remap_pending else "memory pages wait to be retired"
            advice = f"reset the GPU when it is idle: nvidia-smi --gpu-reset -i {gpu.index}"
            yield warn("ecc", what, advice, gpu=gpu.index, source=_MEMORY_ERRORS)
        else:
            yield ok("ecc", _errors(ecc), gpu=gpu.index)


def _errors(ecc: EccReading) -> str:
    """What the counters say where nothing is to be done."""
    if ecc.enabled is False:
        return "ECC is off"
    if ecc.uncorrected_volatile is None:
        return "ECC is on; its counters are not readable"
    past = ecc.uncorrected_aggregate
    history = f" since the driver was loaded; {past} over the board's life" if past else ""
    retired = f"; {ecc.retired_pages} pages retired" if ecc.retired_pages else ""
    return f"no uncorrected ECC errors{history}{retired}"


def check_power(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """A power limit below the board's own: prefill, which is bound by arithmetic, slows down first."""
    for gpu in usable(report):
        limit, default = gpu.power_limit_w, gpu.power_limit_default_w
        if limit is not None and default is not None and limit < default * _LIMIT_TOLERANCE:
            message = f"power limit {limit:.0f} W, by default {default:.0f} W: speeds are predicted for the latter"
            advice = f"nvidia-smi -i {gpu.index} -pl {default:.0f} restores it (as root)"
            yield warn("power", message, advice, gpu=gpu.index)


def check_slowdowns(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """Clocks that are held down now, by heat or by the power supply."""
    for gpu in usable(report):
        reasons = [reason for reason in gpu.slowdowns or () if reason not in _NORMAL_UNDER_LOAD]
        if reasons:
            hot = f" at {gpu.temperature_c:.0f} °C" if gpu.temperature_c is not None else ""
            message = f"clocks are held down{hot}: {', '.join(reasons)}"
            advice = "look at airflow and power supply; nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER says more"
            yield warn("clocks", message, advice, gpu=gpu.index)


def check_persistence(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """Persistence mode, without which the driver leaves when nobody uses the GPU; a running server keeps it."""
    for gpu in usable(report):
        if gpu.persistence is False and not report.host.wsl:
            advice = "nvidia-smi -pm 1 (as root) keeps the driver loaded: the first start of a process is quicker"
            yield ok("persistence", "persistence mode is off", advice, gpu=gpu.index)

"""Why a GPU's clocks are held down at this moment."""

from __future__ import annotations

from typing import Any, Final

from llmplan.hardware.reader import FieldReader

_REASONS: Final = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "heat (driver)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}
"""Bits of nvmlClocksEventReasons that hold a busy GPU down. Being idle, or at clocks that somebody set, is none."""


def read_slowdowns(reader: FieldReader, handle: Any) -> tuple[str, ...] | None:
    """The reasons in force, none of them for a free-running GPU; None where the driver does not say.

    The function is called ClocksEventReasons since driver 535 and ClocksThrottleReasons before.
    """
    return reader.first(
        "slowdowns",
        [
            ("nvmlDeviceGetCurrentClocksEventReasons", (handle,)),
            ("nvmlDeviceGetCurrentClocksThrottleReasons", (handle,)),
        ],
        convert=slowdowns_in,
    )


def slowdowns_in(reasons: int) -> tuple[str, ...]:
    """The reasons in NVML's bit mask.

    >>> slowdowns_in(0x41), slowdowns_in(0x1)
    (('heat (hardware)',), ())
    """
    return tuple(name for bit, name in _REASONS.items() if reasons & bit)

"""Axes around values: ends, scale and ticks that people can read."""

from __future__ import annotations

import math
from collections.abc import Iterable

from llmplan.report.charts.picture import Axis, Scale, Tick

DECADES_FOR_LOG = 1.5
"""values that span more are drawn on a logarithmic axis"""
MARGIN = 0.06
"""of the axis, beyond the outermost values"""
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST_TICKS = 7
PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def si(value: float) -> str:
    """A tick in few characters: `0.05`, `1.5`, `20k`, `3M`; tiny ones with an exponent.

    >>> si(0.0), si(0.05), si(1500), si(2_000_000), si(1e-6), si(-250)
    ('0', '0.05', '1.5k', '2M', '1e-06', '-250')
    """
    if value == 0:
        return "0"
    for limit, suffix in PREFIXES:
        if abs(value) >= limit:
            return f"{value / limit:.4g}{suffix}"
    return f"{value:.4g}"


def usd_tick(value: float) -> str:
    """Money on an axis: `$1.5k`."""
    return f"-${si(-value)}" if value < 0 else f"${si(value)}"


def around(
    values: Iterable[float], *, label: str, unit: str, scale: Scale | None = None, from_zero: bool = False,
    money: bool = False,
) -> Axis:  # fmt: skip
    """An axis that shows all values with some air; logarithmic where they span decades, if no scale is asked for."""
    known = [value for value in values if math.isfinite(value)]
    positive = [value for value in known if value > 0]
    if scale is None:
        wide = bool(positive) and min(known) > 0 and math.log10(max(known) / min(known)) > DECADES_FOR_LOG
        scale = "log" if wide else "linear"
    if scale == "log" and positive:
        low, high = _log_ends(min(positive), max(positive))
    else:
        scale = "linear"
        low, high = _linear_ends(min(known, default=0.0), max(known, default=1.0), from_zero=from_zero)
    return between(low, high, label=label, unit=unit, scale=scale, money=money)


def between(low: float, high: float, *, label: str, unit: str, scale: Scale, money: bool = False) -> Axis:
    """An axis with these ends and ticks on it."""
    write = usd_tick if money else si
    places = log_ticks(low, high) if scale == "log" else linear_ticks(low, high)
    ticks = tuple(Tick(value=place, text=write(place)) for place in places)
    return Axis(label=label, unit=unit, low=low, high=high, scale=scale, ticks=ticks)


def linear_ticks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers between the ends, at most seven.

    >>> linear_ticks(0.0, 36.0), linear_ticks(-0.1, 0.1)
    ((0.0, 10.0, 20.0, 30.0), (-0.1, -0.05, 0.0, 0.05, 0.1))
    """
    rough = (high - low) / (MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in STEPS if each * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(_rounded(place * step, step) for place in range(first, last + 1))


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten between the ends; also 2 and 5 times them where there are few, every second one where many.

    >>> log_ticks(0.5, 60.0)
    (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
    >>> log_ticks(0.01, 1e6)
    (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0, 1000000.0)
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    within = (low * (1 - 1e-9), high * (1 + 1e-9))
    for parts in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        found = [_power(exponent, part) for exponent in range(first, last + 1) for part in parts]
        shown = tuple(each for each in found if within[0] <= each <= within[1])
        if len(shown) <= MOST_TICKS + 2 and len(shown) >= 2:
            return shown
    stride = math.ceil((last - first + 1) / MOST_TICKS)
    shown = tuple(
        each for each in (_power(exponent, 1.0) for exponent in range(first, last + 1, stride)) if low <= each <= high
    )
    return shown if len(shown) >= 2 else linear_ticks(low, high)


def _power(exponent: int, part: float) -> float:
    return float(f"{part:g}e{exponent}")


def _rounded(value: float, step: float) -> float:
    """Without the last digits of binary fractions."""
    return float(f"{value:.12g}") if abs(value) > step * 1e-9 else 0.0


def _log_ends(low: float, high: float) -> tuple[float, float]:
    decades = max(math.log10(high / low), 0.5)
    air = 10.0 ** (decades * MARGIN)
    if high / low < 2:
        air = max(air, 2.0)
    return low / air, high * air


def _linear_ends(low: float, high: float, *, from_zero: bool) -> tuple[float, float]:
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    width = high - low
    if width <= 1e-9 * max(abs(low), abs(high)):
        width = abs(high) or 1.0
    air = width * MARGIN
    return (low if from_zero and low == 0 else low - air), high + air

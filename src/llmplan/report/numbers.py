"""How quantities are written: a band as `12 ms (10–15)`, a share as `34 %`, a missing amount as `–`."""

from __future__ import annotations

import math
from collections.abc import Callable

from llmplan.spec.band import Band
from llmplan.units import format_bytes, format_count, format_seconds, format_usd

MISSING = "–"
LOWER_BOUND = "≥ "


def band(value: Band, write: Callable[[float], str]) -> str:
    """The middle with the 80 % interval behind it; the unit once where all three share it.

    >>> from llmplan.units import format_seconds
    >>> band(Band(low=0.0101, mid=0.012, high=0.015), format_seconds)
    '12 ms (10.1–15)'
    >>> band(Band(low=0.9, mid=0.95, high=1.4), format_seconds)
    '950 ms (900 ms–1.4 s)'
    """
    middle = write(value.mid)
    if value.is_exact:
        return middle
    low, high = write(value.low), write(value.high)
    units = {text.partition(" ")[2] for text in (low, middle, high)}
    if len(units) == 1:
        low, high = low.partition(" ")[0], high.partition(" ")[0]
    return f"{middle} ({low}–{high})"


def seconds(value: Band) -> str:
    """A duration with its band."""
    return band(value, format_seconds)


def at_percentile(value: Band, percentile_s: float) -> Band:
    """The band of a percentile that belongs to the middle: as wide, relatively, as the mean's."""
    if value.mid <= 0 or not math.isfinite(percentile_s):
        return Band.exact(percentile_s)
    return value.scaled(percentile_s / value.mid)


def size(value: Band) -> str:
    """Bytes with their band."""
    return band(value, format_bytes)


def rate(value: float) -> str:
    """A rate in three digits, without exponent.

    >>> rate(0.03333), rate(5.0), rate(1234.5)
    ('0.0333', '5', '1,234')
    """
    if not math.isfinite(value):
        return "∞"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def rates(value: Band) -> str:
    """A rate with its band."""
    return band(value, rate)


def count(value: float) -> str:
    """A count; infinite as `∞`."""
    return format_count(value) if math.isfinite(value) else "∞"


def percent(share: float) -> str:
    """A fraction as a percentage.

    >>> percent(0.0123), percent(0.5), percent(-0.004)
    ('1.2 %', '50 %', '-0.4 %')
    """
    value = share * 100
    return f"{value:.0f} %" if abs(value) >= 10 or value == 0 else f"{value:.1f} %"


def usd(amount_usd: float | None, *, complete: bool = True) -> str:
    """Money; with a line missing it is a lower bound.

    >>> usd(1594.2, complete=False), usd(None), usd(3.0)
    ('≥ $1,594', '–', '$3.00')
    """
    if amount_usd is None:
        return MISSING
    return ("" if complete else LOWER_BOUND) + format_usd(amount_usd)


def cents(amount_usd: float | None) -> str:
    """Money to the cent, as lines are printed and added.

    >>> cents(1594.204), cents(None)
    ('$1,594.20', '–')
    """
    return MISSING if amount_usd is None else f"${amount_usd:,.2f}"


def to_cents(amount_usd: float) -> int:
    """Whole cents, so that a printed total is the sum of the printed lines."""
    return round(amount_usd * 100)


def plural(value: float) -> str:
    """The `s` of a noun that `value` counts."""
    return "" if value == 1 else "s"


__all__ = [
    "LOWER_BOUND",
    "MISSING",
    "at_percentile",
    "band",
    "cents",
    "count",
    "format_bytes",
    "format_seconds",
    "format_usd",
    "percent",
    "plural",
    "rate",
    "rates",
    "seconds",
    "size",
    "to_cents",
    "usd",
]

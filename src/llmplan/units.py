"""Constants and formatting: the only unit conversions in the project.

Everything inside is plain SI / base units: bytes, seconds, tokens, USD, FLOP. The names below are the only
place where GiB, GB, hours and months become those.
"""

from __future__ import annotations

import math
from typing import Final

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3
GB: Final = 1000**3
TB: Final = 1000**4
TERA: Final = 1e12

HALF_BYTES: Final = 2
"""of a number in 16 bit"""
FP32_BYTES: Final = 4

SECONDS_PER_MINUTE: Final = 60.0
SECONDS_PER_HOUR: Final = 3600.0
HOURS_PER_DAY: Final = 24.0
SECONDS_PER_DAY: Final = HOURS_PER_DAY * SECONDS_PER_HOUR
HOURS_PER_MONTH: Final = 730.0
"""365 x 24 / 12: the month in which every price here is quoted."""
SECONDS_PER_MONTH: Final = HOURS_PER_MONTH * SECONDS_PER_HOUR
HOURS_PER_YEAR: Final = 8760.0
TOKENS_PER_MTOK: Final = 1_000_000.0
MS_PER_S: Final = 1000.0


def to_gib(size_bytes: float) -> float:
    """Bytes to GiB, for display and YAML only.

    >>> to_gib(2147483648)
    2.0
    """
    return size_bytes / GIB


def whole_gib(size_bytes: float) -> int:
    """A size in whole GiB, rounded up.

    >>> whole_gib(2**30 + 1), whole_gib(0)
    (2, 0)
    """
    return math.ceil(size_bytes / GIB)


def whole_gb(size_bytes: float) -> int:
    """A size in whole GB, rounded up.

    >>> whole_gb(16_060_522_496)
    17
    """
    return math.ceil(size_bytes / GB)


def format_bytes(size_bytes: float) -> str:
    """A size in the binary unit that keeps it readable.

    >>> format_bytes(16_060_522_496), format_bytes(131072), format_bytes(512)
    ('14.96 GiB', '128.0 KiB', '512 B')
    """
    if abs(size_bytes) >= GIB:
        return f"{size_bytes / GIB:,.2f} GiB"
    if abs(size_bytes) >= MIB:
        return f"{size_bytes / MIB:,.1f} MiB"
    if abs(size_bytes) >= KIB:
        return f"{size_bytes / KIB:,.1f} KiB"
    return f"{size_bytes:,.0f} B"


def format_usd(amount_usd: float) -> str:
    """Money with as many digits as carry meaning.

    >>> format_usd(1594.2), format_usd(12.5), format_usd(0.0312), format_usd(0)
    ('$1,594', '$12.50', '$0.0312', '$0.00')
    """
    magnitude = abs(amount_usd)
    sign = "-" if amount_usd < 0 else ""
    if magnitude >= 1000:
        return f"{sign}${magnitude:,.0f}"
    if magnitude >= 1 or magnitude == 0:
        return f"{sign}${magnitude:,.2f}"
    return f"{sign}${magnitude:.{max(2, 2 - math.floor(math.log10(magnitude)))}f}"


def format_seconds(duration_s: float) -> str:
    """A duration in ms below a second, in s below two minutes, then in minutes and hours.

    >>> format_seconds(0.0123), format_seconds(2.5), format_seconds(90), format_seconds(600)
    ('12.3 ms', '2.5 s', '90 s', '10.0 min')
    """
    if not math.isfinite(duration_s):
        return "∞"
    if duration_s < 1:
        milliseconds = duration_s * MS_PER_S
        return f"{milliseconds:.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"
    if duration_s < 120:
        return f"{duration_s:.3g} s"
    if duration_s < 7200:
        return f"{duration_s / 60:.1f} min"
    return f"{duration_s / 3600:.1f} h"


def format_rate(value: float) -> str:
    """A rate or a mean in three digits, without exponent.

    >>> format_rate(0.03333), format_rate(5.0), format_rate(5724.3)
    ('0.0333', '5', '5,724')
    """
    return f"{value:,.0f}" if math.isfinite(value) and abs(value) >= 100 else f"{value:.3g}"


def format_count(value: float) -> str:
    """A count in three or four significant digits with k, M, B or T.

    >>> format_count(8_030_261_248), format_count(131072), format_count(37)
    ('8.03B', '131k', '37')
    """
    for limit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{suffix}"
    if abs(value) >= 10_000:
        return f"{value / 1e3:.0f}k"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"

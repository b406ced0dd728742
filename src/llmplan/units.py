"""Constants, parsing and formatting: the only unit conversions in the project.

Everything inside is plain SI / base units: bytes, seconds, tokens, USD, FLOP. The names below are the only
place where GiB, GB, hours and months become those.
"""

from __future__ import annotations

import math
import re
from typing import Final

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3
KB: Final = 1000
MB: Final = 1000**2
GB: Final = 1000**3
TB: Final = 1000**4
TERA: Final = 1e12

SECONDS_PER_MINUTE: Final = 60.0
SECONDS_PER_HOUR: Final = 3600.0
SECONDS_PER_DAY: Final = 86400.0
HOURS_PER_MONTH: Final = 730.0
"""365 x 24 / 12: the month in which every price here is quoted."""
SECONDS_PER_MONTH: Final = HOURS_PER_MONTH * SECONDS_PER_HOUR
HOURS_PER_YEAR: Final = 8760.0
TOKENS_PER_MTOK: Final = 1_000_000.0
MS_PER_S: Final = 1000.0

_SIZE_SUFFIX: Final = {
    "": 1, "b": 1,
    "kb": KB, "mb": MB, "gb": GB, "tb": TB,
    "kib": KIB, "mib": MIB, "gib": GIB, "tib": 1024**4,
}  # fmt: skip
_SIZE = re.compile(r"^\s*([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*([a-z]*)\s*$", re.IGNORECASE)
_DURATION_SUFFIX: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_size_bytes(text: str) -> int:
    """Read a size with its unit into bytes.

    >>> parse_size_bytes("24 GiB") == 24 * 1024**3
    True
    >>> parse_size_bytes("24GB")
    24000000000
    """
    match = _SIZE.match(text)
    if match is None or match[2].lower() not in _SIZE_SUFFIX:
        raise ValueError(f"not a size: {text!r} (write for example 24GiB or 500MB)")
    return round(float(match[1]) * _SIZE_SUFFIX[match[2].lower()])


def parse_duration_s(text: str) -> float:
    """Read a duration with its unit into seconds; a bare number is seconds.

    >>> parse_duration_s("250ms"), parse_duration_s("5m"), parse_duration_s("2")
    (0.25, 300.0, 2.0)
    """
    match = _SIZE.match(text)
    suffix = match[2].lower() if match else ""
    if match is None or (suffix and suffix not in _DURATION_SUFFIX):
        raise ValueError(f"not a duration: {text!r} (write for example 250ms, 2s or 5m)")
    return float(match[1]) * _DURATION_SUFFIX.get(suffix, 1.0)


def to_gib(size_bytes: float) -> float:
    """Bytes to GiB, for display and YAML only.

    >>> to_gib(2147483648)
    2.0
    """
    return size_bytes / GIB


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

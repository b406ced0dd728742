"""A series in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

LEVELS = "▁▂▃▄▅▆▇█"
NOTHING = " "


def sparkline(values: Sequence[float | None], width: int, *, top: float | None = None) -> str:
    """Columns of eight heights, the highest value (or `top`) full; several values in one column show their highest.
    A column without a value is empty.

    >>> sparkline([0.0, 1.0, 2.0, 4.0], 4), sparkline([1.0, 5.0, None, None], 2)
    ('▁▂▄█', '█ ')
    """
    columns = [_highest(part) for part in _parts(values, min(width, len(values)))]
    most = max((value for value in columns if value is not None), default=0.0) if top is None else top
    return "".join(NOTHING if value is None else _level(value, most) for value in columns)


def _parts(values: Sequence[float | None], count: int) -> list[Sequence[float | None]]:
    edges = [round(place * len(values) / count) for place in range(count + 1)] if count else []
    return [values[begin:end] for begin, end in pairwise(edges)]


def _highest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _level(value: float, most: float) -> str:
    share = value / most if most > 0 else 0.0
    return LEVELS[min(len(LEVELS), max(1, math.ceil(share * len(LEVELS)))) - 1]

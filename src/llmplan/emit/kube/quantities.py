"""Sizes and durations as Kubernetes writes them: the only place where they become text."""

from __future__ import annotations

import math

from llmplan.units import whole_gib


def gib(size_bytes: float) -> str:
    """A size in whole GiB, rounded up, never zero.

    >>> gib(16_060_522_496), gib(1), gib(4 * 2**30)
    ('15Gi', '1Gi', '4Gi')
    """
    return f"{max(1, whole_gib(size_bytes))}Gi"


def whole_seconds(duration_s: float, *, low: int = 1, high: int | None = None) -> int:
    """A duration in whole seconds, rounded up, within the bounds.

    >>> whole_seconds(61.2), whole_seconds(0.1, low=5), whole_seconds(9e9, high=3600)
    (62, 5, 3600)
    """
    found = max(low, math.ceil(duration_s))
    return found if high is None else min(high, found)

"""Runs of steps that each take a little longer than the last: how long they take together, how many fit a time."""

from __future__ import annotations

import math

ROUNDING = 1e-9
"""of a step: a run that ends so little after a time ends at it"""


def ticks_s(first_s: float, growth_s: float, ticks: int) -> float:
    """Time of a run of steps.

    first_s [s]: its first step; growth_s [s]: by which each is longer than the one before; ticks [steps].
    n a + g n (n - 1) / 2. Valid for steps in arithmetic progression. Reference: arithmetic.

    >>> ticks_s(2.0, 1.0, 3)
    9.0
    """
    return ticks * first_s + growth_s * (0.5 * ticks * (ticks - 1))


def ticks_before(within_s: float, first_s: float, growth_s: float, most: int) -> int:
    """Steps of such a run that start before a time: at least one, at most `most`.

    within_s [s]: that time, from the start of the first; first_s, growth_s [s]: as for `ticks_s`; most [steps].
    The least n with n a + g n (n - 1) / 2 >= t: n = ceil(2 t / (q + sqrt(q^2 + 2 g t))), q = a - g / 2.
    Valid for a > 0, g >= 0. Reference: the quadratic's stable root.

    >>> ticks_before(9.0, 2.0, 1.0, 100), ticks_before(9.1, 2.0, 1.0, 100), ticks_before(9.1, 2.0, 1.0, 2)
    (3, 4, 2)
    """
    if most <= 1 or within_s <= first_s:
        return 1
    if most * first_s + growth_s * (0.5 * most * (most - 1)) <= within_s:
        return most
    q = first_s - 0.5 * growth_s
    root = 2.0 * within_s / (q + math.sqrt(q * q + 2.0 * growth_s * within_s))
    return min(most, max(1, math.ceil(root - ROUNDING)))

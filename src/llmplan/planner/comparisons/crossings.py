"""Where two bills over the load cross: at a step exactly, between steps by bisection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from llmplan.planner.comparisons.ways import BEYOND_AN_EDGE, Way

RELATIVE: Final = 1e-9
MOST_TRIES: Final = 200


def flips(below: Way, above: Way, upto: float) -> tuple[float, ...]:
    """Every load at which the order of two bills changes, ascending [1/s].

    below: the way that is taken to be cheaper at no load; above: the other; upto [1/s]: where to stop.
    Between the edges of both bills their difference is continuous: a change of sign there is bisected; one across an
    edge is at the edge. `above` becomes the cheaper one at the first, third, fifth; equal bills count as `above`.
    Valid where the difference is monotone between edges, as a rent and a bill that grows with the load are.
    Reference: docs/how-it-works/comparisons.md.
    """
    return tuple(_flips(below, above, upto))


def _flips(below: Way, above: Way, upto: float) -> Iterator[float]:
    edges = sorted({*below.edges(upto), *above.edges(upto), upto})
    cheaper = False  # whether `above` was, so far

    def over(rate: float) -> float:
        here, there = below.usd_per_month(rate), above.usd_per_month(rate)
        return 0.0 if here == there else here - there

    for start, end in pairwise((0.0, *edges)):
        first = start * BEYOND_AN_EDGE
        at_first, at_end = over(first), over(end)
        if (at_first >= 0) != cheaper:
            cheaper = not cheaper
            yield start
        if (at_end >= 0) != cheaper:
            cheaper = not cheaper
            yield root(over, first, end)


def root(over: Callable[[float], float], low: float, high: float) -> float:
    """Where a continuous function changes sign between two places, to 1e-9 of the place.

    over: the function; low, high: places with different signs (0 counts as positive).
    Bisection, in turns with the secant through both ends, which hits a straight line at once. Valid for finite or
    infinite values. Reference: Dowell & Jarratt, The "Illinois" modification of regula falsi, BIT 11 (1971).

    >>> round(root(lambda x: 3.0 * x - 1.0, 0.0, 8.0), 6)
    0.333333
    """
    at_low, at_high = over(low), over(high)
    sign = at_low >= 0
    for attempt in range(MOST_TRIES):
        if high - low <= RELATIVE * high:
            break
        middle = (low + high) / 2.0
        if attempt % 3 and abs(at_low) != float("inf") and abs(at_high) != float("inf") and at_high != at_low:
            secant = low - at_low * (high - low) / (at_high - at_low)
            nudge = RELATIVE * high / 4.0
            secant += nudge if attempt % 3 == 1 else -nudge
            middle = secant if low < secant < high else middle
        value = over(middle)
        if (value >= 0) == sign:
            low, at_low = middle, value
        else:
            high, at_high = middle, value
    return (low + high) / 2.0

"""Up to which load a single worker by the second comes and goes: what the closed form of scale to zero is exact for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise

MOST_SHARE = 0.001
"""of the billed time that further workers may add by this count before the bill is no longer set against another:
answers take longer in a crowd, so that simulated they come to several times as much, 0.5 % at most there"""
TRIES = 30


def at_least(number: int, mean: float) -> float:
    """The chance that a Poisson count reaches a number [-].

    number: to be reached; mean: of the count.
    1 - sum over k < number of exp(-mean) mean^k / k!. Valid for means below 700. Reference: S. D. Poisson (1837).

    >>> round(at_least(1, 0.5), 4)
    0.3935
    """
    term, below = math.exp(-min(mean, 700.0)), 0.0
    for k in range(number):
        below += term
        term *= mean / (k + 1)
    return max(0.0, 1.0 - below)


def further_workers(
    *, requests_per_s: float, starts_per_s: float, slots: int, service_s: float, start_s: float, window_s: float
) -> float:
    """About how many workers are billed beside the first one, on average [-].

    requests_per_s [1/s]; starts_per_s [1/s]: of the first worker; slots: requests in flight that one takes before
    another is started [-]; service_s, start_s, window_s [s]: of a request, of a start, and idle before a worker stops.
    (starts x P(N(start) >= slots) x max(1, requests x start / slots) + requests x P(N(service) >= slots)) x (start +
    service + window), N(t) requests in a time t: each request that finds the first worker full is counted as a start of
    its own. Valid where it is small, for Poisson arrivals. Reference: docs/how-it-works/comparisons.md.

    >>> few = further_workers(
    ...     requests_per_s=0.05, starts_per_s=0.001, slots=10, service_s=4.0, start_s=76.0, window_s=60.0
    ... )
    >>> round(few, 4)
    0.0008
    """
    crowd = requests_per_s * start_s
    while_starting = starts_per_s * at_least(slots, crowd) * max(1.0, crowd / slots)
    later = requests_per_s * at_least(slots, requests_per_s * service_s)
    return (while_starting + later) * (start_s + service_s + window_s)


def last_good(good: Callable[[float], bool], loads: Iterable[float]) -> float:
    """The load up to which something holds [1/s]; the last of the loads where it holds at all of them.

    good: the test; loads [1/s]: where to look, ascending; between the last that holds and the first that does not it is
    bisected. Valid where it does not hold again in between. Reference: none.

    >>> round(last_good(lambda load: load <= 3.0, [1.0, 2.0, 4.0, 8.0]), 6)
    3.0
    """
    for low, high in pairwise((0.0, *loads)):
        if good(high):
            continue
        for _ in range(TRIES):
            middle = (low + high) / 2.0
            low, high = (middle, high) if good(middle) else (low, middle)
        return low
    return max(loads, default=0.0)

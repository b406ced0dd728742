"""When requests come: a process of rate one, bent to the rate that the envelope has at each time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from llmplan.simulate.traffic.envelope import Envelope
from llmplan.spec.requests import Floats

_AT_ONCE = 32_768
"""requests of a window, on average, and gaps drawn at a time"""
_MOST_PIECES = 65_536


class Gaps:
    """Arrivals at rate one whose gaps have a coefficient of variation: gamma distributed, exponential at 1."""

    def __init__(self, rng: np.random.Generator, cv: float) -> None:
        self._rng = rng
        self._cv = cv
        self._last = 0.0
        self._drawn = np.zeros(0)

    def until(self, end: float) -> Floats:
        """Arrivals from where it stands up to `end`, which then becomes zero."""
        while self._last < end:
            new = self._last + np.cumsum(self._draw())
            self._drawn = np.concatenate([self._drawn, new])
            self._last = float(new[-1])
        count = int(np.searchsorted(self._drawn, end))
        found, self._drawn = self._drawn[:count], self._drawn[count:] - end
        self._last -= end
        return found

    def _draw(self) -> Floats:
        if self._cv == 0:
            return np.ones(_AT_ONCE)
        if self._cv == 1:
            return self._rng.standard_exponential(_AT_ONCE)
        shape = self._cv**-2
        return self._rng.standard_gamma(shape, _AT_ONCE) / shape


def arrival_times(
    envelope: Envelope, gaps: Gaps, *, requests_per_s: float, start_s: float, end_s: float = math.inf
) -> Iterator[tuple[Floats, float]]:
    """Rising times of requests in windows, each with its end; the last window ends at `end_s` or later.

    With the cumulated rate L(t), the integral of the rate from the start, a request that a process of rate one has at
    u comes at t where L(t) = u.

    References
    ----------
    Cinlar, Introduction to Stochastic Processes (1975), 4.7 (time change of a Poisson process); Gerhardt and Nelson,
    Transforming Renewal Processes for Simulation of Nonstationary Arrival Processes, INFORMS J. on Computing 21 (2009).
    """
    window_s = _AT_ONCE / requests_per_s
    if envelope.changes_per_s:
        window_s = min(window_s, _MOST_PIECES / envelope.changes_per_s)
    begin, number = start_s, 0
    while begin < end_s:
        number += 1
        end = start_s + number * window_s
        edges, rates = envelope.pieces(begin, end)
        passed = np.concatenate([[0.0], np.cumsum(rates * np.diff(edges)) * requests_per_s])
        times = np.interp(gaps.until(float(passed[-1])), passed, edges)
        yield times, end
        begin = end

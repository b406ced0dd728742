"""Token lengths as a quantile function, from percentiles or from a histogram: a uniform number in, tokens out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from llmplan.spec.requests import Floats, Integers
from llmplan.spec.traffic import Histogram
from llmplan.spec.workload import Lengths

_SCORES = np.linspace(-5.0, 5.0, 4001)
"""normal scores of the table: one request in 3.5 million lies outside"""
_PROBABILITIES = np.array([0.5 * math.erfc(-score / math.sqrt(2)) for score in _SCORES])
_P90_SCORE, _P99_SCORE = 1.2815515655446004, 2.3263478740408408
_STEEPEST = 4.0
"""slope of log tokens over the normal score beyond which no tail is fitted"""
_MIDDLES = (np.arange(20_000) + 0.5) / 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """`tokens[i]` (before rounding down) at the cumulated share `shares[i]`, straight lines between."""

    shares: Floats
    tokens: Floats

    def at(self, shares: Floats) -> Integers:
        """Whole tokens, at least one, at cumulated shares between 0 and 1."""
        found = np.interp(shares, self.shares, self.tokens)
        return np.maximum(found, 1.0).astype(np.int64)

    def scaled(self, factor: float) -> Quantiles:
        """Every length times a factor."""
        return Quantiles(shares=self.shares, tokens=(self.tokens - 0.5) * factor + 0.5)

    @property
    def mean(self) -> float:
        """Mean tokens."""
        return float(self.at(_MIDDLES).mean())

    def mean_up_to(self, limit: float) -> float:
        """Mean of what lies within the first `limit` tokens, of a request that ends with at least one more."""
        return float(np.minimum(self.at(_MIDDLES) - 1, limit).mean())


def quantiles(lengths: Lengths | Histogram) -> Quantiles:
    """The quantile function of lengths.

    A histogram's bins are filled evenly. Percentiles are met exactly: between them, the logarithm of the length is
    straight over the normal score (a lognormal piece by piece); below the lowest and above the highest it goes on such
    that the mean comes out where it can. A mean alone is a fixed length.

    References
    ----------
    Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions, vol. 1 (2nd ed.), chapter 14 (lognormal).
    """
    if isinstance(lengths, Histogram):
        shares = np.concatenate([[0.0], np.cumsum(lengths.shares)])
        return Quantiles(shares=shares / shares[-1], tokens=np.array(lengths.edges, dtype=float))
    knots = _knots(lengths)
    if not knots or lengths.mean <= 1:
        flat = np.full(2, max(lengths.mean, 1.0) + 0.5)
        return Quantiles(shares=np.array([0.0, 1.0]), tokens=flat)
    return Quantiles(shares=_PROBABILITIES, tokens=_fitted(knots, lengths.mean) + 0.5)


def _knots(lengths: Lengths) -> list[tuple[float, float]]:
    """Normal score and log tokens of the percentiles that are known."""
    known = ((0.0, lengths.p50), (_P90_SCORE, lengths.p90), (_P99_SCORE, lengths.p99))
    return [(score, math.log(max(tokens, 1.0))) for score, tokens in known if tokens is not None]


def _fitted(knots: list[tuple[float, float]], mean: float) -> Floats:
    """Tokens at the table's scores with the tails chosen for the mean: first the lower one, then the upper one."""
    if len(knots) == 1:
        score = knots[0][0]
        most = score if score > 0 else _STEEPEST
        slope = _solved(lambda slope: _mean(knots, slope, slope), mean, 0.0, most)
        return _curve(knots, slope, slope)
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(knots)]
    lower = _solved(lambda slope: _mean(knots, slope, slopes[-1]), mean, 0.0, _STEEPEST)
    upper = _solved(lambda slope: _mean(knots, lower, slope), mean, 0.0, max(_STEEPEST / 4, slopes[-1]))
    return _curve(knots, lower, upper)


def _curve(knots: list[tuple[float, float]], lower: float, upper: float) -> Floats:
    (first, low), (last, high) = knots[0], knots[-1]
    outer = [
        (_SCORES[0], low - lower * (first - _SCORES[0])),
        *knots,
        (_SCORES[-1], high + upper * (_SCORES[-1] - last)),
    ]
    scores, logs = zip(*outer, strict=True)
    curve: Floats = np.exp(np.interp(_SCORES, scores, logs))
    return curve


def _mean(knots: list[tuple[float, float]], lower: float, upper: float) -> float:
    found = np.interp(_MIDDLES, _PROBABILITIES, _curve(knots, lower, upper))
    return float(np.maximum(found, 1.0).mean())


def _solved(mean_at: Callable[[float], float], mean: float, low: float, high: float) -> float:
    """The slope between `low` and `high` at which the mean is met, or the nearer end."""
    rising = mean_at(high) > mean_at(low)
    for _ in range(40):
        middle = (low + high) / 2
        if (mean_at(middle) < mean) == rising:
            low = middle
        else:
            high = middle
    return (low + high) / 2

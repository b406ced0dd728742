"""A histogram of cumulative buckets: what it holds since an earlier one, its mean, and quantiles with their bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """A quantile lies between the bounds of its bucket; `mid` is linear between them. `high` may be without bound."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """`counts[i]` observations were at most `bounds[i]`; the last bound is infinity. `total` is their sum."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    total: float

    def __post_init__(self) -> None:
        if not self.bounds or len(self.bounds) != len(self.counts) or self.bounds[-1] != math.inf:
            raise ValueError("a histogram has a count for each bound, and its last bound is infinity")
        if any(later <= earlier for earlier, later in pairwise(self.bounds)):
            raise ValueError("the bounds of a histogram rise")
        values = (0.0, *self.counts)
        if any(later < earlier for earlier, later in pairwise(values)):
            raise ValueError("the counts of a histogram never fall")

    @classmethod
    def of_sums(cls, count: float, total: float) -> Histogram:
        """Where only the number and the sum of the observations are known: a mean, and no quantiles."""
        return cls(bounds=(math.inf,), counts=(count,), total=total)

    @property
    def count(self) -> float:
        """Number of observations."""
        return self.counts[-1]

    @property
    def mean(self) -> float | None:
        """total / count; None where there is nothing: less than one observation is none."""
        return self.total / self.count if self.count >= 1.0 else None

    def at(self, bounds: tuple[float, ...]) -> Histogram:
        """The same at fewer bounds, each of which it has: cumulative counts stay exact."""
        known = dict(zip(self.bounds, self.counts, strict=True))
        return Histogram(bounds=bounds, counts=tuple(known[bound] for bound in bounds), total=self.total)

    def plus(self, other: Histogram) -> Histogram:
        """Both together, at the bounds that they share.

        >>> one = Histogram(bounds=(1.0, math.inf), counts=(2.0, 3.0), total=4.0)
        >>> one.plus(Histogram.of_sums(1.0, 9.0))
        Histogram(bounds=(inf,), counts=(4.0,), total=13.0)
        """
        shared = tuple(bound for bound in self.bounds if bound in other.bounds)
        mine, theirs = self.at(shared), other.at(shared)
        counts = tuple(a + b for a, b in zip(mine.counts, theirs.counts, strict=True))
        return Histogram(bounds=shared, counts=counts, total=mine.total + theirs.total)

    def since(self, earlier: Histogram) -> Histogram | None:
        """What was observed in between; None where a count went back, so that they are not of one process."""
        shared = tuple(bound for bound in self.bounds if bound in earlier.bounds)
        new, old = self.at(shared), earlier.at(shared)
        counts = tuple(a - b for a, b in zip(new.counts, old.counts, strict=True))
        if min(counts) < 0.0 or new.total < old.total:
            return None
        try:
            return Histogram(bounds=shared, counts=counts, total=new.total - old.total)
        except ValueError:
            return None

    def quantile(self, share: float) -> Quantile | None:
        """The value that a `share` of the observations does not exceed; None without observations or buckets.

        Linear within the bucket, as Prometheus does; beyond the last finite bound only that bound is known.

        >>> spread = Histogram(bounds=(1.0, 2.0, math.inf), counts=(0.0, 10.0, 12.0), total=20.0)
        >>> spread.quantile(0.5)
        Quantile(low=1.0, mid=1.6, high=2.0)
        >>> spread.quantile(0.95)
        Quantile(low=2.0, mid=2.0, high=inf)
        """
        if self.count <= 0.0 or len(self.bounds) < 2:
            return None
        rank = share * self.count
        index = next(i for i, count in enumerate(self.counts) if count >= rank and count > 0.0)
        high = self.bounds[index]
        low = self.bounds[index - 1] if index else min(0.0, high)
        if high == math.inf:
            return Quantile(low=low, mid=low, high=high)
        below = self.counts[index - 1] if index else 0.0
        inside = self.counts[index] - below
        mid = low + (high - low) * (rank - below) / inside if inside > 0.0 else high
        return Quantile(low=low, mid=mid, high=high)

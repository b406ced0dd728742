"""A predicted quantity: a middle and the interval in which four of five measurements fall."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """An 80 % interval `low`..`high` around `mid`, all in the unit that the field's name states.

    >>> Band.of(10.0, low_ratio=0.8, high_ratio=1.5)
    Band(low=8.0, mid=10.0, high=15.0)
    """

    low: float
    mid: float
    high: float

    def __post_init__(self) -> None:
        if any(math.isnan(value) for value in (self.low, self.mid, self.high)):
            raise ValueError("a band needs numbers")
        if not self.low <= self.mid <= self.high:
            raise ValueError(f"a band must be ordered: {self.low}, {self.mid}, {self.high}")

    @classmethod
    def exact(cls, value: float) -> Band:
        """A quantity that is known, not predicted."""
        return cls(low=value, mid=value, high=value)

    @classmethod
    def of(cls, mid: float, *, low_ratio: float, high_ratio: float) -> Band:
        """A band from the ratios measured / predicted at the 10th and 90th percentile."""
        return cls(low=mid * min(low_ratio, 1.0), mid=mid, high=mid * max(high_ratio, 1.0))

    def scaled(self, factor: float) -> Band:
        """Every edge times a non-negative factor (a change of unit, a number of replicas)."""
        return Band(low=self.low * factor, mid=self.mid * factor, high=self.high * factor)

    @property
    def is_exact(self) -> bool:
        """Whether the interval has no width."""
        return self.low == self.high

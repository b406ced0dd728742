"""Tokens per request, as a mean and percentiles."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Tokens per request: the mean, and percentiles where known (all equal to the mean if lengths are fixed)."""

    mean: float
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None

    @classmethod
    def fixed(cls, tokens: float) -> Lengths:
        """Every request has this length."""
        return cls(mean=tokens, p50=tokens, p90=tokens, p99=tokens)

    @property
    def at_p95(self) -> float:
        """The 95th percentile, geometrically between p90 and p99 where those are known, else the mean."""
        if self.p90 is None or self.p99 is None:
            return self.mean
        return math.sqrt(self.p90 * self.p99) if self.p90 > 0 else self.p99

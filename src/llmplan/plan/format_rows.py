"""Number formats side by side: the same replica in each of them, under one load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import CheckResult, Estimate, MemoryBudget
from llmplan.spec.formats import FormatQuality, SpeedFigure

Aspect: TypeAlias = Literal["weights", "kv_cache"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """From `requests` at once on, until the next one: faster than the baseline, slower, or (None) as fast."""

    requests: int
    faster: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSpeed:
    """What a replica in one format does, and its speed over the baseline's (None: nothing to compare with).

    Speed is output tokens per second, under an open load 1 / E2E. The ratios are of the middles of two predictions
    that share most of their error, so that they have no band of their own.
    """

    replica: Replica
    budget: MemoryBudget
    estimate: Estimate
    pool_requests: float
    """requests of the load's shape that the KV pool holds, over their life"""
    native: bool
    """computes in the format's own arithmetic"""
    ratio_alone: float | None = None
    """one request in flight"""
    ratio_load: float | None = None
    """the load that was asked about"""
    ratio_saturated: float | None = None
    """as many requests as each of the two admits"""
    stretches: tuple[Stretch, ...] = ()
    """the sign by requests at once, from 1 to `most_requests`, both replicas having room for all of them"""
    most_requests: int = 0
    advice: str = ""
    disputed: tuple[SpeedFigure, ...] = ()
    """published on this kind of GPU with another sign than is predicted for as many requests"""

    @property
    def dispute(self) -> str:
        """How many published ratios contradict the prediction, in words; empty where none does."""
        count = len(self.disputed)
        if not count:
            return ""
        verb = "contradicts" if count == 1 else "contradict"
        return f"{count} on this GPU {verb} the sign predicted: measure before relying on it"

    @property
    def crossover_requests(self) -> int | None:
        """The first number of requests at once from which the format is slower, having been faster or as fast."""
        slower = (each.requests for each in self.stretches[1:] if each.faster is False)
        return next(slower, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatRow:
    """One format: how fast it is, or why it does not run; and what it costs in quality."""

    format_id: str
    speed: FormatSpeed | None = None
    checks: tuple[CheckResult, ...] = ()
    reason: str = ""
    fix: str = ""
    quality: FormatQuality | None = None
    """None: no figures known"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatComparison:
    """Formats of one aspect of a replica. `baseline` is the 16-bit format, or the widest that runs; None: none runs."""

    aspect: Aspect
    baseline: str | None
    rows: tuple[FormatRow, ...]

    @property
    def runs(self) -> bool:
        """Whether any format does."""
        return any(row.speed is not None for row in self.rows)

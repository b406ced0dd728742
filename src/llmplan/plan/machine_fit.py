"""What calibrating one machine came to: its coefficients, and how far predictions are from each point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.plan.load import Load
from llmplan.spec.calibration import Calibration

Stage: TypeAlias = Literal["before", "after", "left_out"]
QUANTITIES = ("tpot", "ttft", "throughput")


@dataclass(frozen=True, slots=True, kw_only=True)
class PointFit:
    """One measured quantity of one point: seconds, or output tokens per second for `throughput`.

    `before` is what the prior calibration predicts, `after` what the new one does, and `left_out` what coefficients
    fitted without this point do. Infinite where a queue was predicted to grow without end.
    """

    origin: str
    load: Load
    quantity: str
    measured: float
    before: float
    after: float
    left_out: float

    def error(self, stage: Stage) -> float:
        """predicted / measured - 1."""
        predicted: float = getattr(self, stage)
        return predicted / self.measured - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoefficientMove:
    """A coefficient that the points moved."""

    name: str
    before: float
    after: float

    @property
    def factor(self) -> float:
        """after / before."""
        return self.after / self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummary:
    """Absolute relative errors of one quantity over all points."""

    quantity: str
    points: int
    median: float
    worst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFit:
    """The new calibration, the one that it started from, and every point under both."""

    calibration: Calibration
    prior: Calibration
    points: tuple[PointFit, ...]
    moves: tuple[CoefficientMove, ...]
    far: tuple[PointFit, ...]
    """points that stay far from the fit, worst first"""

    def summaries(self, stage: Stage) -> Iterator[ErrorSummary]:
        """The errors of each measured quantity at one stage."""
        for quantity in QUANTITIES:
            found = sorted(abs(point.error(stage)) for point in self.points if point.quantity == quantity)
            if found:
                half = len(found) // 2
                median = found[half] if len(found) % 2 else (found[half - 1] + found[half]) / 2.0
                yield ErrorSummary(quantity=quantity, points=len(found), median=median, worst=found[-1])

    def outside(self, quantity: str) -> tuple[int, int]:
        """Points of a quantity that lie outside of the new interval, even with them in the fit, and all of them."""
        band = self.calibration.bands[quantity]
        ratios = [each.measured / each.after for each in self.points if each.quantity == quantity and each.after > 0.0]
        return sum(not band.low_ratio <= ratio <= band.high_ratio for ratio in ratios), len(ratios)

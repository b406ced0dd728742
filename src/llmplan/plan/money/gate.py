"""What became of a limit that an answer was held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.plan.ledger import Line
from llmplan.plan.outcome import QuoteLine
from llmplan.units import format_seconds

GateId: TypeAlias = Literal["max_usd_per_month", "max_usd_per_million_tokens", "require_slo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """A promised latency beside what is predicted for it [s]."""

    name: str
    predicted_s: float
    promised_s: float

    @property
    def broken(self) -> bool:
        """Whether the prediction is above the promise."""
        return self.predicted_s > self.promised_s

    @property
    def miss(self) -> str:
        """Prediction and promise in words."""
        return f"{self.name} is {format_seconds(self.predicted_s)}, asked for {format_seconds(self.promised_s)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One gate and what became of it. `limit` and `value` are in USD, None for the promise. `holds` None: it cannot be
    told, which is not a pass. `lines`: those of the bill that decide it, the largest or those without a price;
    `ledger_line`: the largest part of a step. `promises`: each beside its prediction, `slow_end`: those that only hold
    while the replicas are not as slow as the end of their 80 % band."""

    gate: GateId
    holds: bool | None
    limit: float | None = None
    value: float | None = None
    complete: bool = True
    lines: tuple[QuoteLine, ...] = ()
    ledger_line: Line | None = None
    promises: tuple[Predicted, ...] = ()
    slow_end: tuple[Predicted, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether it is broken, or cannot be shown to hold."""
        return self.holds is not True

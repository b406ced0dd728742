"""What became of a limit that an answer was held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.plan.ledger import Line
from llmplan.plan.outcome import QuoteLine
from llmplan.plan.promise import Promise

GateId: TypeAlias = Literal["max_usd_per_month", "max_usd_per_million_tokens", "require_slo"]


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
    promises: tuple[Promise, ...] = ()
    slow_end: tuple[Promise, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether it is broken, or cannot be shown to hold."""
        return self.holds is not True

"""Everything that `llmplan cost` found out, before it is printed in one way or another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from llmplan.plan.comparisons import Comparisons
from llmplan.plan.money.diff import CostDiff
from llmplan.plan.money.gate import Verdict
from llmplan.plan.outcome import Option, Rejection
from llmplan.plan.plan import Plan
from llmplan.report.currency import USD, Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAnswer:
    """`by_gpu`: the best self-hosted option, or why not, of each GPU that was named. `remarks`: what was done to the
    plan before its money is shown. `comparisons` None: nothing was set beside the bills."""

    plan: Plan
    by_gpu: Mapping[str, Option | Rejection] = field(default_factory=dict)
    currency: Currency = USD
    verdicts: tuple[Verdict, ...] = ()
    against: CostDiff | None = None
    comparisons: Comparisons | None = None
    remarks: tuple[str, ...] = ()
    max_usd_per_month: float | None = None

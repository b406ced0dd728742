"""Charts of an answer's money: built as data, drawn as text or with matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from llmplan.plan.comparisons import Comparisons
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.report.charts import breakeven, pareto, sensitivity, timeline
from llmplan.report.charts.picture import KINDS, Kind, Picture

__all__ = ["KINDS", "Kind", "Picture", "picture"]


def picture(kind: Kind, plan: Plan, found: Comparisons, options: Iterable[Option] = ()) -> Picture:
    """The chart of one kind. `options`: others that were found for the same question, on other GPUs for instance."""
    match kind:
        case "breakeven":
            return breakeven.picture(plan, found)
        case "pareto":
            return pareto.picture(plan, options)
        case "sensitivity":
            return sensitivity.picture(plan, found)
        case "timeline":
            return timeline.picture(plan, found)
        case _:
            assert_never(kind)

"""Which model drafts tokens, where the plan speculates."""

from __future__ import annotations

from llmplan.emit.selection import Launch
from llmplan.errors import UsageError
from llmplan.plan.speculation import Speculation


def planned_drafts(launch: Launch) -> Speculation | None:
    """What drafts; a `UsageError` where the plan cannot name it."""
    planned = launch.replica.speculation
    if planned is None or planned.drafter in ("mtp", "ngram"):
        return planned
    if planned.drafter == "model" and planned.model is not None and not planned.model.id.endswith(".json"):
        return planned
    raise UsageError(
        f"which checkpoint drafts ({planned.label}) is not in the plan",
        hints=["llmplan predict ... --draft-model ID names one", "llmplan recommend ... plans without speculation"],
    )

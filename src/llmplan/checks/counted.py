"""What the model's inventory leaves out: no engine refuses it, but memory and speed are short of it."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, warning
from llmplan.plan.deployment import Replica

_FIX = "allow for it, and compare with the engine's start-up log (llmplan memory --against-log FILE)"


def model_is_counted_whole(replica: Replica) -> Finding | None:
    """A vision tower, draft layers, an approximated kind of attention: whatever the model's reader noted."""
    notes = replica.model.notes
    return warning(f"{'; '.join(notes)}.", _FIX) if notes else None


RULES: tuple[Rule, ...] = (
    Rule(
        id="model-note", engines=(), severities=("warning",), find=model_is_counted_whole,
        title="What the model's inventory leaves out is known.",
        says="{note}.", source="the model's config.json or profile", basis=("profile",),
    ),
)  # fmt: skip

"""The older answer that a bill is held against: a plan file, or JSON that `cost` or `recommend` printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llmplan.cli import _console
from llmplan.errors import DataError, LlmplanError

if TYPE_CHECKING:
    from llmplan.plan.money.diff import CostDiff
    from llmplan.plan.money.side import Side
    from llmplan.plan.plan import Plan

HINT = "--against takes a plan.yaml (llmplan recommend ... -o) or what llmplan cost ... --json printed"


def read_side(path: Path, *, force: bool) -> Side:
    """The bills in a file, whichever of the two it holds."""
    from llmplan import planfile
    from llmplan.plan.money import record, side

    try:
        document = planfile.read_document(path)
        if record.is_cost(document):
            return record.side_from(document, path.name)
        return side.side_of(planfile.read_plan(path, allow_edited=force), path.name)
    except DataError as error:
        where = "" if str(path) in error.message else f"{path}: "
        raise DataError(f"--against {where}{error.message}", hints=(*error.hints, HINT)) from error
    except LlmplanError as error:
        raise LlmplanError(f"--against: {error.message}", hints=[HINT]) from error


def differences(plan: Plan, old: Side) -> CostDiff:
    """What changed since the older answer; another model is said on stderr too."""
    from llmplan.plan.money.diff import diff
    from llmplan.plan.money.side import side_of

    if old.model_id != plan.question.model_id:
        _console.warn(f"{old.name} is of another model: {old.model_id}, not {plan.question.model_id}")
    return diff(old, side_of(plan, "now"))

"""The older answer that a bill is held against: a plan file, or JSON that `cost` or `recommend` printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from llmplan.cli import _console
from llmplan.errors import DataError, LlmplanError

if TYPE_CHECKING:
    from llmplan.plan.money.diff import CostDiff
    from llmplan.plan.money.side import Side
    from llmplan.plan.plan import Plan
    from llmplan.spec.catalog import Catalog

HINT = "--against takes a plan.yaml (llmplan recommend ... -o) or what llmplan cost ... --json printed"


class Older(NamedTuple):
    """The older answer; `plan` None: only its bills were printed."""

    side: Side
    plan: Plan | None = None


def read_older(path: Path, *, force: bool) -> Older:
    """The answer in a file, whichever of the two it holds."""
    from llmplan import planfile
    from llmplan.plan.money import record, side

    try:
        document = planfile.read_document(path)
        if record.is_cost(document):
            return Older(record.side_from(document, path.name))
        plan = planfile.plan_in(document, path, allow_edited=force)
        return Older(side.side_of(plan, path.name), plan)
    except DataError as error:
        where = "" if str(path) in error.message else f"{path}: "
        raise DataError(f"--against {where}{error.message}", hints=(*error.hints, HINT)) from error
    except LlmplanError as error:
        raise LlmplanError(f"--against: {error.message}", hints=[HINT]) from error


def differences(plan: Plan, old: Older, catalog: Callable[[], Catalog] | None) -> CostDiff:
    """What changed since the older answer; another model is said on stderr too.

    `catalog`: the figures and prices that `plan` was made with, by which what moved at once can be told apart; None
    where they are not to be had.
    """
    from llmplan.plan.money.diff import diff
    from llmplan.plan.money.side import side_of

    if old.side.model_id != plan.question.model_id:
        _console.warn(f"{old.side.name} is of another model: {old.side.model_id}, not {plan.question.model_id}")
    now = side_of(plan, "now")
    found = diff(old.side, now)
    if old.plan is None or catalog is None or not any(bill.tangled for bill in found.bills):
        return found
    return diff(old.side, now, _between(old.plan, plan, catalog()))


def _between(old: Plan, new: Plan, catalog: Catalog) -> list[Side]:
    """The questions on the way from one plan to the other, answered."""
    from llmplan import planner
    from llmplan.plan.money.side import side_of
    from llmplan.plan.money.steps import between

    model = next((each.deployment.model for each in new.outcomes.values() if each.deployment is not None), None)
    asked = between(old.question, new.question)
    return [side_of(planner.recommend(each, catalog, model=model), "between") for each in asked]

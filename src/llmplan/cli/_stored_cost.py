"""A stored plan as `cost` shows it: held against today's figures, and quoted at another day's prices where asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from llmplan.errors import UsageError

if TYPE_CHECKING:
    from llmplan.plan.drift import Comparison
    from llmplan.plan.outcome import Option, Rejection
    from llmplan.plan.plan import Plan
    from llmplan.planner.shared import Shared
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.model import ModelSpec
    from llmplan.spec.workload import Question

BUDGET = "max_usd_per_month"
"""the one limit that a stored plan can be held against"""
COMPARED_GPUS = ("h100-sxm-80gb", "a10-24gb")
"""the two that are compared when no --gpu is named: today's workhorse, and the low floor"""
ASK_ANEW = ("give the model instead of the plan to ask a new question",)


class Found(NamedTuple):
    """A plan, its question on the compared GPUs, what moved since it was made, and what was done to it. `catalog`: the
    figures and prices that it was made with, where they are to be had; `shared`: what planning found on the way."""

    plan: Plan
    by_gpu: dict[str, Option | Rejection]
    moved: Comparison | None = None
    remarks: tuple[str, ...] = ()
    catalog: Callable[[], Catalog] | None = None
    shared: Shared | None = None


def is_plan(subject: str) -> bool:
    """Whether a plan file is meant, and not a model: a .json may be either, and its content decides."""
    suffix = Path(subject).suffix.lower()
    return suffix in (".yaml", ".yml") or (suffix == ".json" and holds_answer(Path(subject)))


def holds_answer(path: Path) -> bool:
    """Whether the file is JSON that llmplan printed, and not the config of a model."""
    import json

    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and str(found.get("schema", "")).startswith("llmplan.")


def typed(context: typer.Context, name: str) -> bool:
    """Whether the user gave this option on the command line; the environment speaks of no plan in particular."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_question_flags(context: typer.Context, *groups: object, hints: tuple[str, ...] = ASK_ANEW) -> None:
    """A stored plan has its question inside: flags that would change it are refused, not ignored."""
    said = [
        "--" + field.name.replace("_", "-")
        for group in groups
        for field in dataclasses.fields(group)  # type: ignore[arg-type]
        if field.name != BUDGET and typed(context, field.name)
    ]
    if said:
        raise UsageError(
            f"the plan already holds its question; {', '.join(said)} cannot change it",
            hints=hints,
        )


def stored(
    path: Path, catalog: Callable[[date], Catalog], today: date, *, force: bool = False, requoted: bool = False
) -> Found:
    """The plan in a file, its question on the compared GPUs (as the plan has it, else asked now), and what moved.

    `catalog` opens the one with the prices of a day; the plan's figures are held against those of `today`. `requoted`:
    its bills are those of that day's prices.
    """
    from llmplan import planfile
    from llmplan.cli import _drift

    plan = planfile.read_plan(path, allow_edited=force)
    shown = _options(plan)
    moved = _drift.compared(plan, shown, catalog(today))
    # a bill that is quoted anew has its own prices: which of them moved is what it says
    _drift.judge(moved.without("price") if requoted else moved, force=force)
    remarks: tuple[str, ...] = ()
    if requoted:
        plan, remarks = _at_prices_of(plan, catalog(today))
    held = {each.deployment.replica.gpu.id: each for each in _all_options(plan) if each.deployment.replica is not None}
    found: dict[str, Option | Rejection] = {}
    for gpu_id in compared(plan.question):
        if gpu_id in held:
            found[gpu_id] = held[gpu_id]
        else:
            model = next(each.deployment.model for each in plan.outcomes.values() if each.deployment is not None)
            found[gpu_id] = on_one_gpu(plan.question, model, catalog(plan.price_date), gpu_id)
    as_made = not requoted and plan.over_time is None and not moved.without("price").drifts
    return Found(plan, found, moved, remarks, (lambda: catalog(plan.price_date)) if as_made else None)


def _options(plan: Plan) -> list[Option]:
    """The rows, and the options on the compared GPUs: what is shown, and so held against the catalogue."""
    from llmplan.plan.outcome import Option

    rows = [each for each in plan.outcomes.values() if isinstance(each, Option)]
    held = {each.deployment.replica.gpu.id: each for each in _all_options(plan) if each.deployment.replica is not None}
    return [*rows, *(held[gpu_id] for gpu_id in compared(plan.question) if gpu_id in held)]


def _all_options(plan: Plan) -> list[Option]:
    """Rows, alternatives, and the recommended one last: of several on one GPU it is the one to show."""
    from llmplan.plan.outcome import Option

    rows = [each for each in plan.outcomes.values() if isinstance(each, Option)]
    return [*rows, *plan.alternatives, *([plan.chosen] if plan.chosen else [])]


def _at_prices_of(plan: Plan, catalog: Catalog) -> tuple[Plan, tuple[str, ...]]:
    """The plan at other prices, and that said."""
    from llmplan import planner

    quoted = planner.requote(plan, catalog)
    remark = (
        f"of {quoted.price_date}, asked with --as-of: the plan's deployments quoted again; it was made at those of "
        f"{plan.price_date}, and nothing was sized or chosen anew"
    )
    lost = plan.recommended is not None and quoted.recommended is None
    return quoted, (remark, *([f"{plan.recommended}, which it recommends, is not sold then"] if lost else []))


def compared(asked: Question) -> tuple[str, ...]:
    """The GPUs to set side by side: those that were named, else H100 and A10; none where the hardware is given."""
    if asked.limits.inventory is not None:
        return ()
    return asked.limits.gpu_ids or COMPARED_GPUS


def planned(asked: Question, model: ModelSpec, catalog: Catalog) -> Found:
    """The plan, and the same question asked of each compared GPU alone."""
    from llmplan import planner

    shared = planner.Shared()
    plan = planner.recommend(asked, catalog, model=model, shared=shared)
    by_gpu = {gpu_id: on_one_gpu(asked, model, catalog, gpu_id, shared) for gpu_id in compared(asked)}
    return Found(plan, by_gpu, catalog=lambda: catalog, shared=shared)


def on_one_gpu(
    asked: Question, model: ModelSpec, catalog: Catalog, gpu_id: str, shared: Shared | None = None
) -> Option | Rejection:
    """The option that is recommended when only this GPU may be used, or the nearest rejection."""
    from llmplan import planner
    from llmplan.plan.outcome import Rejection

    plan = planner.recommend(planner.restricted_to_gpu(asked, gpu_id), catalog, model=model, shared=shared)
    if plan.chosen is not None:
        return plan.chosen
    return max(
        (outcome for outcome in plan.outcomes.values() if isinstance(outcome, Rejection)),
        key=lambda rejection: rejection.closeness,
    )

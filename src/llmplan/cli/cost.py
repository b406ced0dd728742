"""`llmplan cost`: the money of five strategies, line by line, and GPUs side by side."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog, price_date
from llmplan.cli._chart import ChartFlags, chart_of
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import ModelCatalogFlags, OutputFlags
from llmplan.cli._question_flags import HardwareFlags, LimitFlags, PromiseFlags, TrafficFlags
from llmplan.errors import LimitExceededError, NoFeasiblePlanError, UsageError
from llmplan.units import format_usd

if TYPE_CHECKING:
    from llmplan.plan.drift import Comparison
    from llmplan.plan.outcome import Option, Rejection
    from llmplan.plan.plan import Plan
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.model import ModelSpec
    from llmplan.spec.workload import Question

COMPARED_GPUS = ("h100-sxm-80gb", "a10-24gb")
"""the two that are compared when no --gpu is named: today's workhorse, and the low floor"""


FORCE_HELP = (
    "Accept a plan that was changed by hand, or whose hardware or model figures have moved since; replace an existing "
    "--chart-file."
)
BUDGET = "max_usd_per_month"
"""the one limit that a stored plan can be held against"""
ASK_ANEW = ("give the model instead of the plan to ask a new question",)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cost", short_help="What each way costs a month, line by line.")(cost)


@takes_flags
def cost(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="PLAN|MODEL", help="A plan.yaml, or a model with the flags of recommend.")
    ],
    *,
    traffic: TrafficFlags,
    promise: PromiseFlags,
    limits: LimitFlags,
    hardware: HardwareFlags,
    chart: ChartFlags,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
    catalog: ModelCatalogFlags,
    output: OutputFlags,
) -> int:
    """What each strategy costs a month, line by line, and the named GPUs side by side (default: H100 and A10).

    A plan is held against today's catalogue: it warns of prices that moved since, and refuses hardware or model
    figures that moved, unless --force. With --max-usd-per-month the answer exits 4 when the recommended strategy
    costs more.
    """
    chart.check(force=force)
    budget = limits.max_usd_per_month
    moved: Comparison | None = None
    if is_plan(subject):
        refuse_question_flags(context, traffic, promise, limits, hardware)
        if typed(context, "as_of"):
            raise UsageError("the plan keeps the prices it was made with; --as-of cannot change them", hints=ASK_ANEW)
        opened = cache(lambda day: open_catalog(replace(catalog, as_of=day)))
        plan, by_gpu, moved = stored(Path(subject), opened, price_date(catalog), force=force)
    else:
        from llmplan.cli._question import question

        unlimited = replace(limits, max_usd_per_month=None)
        known = open_catalog(catalog)
        asked, spec = question(subject, traffic, promise, unlimited, hardware, known)
        plan, by_gpu = planned(asked, spec, known)
    from llmplan.report import cost as view

    drawn = chart_of(chart, plan, by_gpu.values())
    _console.answer(
        output.chosen,
        record=lambda: record(plan, by_gpu, budget, moved) | drawn.record(),
        document=lambda: (
            *view.document(plan, by_gpu, explained=output.explain),
            *drawn.blocks(markdown=output.chosen == "markdown"),
        ),
    )
    drawn.save(force=force)
    return judged(plan, budget)


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
    import dataclasses

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
    path: Path, catalog: Callable[[date], Catalog], today: date, *, force: bool = False
) -> tuple[Plan, dict[str, Option | Rejection], Comparison]:
    """The plan in a file, its question on the compared GPUs (as the plan has it, else asked now), and what moved.

    `catalog` opens the one with the prices of a day; the plan's figures are held against those of `today`.
    """
    from llmplan import planfile
    from llmplan.cli import _drift
    from llmplan.plan.outcome import Option

    plan = planfile.read_plan(path, allow_edited=force)
    rows = [each for each in plan.outcomes.values() if isinstance(each, Option)]
    options = [*rows, *plan.alternatives, *([plan.chosen] if plan.chosen else [])]
    held = {each.deployment.replica.gpu.id: each for each in options if each.deployment.replica is not None}
    beside = compared(plan.question)
    shown = [*rows, *(held[gpu_id] for gpu_id in beside if gpu_id in held)]
    moved = _drift.compared(plan, shown, catalog(today))
    _drift.judge(moved, force=force)
    found: dict[str, Option | Rejection] = {}
    for gpu_id in beside:
        if gpu_id in held:
            found[gpu_id] = held[gpu_id]
        else:
            model = next(each.deployment.model for each in plan.outcomes.values() if each.deployment is not None)
            found[gpu_id] = on_one_gpu(plan.question, model, catalog(plan.price_date), gpu_id)
    return plan, found, moved


def compared(asked: Question) -> tuple[str, ...]:
    """The GPUs to set side by side: those that were named, else H100 and A10; none where the hardware is given."""
    if asked.limits.inventory is not None:
        return ()
    return asked.limits.gpu_ids or COMPARED_GPUS


def planned(asked: Question, model: ModelSpec, catalog: Catalog) -> tuple[Plan, dict[str, Option | Rejection]]:
    """The plan, and the same question asked of each compared GPU alone."""
    from llmplan import planner

    plan = planner.recommend(asked, catalog, model=model)
    return plan, {gpu_id: on_one_gpu(asked, model, catalog, gpu_id) for gpu_id in compared(asked)}


def on_one_gpu(asked: Question, model: ModelSpec, catalog: Catalog, gpu_id: str) -> Option | Rejection:
    """The option that is recommended when only this GPU may be used, or the nearest rejection."""
    from llmplan import planner
    from llmplan.plan.outcome import Rejection

    plan = planner.recommend(planner.restricted_to_gpu(asked, gpu_id), catalog, model=model)
    if plan.chosen is not None:
        return plan.chosen
    return max(
        (outcome for outcome in plan.outcomes.values() if isinstance(outcome, Rejection)),
        key=lambda rejection: rejection.closeness,
    )


def judged(plan: Plan, budget: float | None) -> int:
    """0, or 3 without a feasible plan, or 4 over the budget."""
    if plan.chosen is None:
        return NoFeasiblePlanError.exit_code
    total = plan.chosen.quote.usd_per_month
    if budget is None or (total <= budget and plan.chosen.quote.complete):
        return 0
    if total <= budget:
        raise LimitExceededError(
            f"{plan.recommended} costs at least {format_usd(total)} a month: a charge has no known price, so it cannot "
            f"be shown to stay within --max-usd-per-month {format_usd(budget)}",
            hints=["llmplan cost PLAN without --max-usd-per-month lists the charges"],
        )
    raise LimitExceededError(
        f"{plan.recommended} costs {format_usd(total)} a month, over --max-usd-per-month {format_usd(budget)}",
        hints=[f"--max-usd-per-month {math.ceil(total)}"],
    )


def record(
    plan: Plan, by_gpu: dict[str, Option | Rejection], budget: float | None, moved: Comparison | None
) -> dict[str, Any]:
    """The JSON answer; what moved is said of a stored plan."""
    from llmplan.report import drift, json_money

    answer = json_money.cost(plan, by_gpu, budget)
    return answer | {
        "drift": drift.records(moved) if moved else [],
        "not_compared": list(moved.not_compared) if moved else [],
    }

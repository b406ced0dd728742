"""`llmplan recommend`: five priced ways to serve a model under a stated traffic, and which to take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog
from llmplan.cli._expense_flags import ExpenseFlags
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import ModelArgument, ModelCatalogFlags, OutputFlags
from llmplan.cli._over_time import RequestFlags, plan_over_time
from llmplan.cli._question_flags import HardwareFlags, LimitFlags, PromiseFlags, TrafficFlags
from llmplan.cli._traffic_flags import TraceFlags
from llmplan.errors import LlmplanError, NoFeasiblePlanError, UsageError

if TYPE_CHECKING:
    from llmplan.plan.plan import Plan
    from llmplan.spec.catalog import Catalog


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recommend", short_help="Compare five ways to serve a model, and recommend one.")(recommend)


@takes_flags
def recommend(
    model: ModelArgument,
    *,
    traffic: TrafficFlags,
    requests: RequestFlags,
    reading: TraceFlags,
    promise: PromiseFlags,
    limits: LimitFlags,
    hardware: HardwareFlags,
    expenses: ExpenseFlags,
    save_to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the plan to FILE (plan.yaml).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing FILE.")] = False,
    catalog: ModelCatalogFlags,
    output: OutputFlags,
) -> int:
    """Compare five ways to serve a model: serverless, dedicated, hybrid CPU/GPU, quantized, multi-tenant.

    With --trace or --over every strategy is judged on the same requests, by simulation.
    Exits 3 when none is feasible; the five reasons are then the answer.
    """
    if save_to is not None:
        refuse_target(save_to, force=force)
    known = open_catalog(catalog)
    if requests.any:
        plan = plan_over_time(model, requests, reading, traffic, promise, limits, hardware, expenses, known)
    else:
        plan = plan_steady(model, traffic, promise, limits, hardware, expenses, known)
    unsaved = saved(plan, save_to, force=force) if save_to is not None else None
    from llmplan.report import plan as view

    _console.answer(
        output.chosen, record=lambda: record(plan), document=lambda: view.document(plan, explained=output.explain)
    )
    if unsaved is not None:
        raise unsaved
    if save_to is not None:
        _console.say(f"wrote {save_to}{next_step(plan, save_to)}")
    return 0 if plan.recommended is not None else NoFeasiblePlanError.exit_code


def plan_steady(
    model: str,
    traffic: TrafficFlags,
    promise: PromiseFlags,
    limits: LimitFlags,
    hardware: HardwareFlags,
    expenses: ExpenseFlags,
    catalog: Catalog,
) -> Plan:
    """The five rows for traffic in steady terms."""
    from llmplan import planner
    from llmplan.cli._question import question

    asked, spec = question(model, traffic, promise, limits, hardware, catalog, expenses=expenses)
    return planner.recommend(asked, catalog, model=spec)


def next_step(plan: Plan, path: Path) -> str:
    """What to do with the plan file, where launch files can be made of it."""
    from llmplan.emit import target_of

    replica = plan.chosen.deployment.replica if plan.chosen is not None else None
    target = target_of(replica.engine.id) if replica is not None else None
    return f"; next: llmplan emit-config {path} --target {target}" if target is not None else ""


def record(plan: Plan) -> dict[str, Any]:
    """The JSON answer: what plan.yaml holds, under this command's schema."""
    from llmplan.plan.document import to_document
    from llmplan.report.json import schema

    return {**to_document(plan), "schema": schema("recommend")}


def saved(plan: Plan, path: Path, *, force: bool) -> LlmplanError | None:
    """Write the plan file. An error comes back, so that the answer is shown before it is reported."""
    from llmplan import planfile

    try:
        planfile.write_plan(plan, path, force=force)
    except LlmplanError as error:
        return error
    return None


def refuse_target(path: Path, *, force: bool) -> None:
    """Say so before planning, not after, when the file cannot be meant or must be kept."""
    from llmplan import planfile

    if str(path) in ("-", "."):
        raise UsageError("--output needs the name of a file", hints=["-o plan.yaml", "--json prints the plan itself"])
    planfile.check_target(path, force=force)

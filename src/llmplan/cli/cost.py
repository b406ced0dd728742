"""`llmplan cost`: the money of five strategies, line by line, against an older answer, and within limits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog, price_date
from llmplan.cli._chart import Chart, ChartFlags, chart_of
from llmplan.cli._cost_flags import AgainstFlags, CostOutputFlags, CurrencyFlags, GateFlags
from llmplan.cli._expense_flags import ExpenseFlags
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import ModelCatalogFlags
from llmplan.cli._question_flags import HardwareFlags, LimitFlags, PromiseFlags, TrafficFlags
from llmplan.cli._stored_cost import Found, compared, is_plan, planned, refuse_question_flags, stored, typed
from llmplan.errors import LimitExceededError, NoFeasiblePlanError, UsageError

if TYPE_CHECKING:
    from llmplan.plan.comparisons import Comparisons
    from llmplan.plan.drift import Comparison
    from llmplan.plan.money.gate import Verdict
    from llmplan.plan.plan import Plan
    from llmplan.report.cost_answer import CostAnswer

FORCE_HELP = (
    "Accept a plan that was changed by hand, or whose hardware or model figures have moved since; replace an existing "
    "--chart-file."
)


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
    expenses: ExpenseFlags,
    gates: GateFlags,
    older: AgainstFlags,
    money: CurrencyFlags,
    chart: ChartFlags,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
    catalog: ModelCatalogFlags,
    output: CostOutputFlags,
) -> int:
    """What each strategy costs a month, line by line, and the named GPUs side by side (default: H100 and A10).

    A plan is held against today's catalogue: it warns of prices that moved since, and refuses hardware or model
    figures that moved, unless --force; --as-of quotes it at another day's prices. --against OLD prints what changed
    and why. With --max-usd-per-month, --max-usd-per-million-tokens or --require-slo the answer exits 4 where the
    recommended strategy does not keep to it, and names the line that breaks it.
    """
    currency = money.chosen()
    chart.check(output.chosen, force=force)
    old = None
    if older.against is not None:
        from llmplan.cli._against import read_older

        old = read_older(older.against, force=force)
    if is_plan(subject):
        refuse_question_flags(context, traffic, promise, limits, hardware, expenses)
        opened = cache(lambda day: open_catalog(replace(catalog, as_of=day)))
        found = stored(
            Path(subject), opened, price_date(catalog), force=force, requoted=typed(context, "as_of")
        )  # fmt: skip
    else:
        found = asked(subject, traffic, promise, limits, hardware, expenses, catalog)
    verdicts = held(found.plan, limits.max_usd_per_month, gates)
    from llmplan.cli._against import differences
    from llmplan.report.cost_answer import CostAnswer

    answer = CostAnswer(
        plan=found.plan,
        by_gpu=found.by_gpu,
        currency=currency,
        verdicts=verdicts,
        against=differences(found.plan, old, found.catalog) if old is not None else None,
        comparisons=beside(found, output),
        remarks=found.remarks,
        max_usd_per_month=limits.max_usd_per_month,
    )
    drawn = chart_of(chart, answer, lambda day: open_catalog(replace(catalog, as_of=day)))
    show(answer, found.moved, output, drawn)
    drawn.save(force=force)
    return judged(answer)


def asked(
    model: str,
    traffic: TrafficFlags,
    promise: PromiseFlags,
    limits: LimitFlags,
    hardware: HardwareFlags,
    expenses: ExpenseFlags,
    catalog: ModelCatalogFlags,
) -> Found:
    """The five rows for a model; its budget is a gate here, and no limit of what may be planned."""
    from llmplan.cli._question import question

    known = open_catalog(catalog)
    unlimited = replace(limits, max_usd_per_month=None)
    return planned(*question(model, traffic, promise, unlimited, hardware, known, expenses=expenses), known)


def beside(found: Found, output: CostOutputFlags) -> Comparisons | None:
    """Break-evens, other GPUs, terms and inputs; none where they are not printed, or no catalogue is at hand."""
    if found.catalog is None or output.chosen == "csv" or found.plan.chosen is None:
        return None
    from llmplan import planner

    return planner.compare(
        found.plan, found.catalog(), gpu_ids=compared(found.plan.question), shared=found.shared
    )  # fmt: skip


def held(plan: Plan, budget: float | None, gates: GateFlags) -> tuple[Verdict, ...]:
    """Every gate that was set, held against the recommended option."""
    if gates.require_slo and plan.question.slo.is_empty:
        raise UsageError(
            "--require-slo: which latency? nothing is promised", hints=["--ttft-p95-ms 2000 --tpot-p95-ms 50"]
        )
    if budget is None and gates.max_usd_per_million_tokens is None and not gates.require_slo:
        return ()
    from llmplan import planner

    return planner.verdicts(
        plan, usd_per_month=budget, usd_per_mtok=gates.max_usd_per_million_tokens, slo=gates.require_slo
    )


def show(answer: CostAnswer, moved: Comparison | None, output: CostOutputFlags, drawn: Chart) -> None:
    """Print the answer."""
    from llmplan.report import cost as view

    def markdown() -> str:
        from llmplan.report import comment

        return comment.render(answer, explained=output.explain, chart=drawn.blocks(markdown=True))

    def csv() -> str:
        from llmplan.report import cost_csv

        return cost_csv.render(answer)

    _console.answer(
        output.chosen,
        record=lambda: record(answer, moved) | drawn.record(),
        document=lambda: (*view.document(answer, explained=output.explain), *drawn.blocks()),
        texts={"markdown": markdown, "csv": csv},
    )


def judged(answer: CostAnswer) -> int:
    """0, or 3 without a feasible plan, or 4 where a gate is broken: every one of them is named."""
    from llmplan.report import gates

    plan = answer.plan
    if plan.chosen is None:
        return NoFeasiblePlanError.exit_code
    name = plan.recommended or ""
    for verdict in answer.verdicts:
        if verdict.slow_end and not verdict.broken:
            _console.warn(gates.sentence(verdict, name, answer.currency))
    broken = [gates.sentence(verdict, name, answer.currency) for verdict in answer.verdicts if verdict.broken]
    if not broken:
        return 0
    raise LimitExceededError("\n  ".join(broken), hints=gates.hints(answer.verdicts))


def record(answer: CostAnswer, moved: Comparison | None) -> dict[str, Any]:
    """The JSON answer; what moved is said of a stored plan."""
    from llmplan.report import drift, json_money

    return json_money.cost(answer) | {
        "drift": drift.records(moved) if moved else [],
        "not_compared": list(moved.not_compared) if moved else [],
    }

"""The answer to `cost`: five strategies' money, GPUs side by side, and every line of what is paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmplan.plan.outcome import Option, Quote, Rejection
from llmplan.plan.plan import Plan
from llmplan.report import explain, rows, views
from llmplan.report import plan as plan_view
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.numbers import MISSING, cents, percent, usd
from llmplan.report.tree import priced_from, quote_table

SideBySide = Mapping[str, Option | Rejection]
"""the best self-hosted option, or why not, of each GPU that was named"""


def document(plan: Plan, by_gpu: SideBySide, *, explained: bool = False) -> Document:
    """Money only: the rows, the GPUs beside each other, then each strategy's lines."""
    return tuple(_blocks(plan, by_gpu, explained))


def _blocks(plan: Plan, by_gpu: SideBySide, explained: bool) -> Iterator[Block]:
    yield Paragraph(text=f"{plan.question.model_id}: what five ways of serving it cost", heading=1)
    yield Facts(pairs=tuple(plan_view.asked(plan.question)))
    yield money(plan)
    if by_gpu:
        yield side_by_side(by_gpu)
    for names, option in bought(plan):
        yield quote_table(option.quote, title=f"{names}: {rows.what(option).splitlines()[0]}")
        yield from other_terms(names, option)
    yield from plan_view.why_not(plan)
    yield from plan_view.notes(plan)
    if plan.warnings:
        yield Items(title="Warnings", items=plan.warnings, tone="warn")
    yield Facts(title="Defaults used", pairs=tuple(plan_view.defaults(plan)))
    if explained:
        yield from _explained(plan)


def money(plan: Plan) -> Table:
    """Per hour, per month and per million tokens, the recommended strategy marked."""
    return Table(
        columns=(
            Column(title=f"{rows.INDENT}strategy"),
            Column(title="what", share=1),
            Column(title="$/hour", align="right"),
            Column(title="$/month", align="right"),
            Column(title="$/Mtok", align="right"),
        ),
        rows=tuple(_money_row(plan, strategy) for strategy in plan.outcomes),
    )


def _money_row(plan: Plan, strategy: str) -> Row:
    outcome = next(outcome for name, outcome in plan.outcomes.items() if name == strategy)
    recommended = strategy == plan.recommended
    mark = rows.RECOMMENDED if recommended else rows.INDENT
    if isinstance(outcome, Rejection):
        return Row(cells=(f"{mark}{strategy}", f"not feasible: {outcome.reason}", *(MISSING,) * 3), tone="dim")
    quote = outcome.quote
    return Row(
        cells=(
            f"{mark}{strategy}",
            "\n".join(line for line in (rows.gpus(outcome.deployment), rows.seller(outcome)) if line),
            usd(quote.usd_per_hour, complete=quote.complete),
            usd(quote.usd_per_month, complete=quote.complete),
            usd(quote.usd_per_mtok_blended, complete=quote.complete),
        ),
        tone="good" if recommended else "plain",
    )


def side_by_side(by_gpu: SideBySide) -> Table:
    """The best way to serve this on each GPU, one column each."""
    columns = [_column(outcome) for outcome in by_gpu.values()]
    names = (
        "strategy",
        "what",
        "format",
        "seller",
        "TTFT p95",
        "TPOT p95",
        "busy at the peak",
        "$/GPU-hour",
        "$/month",
        "$/Mtok",
    )
    return Table(
        title="Side by side: what is recommended on each GPU",
        columns=(Column(title=""), *(Column(title=gpu_id, share=1) for gpu_id in by_gpu)),
        rows=tuple(Row(cells=(name, *(column[position] for column in columns))) for position, name in enumerate(names)),
    )


def _column(outcome: Option | Rejection) -> tuple[str, ...]:
    if isinstance(outcome, Rejection):
        return (outcome.strategy or MISSING, f"not feasible: {outcome.reason}", *(MISSING,) * 8)
    deployment, quote, estimate = outcome.deployment, outcome.quote, outcome.estimate
    per_gpu_hour = quote.usd_per_hour / deployment.gpus if deployment.gpus else None
    return (
        deployment.strategy,
        rows.gpus(deployment),
        rows.settings(deployment),
        rows.seller(outcome) or MISSING,
        rows.ttft_p95(estimate) if estimate else MISSING,
        rows.tpot_p95(estimate) if estimate else MISSING,
        percent(estimate.utilization) if estimate else MISSING,
        usd(per_gpu_hour, complete=quote.complete),
        usd(quote.usd_per_month, complete=quote.complete),
        usd(quote.usd_per_mtok_blended, complete=quote.complete),
    )


def bought(plan: Plan) -> Iterator[tuple[str, Option]]:
    """What each strategy buys, once where several buy the same."""
    same: dict[Quote, list[str]] = {}
    options = {name: outcome for name, outcome in plan.outcomes.items() if isinstance(outcome, Option)}
    for name, option in options.items():
        same.setdefault(option.quote, []).append(name)
    for names in same.values():
        yield ", ".join(names), options[names[0]]  # type: ignore[index]


def other_terms(names: str, option: Option) -> Iterator[Block]:
    """The same machines on other terms or from other sellers."""
    ordered = sorted(option.quote.alternatives, key=lambda line: line.usd_per_month or 0.0)
    items = tuple(f"{cents(line.usd_per_month)}: {line.name}; {'; '.join(priced_from(line))}" for line in ordered)
    if items:
        yield Items(title=f"{names}: the same on other terms", items=items, tone="dim")


def _explained(plan: Plan) -> Iterator[Block]:
    sources = views.Sources()
    for names, option in bought(plan):
        yield explain.quote_lines(option.quote, sources, title=f"{names}: how each line is computed")
    yield from sources.blocks()

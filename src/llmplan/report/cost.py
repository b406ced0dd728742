"""The answer to `cost`: five strategies' money, what changed since an older answer, and every line of what is paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llmplan.plan.outcome import Option, Quote, Rejection
from llmplan.plan.plan import Plan
from llmplan.report import comparisons, cost_diff, explain, gates, rows, views
from llmplan.report import plan as plan_view
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.cost_answer import CostAnswer
from llmplan.report.cost_units import per_unit
from llmplan.report.currency import Currency, converted
from llmplan.report.numbers import MISSING, percent
from llmplan.report.tree import Footnotes, priced_from, quote_table, rounded_total, sum_of_lines

OTHER_TERMS_SHOWN: Final = 4


def document(answer: CostAnswer, *, explained: bool = False) -> Document:
    """Money first: the five rows, what changed, the limits; then each strategy's lines and what they rest on."""
    return converted(tuple(_blocks(answer, explained)), answer.currency)


def _blocks(answer: CostAnswer, explained: bool) -> Iterator[Block]:
    plan, currency = answer.plan, answer.currency
    yield from head(answer)
    yield from summary(answer)
    if answer.against is not None and not explained:
        text = "Every line of these bills, and what is good to know of them: without --against, or with --explain."
        yield Paragraph(text=text, tone="dim")
    else:
        if answer.by_gpu:
            yield side_by_side(answer.by_gpu, currency)
        yield from bills(plan, currency, explained)
        if answer.comparisons is not None:
            yield from comparisons.blocks(answer.comparisons, explained=explained)
    if explained:
        yield from plan_view.notes(plan)
    yield from plan_view.why_not(plan)
    if plan.warnings:
        yield Items(title="Warnings", items=plan.warnings, tone="warn")
    yield Facts(title="Defaults used", pairs=tuple(plan_view.defaults(plan)))
    if explained:
        yield from computed(plan, currency)


def head(answer: CostAnswer) -> Iterator[Block]:
    """The question, and what was done to its answer."""
    yield Paragraph(text=f"{answer.plan.question.model_id}: what five ways of serving it cost", heading=1)
    yield Facts(pairs=tuple(facts(answer)))


def facts(answer: CostAnswer) -> Iterator[tuple[str, str]]:
    """Traffic, promise and limits; the currency and its rate; other prices than the plan's own."""
    yield from plan_view.asked(answer.plan.question)
    if answer.currency.said():
        yield "currency", answer.currency.said()
    yield from (("prices", remark) for remark in answer.remarks)


def summary(answer: CostAnswer) -> Iterator[Block]:
    """What a reader looks for first: totals, the difference to an older answer, and limits that break."""
    plan, currency = answer.plan, answer.currency
    yield money(plan, currency)
    if plan.recommended is None:
        yield Paragraph(text=nothing_recommended(plan), tone="bad")
    elif plan.reasons:
        yield Items(title=f"Why {plan.recommended}", items=plan.reasons)
    yield from gates.blocks(answer.verdicts, plan.recommended or "", currency)
    if answer.against is not None:
        yield from cost_diff.blocks(answer.against, currency)
    else:
        yield per_unit(plan, currency)


def nothing_recommended(plan: Plan) -> str:
    """Why: nothing can be done, or what was recommended cannot be had at these prices."""
    if any(isinstance(outcome, Option) for outcome in plan.outcomes.values()):
        return "Nothing is recommended: what the plan had chosen is not sold at these prices."
    return "No strategy is feasible within these limits."


def money(plan: Plan, currency: Currency) -> Table:
    """Per hour, per month and per million tokens, the recommended strategy marked."""
    unit = currency.unit
    return Table(
        columns=(
            Column(title=f"{rows.INDENT}strategy"),
            Column(title="what", share=1),
            Column(title=f"{unit}/hour", align="right"),
            Column(title=f"{unit}/month", align="right"),
            Column(title=f"{unit}/Mtok", align="right"),
        ),
        rows=tuple(_money_row(name, outcome, plan, currency) for name, outcome in plan.outcomes.items()),
    )


def _money_row(strategy: str, outcome: Option | Rejection, plan: Plan, currency: Currency) -> Row:
    recommended = strategy == plan.recommended
    mark = rows.RECOMMENDED if recommended else rows.INDENT
    if isinstance(outcome, Rejection):
        return Row(cells=(f"{mark}{strategy}", f"not feasible: {outcome.reason}", *(MISSING,) * 3), tone="dim")
    quote = outcome.quote
    return Row(
        cells=(
            f"{mark}{strategy}",
            "\n".join(line for line in (rows.gpus(outcome.deployment), rows.seller(outcome)) if line),
            currency.rounded(quote.usd_per_hour, complete=quote.complete),
            rounded_total(quote, currency),
            currency.rounded(quote.usd_per_mtok_blended, complete=quote.complete),
        ),
        tone="good" if recommended else "plain",
    )


def side_by_side(by_gpu: Mapping[str, Option | Rejection], currency: Currency) -> Table:
    """The best way to serve this on each GPU, one column each."""
    columns = [_column(outcome, currency) for outcome in by_gpu.values()]
    names = (
        "strategy",
        "what",
        "format",
        "seller",
        "TTFT p95",
        "TPOT p95",
        "busy at the peak",
        f"{currency.unit}/GPU-hour",
        f"{currency.unit}/month",
        f"{currency.unit}/Mtok",
    )
    return Table(
        title="Side by side: what is recommended on each GPU",
        columns=(Column(title=""), *(Column(title=gpu_id, share=1) for gpu_id in by_gpu)),
        rows=tuple(Row(cells=(name, *(column[position] for column in columns))) for position, name in enumerate(names)),
    )


def _column(outcome: Option | Rejection, currency: Currency) -> tuple[str, ...]:
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
        currency.rounded(per_gpu_hour, complete=quote.complete),
        rounded_total(quote, currency),
        currency.rounded(quote.usd_per_mtok_blended, complete=quote.complete),
    )


def bills(plan: Plan, currency: Currency, explained: bool) -> Iterator[Block]:
    """The lines of each strategy, the recommended first; what else the same machines would cost, briefly."""
    notes = Footnotes()
    for names, option in bought(plan):
        title = f"{names}: {rows.what(option).splitlines()[0]}"
        yield quote_table(option.quote, title=title, currency=currency, notes=notes)
        if explained or plan.recommended in names.split(", "):
            yield from other_terms(names, option, currency, most=None if explained else OTHER_TERMS_SHOWN)
    yield from notes.blocks()


def bought(plan: Plan) -> Iterator[tuple[str, Option]]:
    """What each strategy buys, once where several buy the same; the recommended first."""
    same: dict[Quote, list[str]] = {}
    options = {name: outcome for name, outcome in plan.outcomes.items() if isinstance(outcome, Option)}
    for name, option in options.items():
        same.setdefault(option.quote, []).append(name)
    for names in sorted(same.values(), key=lambda names: plan.recommended not in names):
        yield ", ".join(names), options[names[0]]  # type: ignore[index]


def other_terms(names: str, option: Option, currency: Currency, *, most: int | None = None) -> Iterator[Block]:
    """The same machines on other terms or from other sellers, the cheapest first."""
    ordered = sorted(option.quote.alternatives, key=lambda line: line.usd_per_month or 0.0)
    items = [f"{currency.exact(line.usd_per_month)}: {line.name}; {'; '.join(priced_from(line))}" for line in ordered]
    more = len(items) - most if most is not None else 0
    if more > 0:
        items = [*items[:most], f"{more} more: --explain"]
    if items:
        serving = sum_of_lines(option.quote.serving, currency)
        now = f" ({currency.written(serving)} of the total)" if option.quote.beside_usd_per_month else ""
        yield Items(title=f"{names}: what serves{now}, on other terms", items=tuple(items), tone="dim")


def computed(plan: Plan, currency: Currency) -> Iterator[Block]:
    """Each line of each bill with its formula and source."""
    sources = views.Sources()
    for names, option in bought(plan):
        yield explain.quote_lines(option.quote, sources, title=f"{names}: how each line is computed", currency=currency)
    yield from sources.blocks()

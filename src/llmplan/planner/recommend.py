"""The question in, five rows and a recommendation out."""

from __future__ import annotations

from dataclasses import replace

from llmplan import __version__, perf
from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome
from llmplan.plan.plan import Plan
from llmplan.planner.context import Context
from llmplan.planner.figures import figures_of
from llmplan.planner.format_notes import with_format_notes
from llmplan.planner.isolation import with_isolation_note
from llmplan.planner.market import build_market
from llmplan.planner.rank import choose
from llmplan.planner.search import Found, search
from llmplan.spec.catalog import Catalog
from llmplan.spec.model import ModelSpec
from llmplan.spec.price import STALE_PRICE_DAYS
from llmplan.spec.workload import Question
from llmplan.strategies import STRATEGIES
from llmplan.units import HOURS_PER_MONTH, format_seconds

MAX_ALTERNATIVES = 8
LONG_WAIT_S = 30.0
"""Beyond this nobody waits for a first token, whether or not a limit was stated."""


def recommend(question: Question, catalog: Catalog, *, model: ModelSpec | None = None) -> Plan:
    """Five outcomes and the one to take. `model` None: looked up by the question's id."""
    model = model if model is not None else catalog.models[question.model_id]
    context = Context.of(question, catalog)
    market = build_market(question, catalog, model)
    found = {strategy.id: search(strategy, market, context) for strategy in STRATEGIES}
    rows: dict[StrategyId, Outcome] = {name: best.outcome(market) for name, best in found.items()}
    shared = rows["multi_tenant"]
    if isinstance(shared, Option):
        rows["multi_tenant"] = with_isolation_note(shared, context)
    rows = {name: with_format_notes(explained(row, context), context) for name, row in rows.items()}
    recommended, reasons = choose(rows, context)
    options = [row for row in rows.values() if isinstance(row, Option)]
    return Plan(
        question=question,
        outcomes=rows,
        recommended=recommended,
        reasons=reasons,
        warnings=tuple(warnings_of(rows, recommended, context)),
        alternatives=tuple(alternatives(found, rows, recommended)),
        figures=figures_of(options, context),
        price_date=catalog.prices.as_of,
        made_with=f"llmplan {__version__}",
    )


def explained(outcome: Outcome, context: Context) -> Outcome:
    """The outcome with the arithmetic of each millisecond in its ledger."""
    if not isinstance(outcome, Option) or outcome.estimate is None or outcome.memory is None:
        return outcome
    replica = outcome.deployment.replica
    assert replica is not None
    load = context.demand.shape
    ledger = perf.explain_step(replica, outcome.memory, outcome.estimate, load, context.calibration(replica))
    return replace(outcome, estimate=replace(outcome.estimate, step_ledger=ledger))


def alternatives(
    found: dict[StrategyId, Found], rows: dict[StrategyId, Outcome], recommended: StrategyId | None
) -> list[Option]:
    """The best option on each other GPU, cheapest first: what the machine next door would cost."""
    chosen = rows[recommended] if recommended else None
    taken = chosen.deployment.replica.gpu.id if isinstance(chosen, Option) and chosen.deployment.replica else None
    by_gpu: dict[str, Option] = {}
    for best in found.values():
        for gpu_id, option in best.best_by_gpu().items():
            held = by_gpu.get(gpu_id)
            if gpu_id != taken and (held is None or option.quote.usd_per_month < held.quote.usd_per_month):
                by_gpu[gpu_id] = option
    return sorted(by_gpu.values(), key=lambda option: option.quote.usd_per_month)[:MAX_ALTERNATIVES]


def warnings_of(rows: dict[StrategyId, Outcome], recommended: StrategyId | None, context: Context) -> list[str]:
    """What weakens the answer: old prices, missing prices, extrapolated speed, engine advice."""
    chosen = rows[recommended] if recommended else None
    if not isinstance(chosen, Option):
        return []
    found = [f"{check.message} ({check.id}): {check.fix}" for check in chosen.checks if check.severity == "warning"]
    as_of = context.prices.as_of
    offers = [line.figure for line in chosen.quote.serving if line.figure and line.figure.term != "rate"]
    dates = [figure.as_of for figure in offers if figure.as_of]
    if dates and (as_of - min(dates)).days > STALE_PRICE_DAYS:
        age_days = (as_of - min(dates)).days
        found.append(f"prices from {min(dates)} are {age_days} days old (llmplan prices update reads newer ones)")
    if any(figure.as_of is None for figure in offers):
        found.append("a price has no date in its source: check it before you sign")
    if not chosen.quote.complete:
        found.append("the total is a lower bound: a charge has no known price")
    if one_machine(chosen):
        found.append("every replica, the spare too, sits in one machine: that machine has no failover")
    if chosen.estimate is not None and chosen.estimate.ttft_p95_s > LONG_WAIT_S:
        wait = format_seconds(chosen.estimate.ttft_p95_s)
        found.append(
            f"TTFT p95 is {wait}: the load is near what this hardware can do; state --ttft-p95-ms to size for it"
        )
    if chosen.estimate is not None and chosen.estimate.extrapolated:
        found.append("the speed is extrapolated: no measurements of this engine on this GPU generation")
    return found


def one_machine(option: Option) -> bool:
    """Whether several replicas were bought as a single instance."""
    rent = [line for line in option.quote.lines if line.unit == "instance-h"]
    alone = len(rent) == 1 and rent[0].quantity <= HOURS_PER_MONTH * 1.001
    return alone and (option.deployment.replicas or 0) > 1


def restricted_to_gpu(question: Question, gpu_id: str) -> Question:
    """The same question with one kind of GPU allowed, to set GPUs side by side."""
    return replace(question, limits=replace(question.limits, gpu_ids=(gpu_id,)))

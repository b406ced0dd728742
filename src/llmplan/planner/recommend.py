"""The question in, five rows and a recommendation out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmplan import __version__, perf
from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome
from llmplan.plan.plan import Plan
from llmplan.planner.cautions import warnings_of
from llmplan.planner.context import Context
from llmplan.planner.figures import figures_of
from llmplan.planner.format_notes import with_format_notes
from llmplan.planner.isolation import with_isolation_note
from llmplan.planner.market import build_market
from llmplan.planner.rank import choose
from llmplan.planner.search import Found, search
from llmplan.planner.shared import Shared
from llmplan.spec.catalog import Catalog
from llmplan.spec.engine import EngineSpec
from llmplan.spec.model import ModelSpec
from llmplan.spec.workload import Question
from llmplan.strategies import STRATEGIES

MAX_ALTERNATIVES = 8


def recommend(
    question: Question, catalog: Catalog, *, model: ModelSpec | None = None, shared: Shared | None = None
) -> Plan:
    """Five outcomes and the one to take. `model` None: looked up by the question's id. `shared`: what other questions
    to the same catalogue have found; it changes the time, never the answer."""
    model = model if model is not None else catalog.models[question.model_id]
    context = Context.of(question, catalog, shared)
    market = build_market(question, catalog, model)
    found = {strategy.id: search(strategy, market, context) for strategy in STRATEGIES}
    rows: dict[StrategyId, Outcome] = {name: best.outcome(market) for name, best in found.items()}
    for_all = rows["multi_tenant"]
    if isinstance(for_all, Option):
        rows["multi_tenant"] = with_isolation_note(for_all, context)
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
        engines=other_engines(options, catalog),
        price_date=catalog.prices.as_of,
        made_with=f"llmplan {__version__}",
    )


def other_engines(options: Sequence[Option], catalog: Catalog) -> tuple[EngineSpec, ...]:
    """The newest version of each engine that no row uses: what launch files for it must obey goes with the plan."""
    replicas = (option.deployment.replica for option in options)
    used = {replica.engine.id for replica in replicas if replica is not None}
    others = sorted({ref.partition("@")[0] for ref in catalog.engines} - used)
    return tuple(replace(catalog.engines[name], provenance={}) for name in others if name in catalog.engines)


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


def restricted_to_gpu(question: Question, gpu_id: str) -> Question:
    """The same question with one kind of GPU allowed, to set GPUs side by side."""
    return replace(question, limits=replace(question.limits, gpu_ids=(gpu_id,)))

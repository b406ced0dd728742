"""The question in, with the requests that came: five rows that were all judged on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome
from llmplan.plan.plan import Plan
from llmplan.plan.replay import Crossing, OverTime, Replay
from llmplan.planner.cautions import warnings_of
from llmplan.planner.context import Context
from llmplan.planner.figures import figures_of
from llmplan.planner.market import build_market
from llmplan.planner.over_time import hourly, per_second
from llmplan.planner.over_time.crossing import Seconds, crossings
from llmplan.planner.over_time.per_second import Workshop
from llmplan.planner.over_time.stage import Stage, Watch, nobody_watches
from llmplan.planner.rank import choose
from llmplan.planner.recommend import recommend
from llmplan.planner.search import search
from llmplan.simulate.traffic.recorded import Recorded
from llmplan.spec.catalog import Catalog
from llmplan.spec.model import ModelSpec
from llmplan.spec.workload import Question
from llmplan.strategies import STRATEGIES
from llmplan.units import SECONDS_PER_HOUR

SERVERLESS = next(strategy for strategy in STRATEGIES if strategy.id == "serverless")


@dataclass(frozen=True, slots=True)
class _ByTheSecond:
    """The best GPU by the second, beside an API that is cheaper."""

    option: Option
    outcome: Outcome
    replay: Replay


def recommend_over_time(
    question: Question,
    catalog: Catalog,
    trace: Recorded,
    *,
    model: ModelSpec | None = None,
    watch: Watch = nobody_watches,
) -> Plan:
    """Five outcomes on the requests of a trace, and the one to take.

    Deployments are proposed for the question's steady figures, with gaps no burstier than Poisson's; how many replicas
    they need, what is billed and which promises hold is what the simulation of the whole trace says.
    """
    model = model if model is not None else catalog.models[question.model_id]
    calm = replace(question.workload, cv_interarrival=min(1.0, question.workload.cv_interarrival))
    plan = recommend(replace(question, workload=calm), catalog, model=model)
    context = Context.of(replace(question, workload=calm), catalog)
    stage = Stage(trace=trace, slo=question.slo, watch=watch)
    rows: dict[StrategyId, Outcome] = {}
    replays: dict[StrategyId, Replay] = {}
    for name, outcome in plan.outcomes.items():
        rows[name], replays[name] = _replayed(outcome, context, stage)
    beside = _by_the_second(plan.outcomes["serverless"], model, context, stage)
    if beside is not None and beside.replay.taken is not None:
        replays["serverless"] = Replay(taken=None, others=(beside.replay.taken, *beside.replay.others))
    recommended, reasons = choose(rows, context)
    options = [row for row in rows.values() if isinstance(row, Option)]
    start_s, end_s = trace.busiest(SECONDS_PER_HOUR)
    over_time = OverTime(
        trace=trace.name,
        requests=len(trace),
        duration_s=trace.duration_s,
        requests_per_s=trace.mean_requests_per_s,
        busiest_hour_requests_per_s=trace.between(start_s, end_s).mean_requests_per_s,
        replays=tuple(replays.items()),
        crossings=tuple(_crossings(plan, rows, beside, context, stage)),
    )
    return replace(
        plan,
        question=question,
        outcomes=rows,
        recommended=recommended,
        reasons=(*reasons, *_reasons(recommended, replays)),
        warnings=tuple(warnings_of(rows, recommended, context)),
        figures=figures_of(options, context),
        over_time=over_time,
    )


def _replayed(outcome: Outcome, context: Context, stage: Stage) -> tuple[Outcome, Replay]:
    """An option as it does on the trace; what was rejected stays so, and an API cannot be simulated."""
    if not isinstance(outcome, Option) or outcome.deployment.replica is None:
        return outcome, Replay(taken=None)
    if outcome.deployment.purchase.kind == "serverless":
        return per_second.replayed(outcome, context, stage)
    return hourly.replayed(outcome, context, stage)


def _by_the_second(outcome: Outcome, model: ModelSpec, context: Context, stage: Stage) -> _ByTheSecond | None:
    """GPUs by the second where the row of serverless is an API, of which nobody knows how it would do."""
    if not isinstance(outcome, Option) or outcome.deployment.replica is not None:
        return None
    market = replace(build_market(context.question, context.catalog, model), token_api=False)
    found = search(SERVERLESS, market, context).outcome(market)
    if not isinstance(found, Option):
        return None
    again, replay = per_second.replayed(found, context, stage)
    return _ByTheSecond(found, again, replay)


def _crossings(
    plan: Plan, rows: dict[StrategyId, Outcome], beside: _ByTheSecond | None, context: Context, stage: Stage
) -> Iterator[Crossing]:
    own = [rows[name] for name in ("dedicated", "quantized", "multi_tenant")]
    dedicated = next((row for row in own if isinstance(row, Option)), None)
    if dedicated is None:
        return
    serverless = plan.outcomes["serverless"]
    api = serverless if beside is not None and isinstance(serverless, Option) else None
    best = beside.option if beside is not None else serverless
    settled = beside.outcome if beside is not None else rows["serverless"]
    shop = Workshop.of(best, context) if isinstance(best, Option) and best.deployment.replica else None
    seconds = None if shop is None else _as_settled(shop, settled)
    yield from crossings(dedicated, api, seconds, context, stage)


def _as_settled(shop: Workshop, settled: Outcome) -> Seconds:
    """As the row runs its workers; where it broke the promise, with one kept warm."""
    if not isinstance(settled, Option):
        return Seconds(shop=shop, keep_warm=1, window_s=None)
    return Seconds(
        shop=shop, keep_warm=settled.deployment.purchase.keep_warm, window_s=settled.cold.get("idle_window_s")
    )


def _reasons(recommended: StrategyId | None, replays: dict[StrategyId, Replay]) -> Iterator[str]:
    """How the recommended fleet did on the trace."""
    taken = replays[recommended].taken if recommended is not None else None
    if taken is not None:
        yield f"on the trace {taken.fleet} kept {taken.kept_share:.1%} of the requests within all promises"

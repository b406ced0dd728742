"""A stored plan at the prices of another day: the same deployments, paid for as they would have been then."""

from __future__ import annotations

from dataclasses import replace

from llmplan import pricing
from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome, Quote, Rejection
from llmplan.plan.plan import Plan
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate
from llmplan.planner.evaluate import rented
from llmplan.planner.recommend import warnings_of
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Workload
from llmplan.units import SECONDS_PER_MONTH


def requote(plan: Plan, catalog: Catalog) -> Plan:
    """The plan with every bill at the prices of `catalog`; nothing is sized, timed or chosen again.

    Machines, tokens and owned hardware go through `pricing.quote`, which may find another seller within the plan's
    limits. Seconds of serverless workers, and bills of a simulated trace, keep their rows and quantities and take the
    rates of the day, since how long a worker runs is its platform's doing. The strategy stays recommended unless
    nobody sells it on that day.
    """
    day = catalog.prices.as_of
    question = replace(plan.question, limits=replace(plan.question.limits, price_date=day))
    context = Context.of(question, catalog)
    simulated = plan.over_time is not None
    rows: dict[StrategyId, Outcome] = {
        name: requoted(outcome, context, simulated=simulated) if isinstance(outcome, Option) else outcome
        for name, outcome in plan.outcomes.items()
    }
    others = (requoted(option, context, simulated=simulated) for option in plan.alternatives)
    recommended = plan.recommended
    if recommended is not None and isinstance(rows[recommended], Rejection):
        recommended = None
    return replace(
        plan,
        question=question,
        outcomes=rows,
        recommended=recommended,
        reasons=(),
        warnings=tuple(warnings_of(rows, recommended, context)),
        alternatives=tuple(option for option in others if isinstance(option, Option)),
        price_date=day,
    )


def requoted(option: Option, context: Context, *, simulated: bool) -> Outcome:
    """One option at other prices, or the rejection that nobody sells it then."""
    quote = _quote(option, context, simulated=simulated)
    return quote if isinstance(quote, Rejection) else replace(option, quote=quote)


def _quote(option: Option, context: Context, *, simulated: bool) -> Quote | Rejection:
    deployment = option.deployment
    if simulated or deployment.purchase.kind == "serverless":
        replica = deployment.replica
        return pricing.reprice(option.quote, replica.gpu.id if replica is not None else None, context.prices)
    workload = _rated(context.workload, option.quote)
    if option.memory is not None:
        return rented(deployment, option.memory, workload, context, carrying=_carrying(option, context))
    return pricing.quote(
        deployment, workload, context.limits, context.prices, expenses=context.question.expenses
    )  # fmt: skip


def _carrying(option: Option, context: Context) -> int | None:
    """Replicas that carry the peak: without the spare ones, which only fleets of two or more have."""
    replicas, spare = option.deployment.replicas or 1, context.limits.spare_replicas
    return replicas - spare if replicas > spare + 1 else None


def _rated(workload: Workload, quote: Quote) -> Workload:
    """The workload with a rate: that which closed-loop users came to when it was planned."""
    if workload.requests_per_s is not None or not workload.input_tokens.mean:
        return workload
    return with_rate(workload, quote.input_tokens_per_month / workload.input_tokens.mean / SECONDS_PER_MONTH)

"""What sharing one fleet saves: the same traffic with one deployment per tenant, each on what suits it best."""

from __future__ import annotations

from dataclasses import replace

from llmplan.plan.outcome import Option, Outcome
from llmplan.planner.context import Context
from llmplan.planner.market import build_market
from llmplan.planner.search import search
from llmplan.spec.workload import Workload
from llmplan.strategies import STRATEGIES
from llmplan.units import format_usd

ALONE = next(strategy for strategy in STRATEGIES if strategy.id == "dedicated")


def with_isolation_note(option: Option, context: Context) -> Option:
    """The option with the price of isolation beside it: one fleet per tenant at that tenant's share of the traffic."""
    tenants = context.workload.tenants
    if tenants < 2:
        note = "one tenant: priced as a shared fleet; state --tenants and --adapters to see what sharing saves"
        return replace(option, notes=(*option.notes, note))
    one = best_for_one(option, context_of_one_tenant(context, tenants))
    if not isinstance(one, Option) or one.deployment.replica is None:
        return replace(option, notes=(*option.notes, "one deployment per tenant is not possible within the limits"))
    once = option.quote.usd_per_month - option.quote.fleet_usd_per_month
    apart = one.quote.fleet_usd_per_month * tenants + once
    saved = 1.0 - option.quote.usd_per_month / apart if apart > 0 else 0.0
    note = (
        f"one deployment per tenant would cost {format_usd(apart)} a month ({tenants} x "
        f"{format_usd(one.quote.fleet_usd_per_month)} on {one.deployment.gpus} x {one.deployment.replica.gpu.id}): "
        f"sharing saves {saved:.0%}"
    )
    return replace(option, notes=(*option.notes, note))


def best_for_one(option: Option, context: Context) -> Outcome:
    """The best dedicated deployment for one tenant's share."""
    market = build_market(context.question, context.catalog, option.deployment.model)
    return search(ALONE, market, context).outcome(market)


def context_of_one_tenant(context: Context, tenants: int) -> Context:
    """The question as one of `tenants` equal tenants would ask it."""
    workload: Workload = context.workload
    share = replace(
        workload,
        tenants=1,
        adapters=0,
        requests_per_s=workload.requests_per_s / tenants if workload.requests_per_s is not None else None,
        concurrency=max(1.0, workload.concurrency / tenants) if workload.concurrency is not None else None,
    )
    return Context.of(replace(context.question, workload=share), context.catalog)

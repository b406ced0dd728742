"""What sharing one fleet saves: the same machines with one deployment per tenant."""

from __future__ import annotations

from dataclasses import replace

from llmplan.plan.outcome import Option
from llmplan.planner.context import Context
from llmplan.planner.evaluate import evaluate
from llmplan.spec.workload import Workload
from llmplan.units import format_usd


def with_isolation_note(option: Option, context: Context) -> Option:
    """The option with the price of isolation beside it: one fleet per tenant at that tenant's share of the traffic."""
    tenants = context.workload.tenants
    replica = option.deployment.replica
    assert replica is not None
    if tenants < 2:
        note = "one tenant: priced as a shared fleet; state --tenants and --adapters to see what sharing saves"
        return replace(option, notes=(*option.notes, note))
    alone = replace(option.deployment, replica=replace(replica, tenancy=None), replicas=None, strategy="dedicated")
    one = evaluate(alone, context_of_one_tenant(context, tenants))
    if not isinstance(one, Option):
        note = f"one deployment per tenant is not possible here: {one.reason}"
        return replace(option, notes=(*option.notes, note))
    apart = one.quote.usd_per_month * tenants
    saved = 1.0 - option.quote.usd_per_month / apart
    note = (
        f"one deployment per tenant would cost {format_usd(apart)} a month ({tenants} x "
        f"{format_usd(one.quote.usd_per_month)}): sharing saves {saved:.0%}"
    )
    return replace(option, notes=(*option.notes, note))


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

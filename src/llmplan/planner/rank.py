"""Choose among the five rows."""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome
from llmplan.planner.context import Context
from llmplan.planner.order import as_cheap, comparable_usd, demanded_saving, never_idle, standing
from llmplan.planner.reasons import reasons_for, reasons_for_unverified

TIE_ORDER: tuple[StrategyId, ...] = ("dedicated", "quantized", "multi_tenant", "serverless", "hybrid_offload")
"""Among equal costs the simplest to run comes first; with tenants or adapters the shared fleet does."""


def choose(rows: Mapping[StrategyId, Outcome], context: Context) -> tuple[StrategyId | None, tuple[str, ...]]:
    """The recommended strategy and the reasons, most important first."""
    options = {name: row for name, row in rows.items() if isinstance(row, Option)}
    if not options:
        return None, ()
    promised = not context.slo.is_empty
    verified = [name for name, row in options.items() if row.meets_slo or not promised]
    unverified = [name for name in options if name not in verified]
    sensible = [name for name in verified if not never_idle(options[name])] or verified
    winner = best_row({name: options[name] for name in sensible}, context)
    if winner is None:
        cheapest = min(unverified, key=lambda name: options[name].quote.usd_per_month)
        return cheapest, ("no option is predicted to meet the SLO; this one's latency is not stated by anybody",)
    api = min(unverified, key=lambda name: options[name].quote.usd_per_month, default=None)
    if api is not None and cheap_enough(options[api], options[winner], context):
        return api, reasons_for_unverified(options[api], options[winner])
    return winner, tuple(reasons_for(winner, options, api, context))


def best_row(options: Mapping[StrategyId, Option], context: Context) -> StrategyId | None:
    """The best standing, of those the cheapest within the tie, of those the simplest to run."""
    if not options:
        return None
    first = min(standing(option, context) for option in options.values())
    equals = {name: option for name, option in options.items() if standing(option, context) == first}
    cheapest_usd = min(comparable_usd(option, context) for option in equals.values())
    tied = [name for name, option in equals.items() if as_cheap(comparable_usd(option, context), cheapest_usd)]
    work = context.workload
    shares = "multi_tenant" in tied and (work.tenants > 1 or work.adapters > 0)
    order = {name: place for place, name in enumerate(TIE_ORDER)}
    simplest: StrategyId = min(tied, key=lambda name: order.get(name, len(order)))
    return "multi_tenant" if shares else simplest


def cheap_enough(api: Option, own: Option, context: Context) -> bool:
    """Whether the saving outweighs that nobody states the latency."""
    return api.quote.usd_per_month <= (1.0 - demanded_saving(own, context)) * own.quote.usd_per_month

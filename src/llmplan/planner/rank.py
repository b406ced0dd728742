"""Choose among the five rows."""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome
from llmplan.planner.context import Context
from llmplan.planner.order import as_cheap, comparable_usd, demanded_saving, never_idle, standing
from llmplan.planner.quality import BEYOND_LIMIT, quality_class
from llmplan.planner.reasons import reasons_for, reasons_for_lighter, reasons_for_unverified

QUALITY_SAVING = 0.75
"""Saving from which a format a little beyond the quality limit is recommended all the same."""
MOST_LOSS = 3.0
"""... up to this many times the limit."""

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
    lighter = far_cheaper(winner, {name: options[name] for name in sensible}, context)
    own = options[lighter or winner]
    api = min(unverified, key=lambda name: options[name].quote.usd_per_month, default=None)
    if api is not None and cheap_enough(options[api], own, context):
        return api, reasons_for_unverified(options[api], own)
    if lighter is not None:
        hosted = options[api] if api is not None else None
        return lighter, tuple(reasons_for_lighter(own, options[winner], hosted, context))
    return winner, tuple(reasons_for(winner, options, api, context))


def far_cheaper(winner: StrategyId, options: Mapping[StrategyId, Option], context: Context) -> StrategyId | None:
    """A row that only a measured loss of quality a little beyond the limit keeps behind, at a fraction of the price.

    A limit of 1 % is not worth paying four times over for another tenth of a per cent.
    """
    chosen = options[winner]
    if chosen.deployment.purchase.kind == "owned":
        return None
    most_usd = (1.0 - QUALITY_SAVING) * chosen.quote.usd_per_month
    fitting = [
        name
        for name, option in options.items()
        if beyond_limit_only(option, chosen, context) and option.quote.usd_per_month <= most_usd
    ]
    return min(fitting, key=lambda name: options[name].quote.usd_per_month, default=None)


def beyond_limit_only(option: Option, chosen: Option, context: Context) -> bool:
    """Whether its measured loss, up to `MOST_LOSS` limits, is all that puts it behind the chosen one."""
    limits = context.limits
    change = option.quality.relative_change if option.quality else None
    if quality_class(option.deployment, context.catalog, limits) != BEYOND_LIMIT or change is None:
        return False
    others = (standing(option, context, any_quality=True), standing(chosen, context, any_quality=True))
    return -change <= MOST_LOSS * limits.max_quality_loss and others[0] <= others[1]


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

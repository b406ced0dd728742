"""Why the recommended row won, in sentences: its price, its speed, its quality, and what was passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option
from llmplan.planner.context import Context
from llmplan.planner.order import (
    LOWER_BOUND,
    UNDATED,
    VAGUE,
    as_cheap,
    demanded_saving,
    extrapolated,
    firmness,
    never_idle,
    offloads,
)
from llmplan.planner.promises import promises_of
from llmplan.planner.quality import BEYOND_LIMIT, FULL_CACHE_BYTES, UNKNOWN, quality_class
from llmplan.planner.terms import is_commitment
from llmplan.units import format_seconds, format_usd

MONTHS_PER_YEAR = 12
WEAK_PRICES = {
    VAGUE: 'its price is a "from" price, an average or older than a year',
    UNDATED: "its price carries no date",
    LOWER_BOUND: "a charge of it has no known price",
}


def reasons_for_unverified(api: Option, own: Option) -> tuple[str, ...]:
    """Why an option of unknown latency is recommended all the same."""
    saving = 1.0 - api.quote.usd_per_month / own.quote.usd_per_month
    busy = own.estimate.utilization if own.estimate is not None else 0.0
    return (
        f"{format_usd(api.quote.usd_per_month)} a month is {saving:.0%} less than the best deployment of your own "
        f"({format_usd(own.quote.usd_per_month)})",
        f"your own would be {busy:.0%} busy at the peak, and rent is due for the idle rest",
        "no source states the API's latency: measure it against your SLO first",
    )


def reasons_for_lighter(option: Option, heavier: Option, api: Option | None, context: Context) -> Iterator[str]:
    """Why a format beyond the quality limit is recommended all the same."""
    replica, change = option.deployment.replica, option.quality.relative_change if option.quality else None
    assert replica is not None
    assert change is not None
    saving = 1.0 - option.quote.usd_per_month / heavier.quote.usd_per_month
    yield (
        f"{format_usd(option.quote.usd_per_month)} a month is {saving:.0%} less than the best within the quality limit "
        f"({format_usd(heavier.quote.usd_per_month)})"
    )
    yield (
        f"{replica.weights.id} weights change measured quality by {change:+.1%} (median), a little beyond the "
        f"{context.limits.max_quality_loss:.1%} accepted (--max-quality-loss)"
    )
    yield from slo_reasons(option, context)
    yield from api_reasons(option, api, context)


def reasons_for(
    winner: StrategyId, options: Mapping[StrategyId, Option], api: StrategyId | None, context: Context
) -> list[str]:
    """Why the winner won: its price against the others, its speed against the SLO, its quality, what it beat."""
    chosen = options[winner]
    owned = chosen.deployment.purchase.kind == "owned"
    reasons = [fit_reason(winner, options)] if owned else [price_reason(winner, options)]
    reasons += commitment_reasons(chosen, context)
    reasons += slo_reasons(chosen, context)
    reasons += quality_reasons(chosen)
    reasons += api_reasons(chosen, options[api] if api is not None else None, context)
    return reasons if owned else [*reasons, *passed_over(winner, options, api, context)]


def api_reasons(chosen: Option, api: Option | None, context: Context) -> list[str]:
    """Why a cheaper hosted API did not win."""
    if api is None or api.quote.usd_per_month >= chosen.quote.usd_per_month:
        return []
    return [
        f"the hosted API would cost {format_usd(api.quote.usd_per_month)}, but nobody states its latency or rate "
        "limit; it is recommended over a fleet that meets the SLO only when at least "
        f"{demanded_saving(chosen, context):.0%} cheaper"
    ]


def passed_over(
    winner: StrategyId, options: Mapping[StrategyId, Option], api: StrategyId | None, context: Context
) -> Iterator[str]:
    """Each cheaper row, and what it lacks."""
    chosen = options[winner]
    for name, option in options.items():
        if name in (winner, api) or as_cheap(chosen.quote.usd_per_month, option.quote.usd_per_month):
            continue
        lack = lacking(option, context)
        if lack:
            cost = format_usd(option.quote.usd_per_month)
            yield f"{name.replace('_', ' ')} would cost {cost}, but {lack}"


def lacking(option: Option, context: Context) -> str | None:
    """The first thing that puts an option behind others whatever it costs."""
    replica = option.deployment.replica
    if never_idle(option):
        return (
            "this traffic never lets it scale to zero: that is a rented GPU under another name, which its seller may "
            "take back or not have"
        )
    if replica is None:
        return None
    if offloads(option):
        return "it keeps part of the model in host memory, which is for models that fit nowhere else"
    quality = quality_class(option.deployment, context.catalog, context.limits)
    change = option.quality.relative_change if option.quality else None
    if quality == BEYOND_LIMIT and change is not None:
        accepted = f"{context.limits.max_quality_loss:.1%} accepted (--max-quality-loss)"
        return f"{replica.weights.id} weights lose {-change:.1%} of measured quality, beyond the {accepted}"
    if quality == UNKNOWN:
        what = f"an {replica.kv.id} cache" if replica.kv.bytes_per_element < FULL_CACHE_BYTES else replica.weights.id
        return f"no quality figure is known for {what}"
    if extrapolated(option):
        return f"no measurement of {replica.engine.id} on {replica.gpu.architecture} stands behind its speed"
    return WEAK_PRICES.get(firmness(option.quote))


def price_reason(winner: StrategyId, options: Mapping[StrategyId, Option]) -> str:
    """Its cost beside the next."""
    cost = options[winner].quote.usd_per_month
    others = sorted(
        (option.quote.usd_per_month, name)
        for name, option in options.items()
        if name != winner and option.meets_slo and option.quote.usd_per_month >= cost
    )
    if not others:
        return f"{format_usd(cost)} a month"
    next_cost, name = others[0]
    if as_cheap(next_cost, cost):
        merit = "with one fleet for all tenants" if winner == "multi_tenant" else "and simpler to run"
        return f"{format_usd(cost)} a month, as much as {name.replace('_', ' ')} {merit}"
    return f"{format_usd(cost)} a month; the next, {name.replace('_', ' ')}, costs {format_usd(next_cost)}"


def fit_reason(winner: StrategyId, options: Mapping[StrategyId, Option]) -> str:
    """On owned hardware money is spent already: what counts is what runs, and how well."""
    chosen = options[winner]
    if all(offloads(option) for option in options.values()):
        return "the model exceeds this GPU's memory in every format that runs on it, so part of it goes to host RAM"
    if len(options) == 1 or all(offloads(option) for name, option in options.items() if name != winner):
        return "the only strategy that holds the whole model on this hardware"
    replica = chosen.deployment.replica
    bits = f" in {replica.weights.id}" if replica is not None else ""
    return f"runs entirely on the GPUs at hand{bits}, with the least loss of quality of the strategies that do"


def commitment_reasons(option: Option, context: Context) -> list[str]:
    """What a commitment binds to, and what the same machines cost without it."""
    terms = [line.figure.term for line in option.quote.lines if line.figure and is_commitment(line.figure.term)]
    if not terms:
        return []
    free = [
        line.usd_per_month
        for line in option.quote.alternatives
        if line.figure and line.figure.term == "on-demand" and line.usd_per_month is not None
    ]
    years = int(terms[0].removeprefix("reserved-").removesuffix("y"))
    upfront = any("in advance" in line.note for line in option.quote.lines)
    rent = sum(line.usd_per_month or 0.0 for line in option.quote.serving)
    paid = f", {format_usd(rent * MONTHS_PER_YEAR * years)} paid today" if upfront else ""
    beside = f"; on demand the cheapest seller asks {format_usd(min(free))}" if free else ""
    length = f"{years} year{'s' if years > 1 else ''}"
    worth = f"{context.limits.commitment_premium:.0%} here (--commitment-premium, --term on-demand)"
    return [
        f"that price binds for {length}{paid}: the traffic is steady enough, and the capacity is guaranteed, which is "
        f"worth up to {worth}{beside}"
    ]


def slo_reasons(option: Option, context: Context) -> list[str]:
    """Predicted latency beside the promise."""
    estimate = option.estimate
    if estimate is None:
        return []
    parts = [
        f"{promise.name} {format_seconds(promise.predicted_s)} of {format_seconds(promise.promised_s)}"
        for promise in promises_of(estimate, context.slo, context.demand.shape)
    ]
    where = f"at {estimate.utilization:.0%} of a replica's capacity" if estimate.utilization > 0 else ""
    return [f"predicted {', '.join(parts)} {where}".rstrip()] if parts else []


def quality_reasons(chosen: Option) -> list[str]:
    """What the winner's format loses, as measured."""
    replica = chosen.deployment.replica
    change = chosen.quality.relative_change if chosen.quality else None
    if replica is None or not change:
        return []
    return [f"{replica.weights.id} weights change measured quality by {change:+.1%} (median)"]

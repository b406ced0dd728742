"""Choose among the five rows, and say why."""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome
from llmplan.planner.context import Context
from llmplan.planner.order import as_cheap, comparable_usd, offloads, standing
from llmplan.planner.quality import BEYOND_LIMIT, WITHIN_LIMIT, quality_class
from llmplan.planner.serverless import ALWAYS_ON
from llmplan.planner.terms import is_commitment
from llmplan.units import format_seconds, format_usd

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


def never_idle(option: Option) -> bool:
    """Whether a fleet that could scale to zero would never do so: then it is a rented GPU under another name."""
    return (
        option.deployment.purchase.kind == "serverless" and option.cold.get("mean_running_replicas", 0.0) >= ALWAYS_ON
    )


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
    return "multi_tenant" if shares else min(tied, key=TIE_ORDER.index)


def demanded_saving(own: Option, context: Context) -> float:
    """The fraction by which an option of unknown latency must be cheaper than `own`."""
    fills_two = (own.deployment.replicas or 0) >= 2
    return context.limits.unverified_saving_steady if fills_two else context.limits.unverified_saving


def cheap_enough(api: Option, own: Option, context: Context) -> bool:
    """Whether the saving outweighs that nobody states the latency."""
    return api.quote.usd_per_month <= (1.0 - demanded_saving(own, context)) * own.quote.usd_per_month


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


def reasons_for(
    winner: StrategyId, options: Mapping[StrategyId, Option], api: StrategyId | None, context: Context
) -> list[str]:
    """Why the winner won: its price against the others, its speed against the SLO, its quality, what it beat."""
    chosen = options[winner]
    owned = chosen.deployment.purchase.kind == "owned"
    reasons = [fit_reason(winner, options)] if owned else [price_reason(winner, options)]
    reasons += commitment_reasons(chosen, context)
    reasons += slo_reasons(chosen, context)
    reasons += quality_reasons(winner, options, context)
    if api is not None and options[api].quote.usd_per_month < chosen.quote.usd_per_month:
        cost = format_usd(options[api].quote.usd_per_month)
        reasons.append(
            f"the hosted API would cost {cost}, but nobody states its latency or rate limit; it is recommended over a "
            f"fleet that meets the SLO only when at least {demanded_saving(chosen, context):.0%} cheaper"
        )
    return reasons + idle_reasons(chosen, options)


def idle_reasons(chosen: Option, options: Mapping[StrategyId, Option]) -> list[str]:
    """Why a cheaper fleet by the second was passed over."""
    serverless = options.get("serverless")
    if serverless is None or serverless is chosen or not never_idle(serverless):
        return []
    if serverless.quote.usd_per_month >= chosen.quote.usd_per_month or never_idle(chosen):
        return []
    return [
        f"GPUs by the second would cost {format_usd(serverless.quote.usd_per_month)}, but this traffic never lets them "
        "scale to zero: that is a rented GPU under another name, which its seller may take back or not have"
    ]


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
        return f"{format_usd(cost)} a month, as much as {name.replace('_', ' ')} and simpler to run"
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
    years = terms[0].removeprefix("reserved-").removesuffix("y")
    beside = f"; on demand the cheapest seller asks {format_usd(min(free))}" if free else ""
    return [
        f"that price binds for {years} year(s): this traffic is steady enough, and the capacity is guaranteed, which "
        f"is worth up to {context.limits.commitment_premium:.0%} here (--commitment-premium, --term on-demand){beside}"
    ]


def slo_reasons(option: Option, context: Context) -> list[str]:
    """Predicted latency beside the promise."""
    estimate, slo = option.estimate, context.slo
    if estimate is None:
        return []
    parts = []
    if slo.ttft_p95_s is not None:
        parts.append(f"TTFT p95 {format_seconds(estimate.ttft_p95_s)} of {format_seconds(slo.ttft_p95_s)}")
    if slo.tpot_p95_s is not None:
        parts.append(f"TPOT p95 {format_seconds(estimate.tpot_p95_s)} of {format_seconds(slo.tpot_p95_s)}")
    where = f"at {estimate.utilization:.0%} of a replica's capacity" if estimate.utilization > 0 else ""
    return [f"predicted {', '.join(parts)} {where}".rstrip()] if parts else []


def quality_reasons(winner: StrategyId, options: Mapping[StrategyId, Option], context: Context) -> list[str]:
    """What the format loses, and what a smaller format that was passed over would have saved."""
    chosen = options[winner]
    reasons = []
    replica = chosen.deployment.replica
    change = chosen.quality.relative_change if chosen.quality else None
    if replica is not None and change:
        reasons.append(f"{replica.weights.id} weights change measured quality by {change:+.1%} (median)")
    quantized = options.get("quantized")
    if quantized is not None and winner != "quantized":
        rank = quality_class(quantized.deployment, context.catalog, context.limits)
        saving = 1.0 - quantized.quote.usd_per_month / max(chosen.quote.usd_per_month, 1e-9)
        loss = quantized.quality.relative_change if quantized.quality else None
        if rank == BEYOND_LIMIT and saving > 0 and loss is not None and quantized.deployment.replica is not None:
            reasons.append(
                f"{quantized.deployment.replica.weights.id} would save {saving:.0%} but loses {-loss:.1%}, "
                f"beyond the {context.limits.max_quality_loss:.1%} accepted (--max-quality-loss)"
            )
        elif rank > WITHIN_LIMIT and saving > 0 and loss is None:
            reasons.append("a smaller format would be cheaper, but no quality figure is known for it")
    return reasons

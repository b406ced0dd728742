"""What makes one option better than another: one order for the rows within a strategy and for the five rows."""

from __future__ import annotations

from collections.abc import Sequence

from llmplan.plan.outcome import Option, Quote
from llmplan.planner.context import Context
from llmplan.planner.quality import WITHIN_LIMIT, quality_class
from llmplan.planner.terms import is_commitment

COST_TIE = 0.05
"""Costs within 5 % are the same: neither prices nor predicted fleet sizes are known better than that."""

FAILOVER_REPLICAS = 2
ALWAYS_ON = 0.9
"""Mean running workers from which scale to zero is idle talk."""
OLD_PRICE_DAYS = 365
"""A price older than a year is no firmer than a "from" price."""

FIRM, VAGUE, UNDATED, LOWER_BOUND = 0, 1, 2, 3
VAGUE_QUALITIES = ("advertised", "average")


def as_cheap(usd: float, cheapest_usd: float) -> bool:
    """Whether a cost is as good as the cheapest one.

    >>> as_cheap(104.0, 100.0), as_cheap(106.0, 100.0)
    (True, False)
    """
    return usd <= cheapest_usd * (1.0 + COST_TIE)


def firmness(quote: Quote) -> int:
    """The worst of the lines of what serves: FIRM, VAGUE (a "from" price, somebody's average, or older than a year),
    UNDATED (its source carries no date) or LOWER_BOUND (a charge without a price)."""
    if not quote.complete:
        return LOWER_BOUND
    figures = [line.figure for line in quote.serving if line.figure is not None]
    if any(figure.as_of is None for figure in figures):
        return UNDATED
    old = any(figure.as_of and (quote.as_of - figure.as_of).days > OLD_PRICE_DAYS for figure in figures)
    return VAGUE if old or any(figure.quality in VAGUE_QUALITIES for figure in figures) else FIRM


def comparable_usd(option: Option, context: Context) -> float:
    """Money to compare by: nothing for hardware that is owned, since it is paid for whichever way it is used, and
    less by the premium for machines under a commitment, whose capacity is guaranteed."""
    if option.deployment.purchase.kind == "owned":
        return 0.0
    if committed(option.quote):
        beside = option.quote.beside_usd_per_month
        return beside + (option.quote.usd_per_month - beside) / (1.0 + context.limits.commitment_premium)
    return option.quote.usd_per_month


def committed(quote: Quote) -> bool:
    """Whether every machine of the quote is under a commitment."""
    terms = [line.figure.term for line in quote.serving if line.figure is not None and line.usd_per_month]
    return bool(terms) and all(is_commitment(term) for term in terms)


def offloads(option: Option) -> bool:
    """Whether part of the model is in host memory: the last resort, when nothing else runs it."""
    replica = option.deployment.replica
    return replica is not None and replica.offload is not None and replica.offload.kind != "kv"


def loss_beyond_limit(option: Option, context: Context) -> float:
    """Quality lost, where it matters: beyond the limit the smaller loss is better, within it speed decides."""
    if quality_class(option.deployment, context.catalog, context.limits) == WITHIN_LIMIT:
        return 0.0
    change = option.quality.relative_change if option.quality else None
    return 1.0 if change is None else -change


def standing(option: Option, context: Context, *, any_quality: bool = False) -> tuple[float, ...]:
    """What comes before money, lower is better: no offload, quality within the limit, speed that rests on
    measurements of this engine and GPU generation, a firm price.

    `any_quality` is for the strategy whose lever is to give up quality for money.
    """
    quality = 0 if any_quality else quality_class(option.deployment, context.catalog, context.limits)
    return (float(offloads(option)), float(quality), float(extrapolated(option)), float(firmness(option.quote)))


def extrapolated(option: Option) -> bool:
    """Whether no measurement stands behind the predicted speed."""
    return option.estimate is not None and option.estimate.extrapolated


def has_failover(option: Option) -> bool:
    """Whether another replica answers when one fails."""
    return (option.deployment.replicas or 0) >= FAILOVER_REPLICAS


def merit(option: Option, context: Context) -> tuple[float, ...]:
    """What decides among equal costs, lower is better: what the choice among the rows would not pass over; the smaller
    loss; then on rented machines failover, speed and fewer GPUs, on owned ones fewer GPUs and speed, since an idle GPU
    of one's own can do something else; then money after all.
    """
    passed_over = float(context.slo.is_empty and never_idle(option))
    quality = float(quality_class(option.deployment, context.catalog, context.limits))
    speed = option.estimate.tpot_s.mid if option.estimate else 0.0
    loss = loss_beyond_limit(option, context)
    gpus, alone = float(option.deployment.gpus), float(not has_failover(option))
    owned = option.deployment.purchase.kind == "owned"
    use = (gpus, speed) if owned else (alone, speed, gpus)
    return (passed_over, quality, loss, *use, comparable_usd(option, context))


def best_of(options: Sequence[Option], context: Context, *, any_quality: bool = False) -> Option | None:
    """The best standing, of those the cheapest within `COST_TIE`, of those the best on merit."""
    if not options:
        return None
    first = min(standing(option, context, any_quality=any_quality) for option in options)
    equals = [option for option in options if standing(option, context, any_quality=any_quality) == first]
    cheapest_usd = min(comparable_usd(option, context) for option in equals)
    return min(
        (option for option in equals if as_cheap(comparable_usd(option, context), cheapest_usd)),
        key=lambda option: merit(option, context),
    )


def never_idle(option: Option) -> bool:
    """Whether a fleet that could scale to zero would never do so: then it is a rented GPU under another name."""
    return (
        option.deployment.purchase.kind == "serverless" and option.cold.get("mean_running_replicas", 0.0) >= ALWAYS_ON
    )


def demanded_saving(own: Option, context: Context) -> float:
    """The fraction by which an option of unknown latency must be cheaper than `own`."""
    return context.limits.unverified_saving_steady if has_failover(own) else context.limits.unverified_saving

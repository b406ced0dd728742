"""What makes one option better than another: one order for the rows within a strategy and for the five rows."""

from __future__ import annotations

import math

from llmplan.plan.outcome import Option, Quote
from llmplan.planner.context import Context
from llmplan.planner.quality import WITHIN_LIMIT, quality_class

COST_TIE = 0.005
"""Costs within half a per cent are the same: prices are not known better than that."""

FIRM, VAGUE, UNDATED, LOWER_BOUND = 0, 1, 2, 3
VAGUE_QUALITIES = ("advertised", "average")


def round_to_tie(usd: float) -> float:
    """Money on a logarithmic grid of `COST_TIE`, so that equal costs compare equal.

    >>> round_to_tie(100.0) == round_to_tie(100.1)
    True
    """
    return 0.0 if usd <= 0 else round(math.log(usd) / COST_TIE)


def firmness(quote: Quote) -> int:
    """FIRM, VAGUE (a "from" price or somebody's average), UNDATED (its source carries no date) or LOWER_BOUND (a
    charge without a price): the worst of its lines."""
    if not quote.complete:
        return LOWER_BOUND
    figures = [line.figure for line in quote.lines if line.figure is not None]
    if any(figure.as_of is None for figure in figures):
        return UNDATED
    return VAGUE if any(figure.quality in VAGUE_QUALITIES for figure in figures) else FIRM


def comparable_cost(option: Option) -> float:
    """Money to compare by; hardware that is owned is paid for whichever way it is used."""
    return 0.0 if option.deployment.purchase.kind == "owned" else round_to_tie(option.quote.usd_per_month)


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


def order_key(option: Option, context: Context, *, cost_before_quality: bool = False) -> tuple[float, ...]:
    """Lower is better.

    No offload, quality within the limit, a firm price, cost, the smaller loss, speed, fewer GPUs.
    `cost_before_quality` is for the strategy whose lever is to give up quality for money.
    """
    quality = float(quality_class(option.deployment, context.catalog, context.limits))
    speed = option.estimate.tpot_s.mid if option.estimate else 0.0
    cost = comparable_cost(option)
    firm = float(firmness(option.quote))
    head = (firm, cost, quality) if cost_before_quality else (quality, firm, cost)
    return (float(offloads(option)), *head, loss_beyond_limit(option, context), speed, float(option.deployment.gpus))

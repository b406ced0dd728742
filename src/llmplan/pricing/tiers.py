"""A bill whose rate falls, or starts to count, as the month's quantity grows: traffic out of a cloud."""

from __future__ import annotations

from collections.abc import Sequence

from llmplan.spec.price import CostFact, PriceTier


def tiered_usd(quantity: float, tiers: Sequence[PriceTier]) -> float:
    """What a month's quantity costs when each part of it is billed at the rate of the tier that it falls into.

    Parameters
    ----------
    quantity : the month's quantity [the unit of the tiers, GB for traffic]
    tiers : rates [USD per unit], each up to a quantity counted from the month's first unit; the last has no end

    Notes
    -----
    usd = sum over tiers of rate x max(0, min(quantity, end) - start), where a tier starts where the one before ends.
    Continuous, monotone and piecewise linear in the quantity. Valid for quantities of 0 or more; a negative one costs
    nothing.

    References
    ----------
    AWS, "EC2 on-demand pricing", data transfer out: "first 10 TB / month", "next 40 TB / month", ...

    >>> aws = (PriceTier(up_to=100, usd=0), PriceTier(up_to=10_000, usd=0.09), PriceTier(up_to=None, usd=0.085))
    >>> [round(tiered_usd(gb, aws), 2) for gb in (50, 100, 1_000, 20_000)]
    [0.0, 0.0, 81.0, 1741.0]
    """
    total, start = 0.0, 0.0
    for tier in tiers:
        end = quantity if tier.up_to is None else min(quantity, tier.up_to)
        total += tier.usd * max(0.0, end - start)
        start = max(start, end)
    return total


def fact_usd(quantity: float, fact: CostFact) -> float:
    """What a month's quantity costs at a rate that is stated with or without tiers.

    Parameters
    ----------
    quantity : the month's quantity [the quantity in the fact's unit]
    fact : the rate [USD per unit]

    Notes
    -----
    usd = `tiered_usd` where the fact has tiers, else quantity x value. Valid for quantities of 0 or more.

    References
    ----------
    The source of the fact.
    """
    return tiered_usd(quantity, fact.tiers) if fact.tiers else quantity * fact.value

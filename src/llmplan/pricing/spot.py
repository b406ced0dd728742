"""Spot machines are taken away at times: how often, for how long, and how many more carry the load all the same."""

from __future__ import annotations

import math
from typing import Final

from llmplan.units import SECONDS_PER_MONTH

CARRIED: Final = 0.999
"""Share of the time in which enough machines are there. A choice: 44 minutes of a month."""


def interruptions_per_month(bucket: str | None) -> float | None:
    """How often one machine is taken away, from the share of machines that were within a month.

    Parameters
    ----------
    bucket : as published, `<5%`, `5-10%` ... `>20%` [-]

    Notes
    -----
    share = 1 - exp(-rate), so rate = -ln(1 - share), at the upper end of the bucket: the cautious one. The last bucket
    has no upper end, and its rate is then a least one. None where nothing is published. Valid for interruptions that
    come at any time alike.

    References
    ----------
    AWS Spot Instance Advisor: frequency of interruption, the rate over the trailing month.

    >>> round(interruptions_per_month("5-10%"), 4), round(interruptions_per_month(">20%"), 4)
    (0.1054, 0.2231)
    >>> interruptions_per_month(None)
    """
    if not bucket:
        return None
    share = float(bucket.strip("<>% ").rpartition("-")[2]) / 100.0
    return -math.log(1.0 - share)


def availability(per_month: float, recovery_s: float) -> float:
    """Share of the time in which one machine is there.

    Parameters
    ----------
    per_month : interruptions of one machine [1/month]
    recovery_s : from an interruption until a replacement answers [s]

    Notes
    -----
    a = up / (up + down) = 1 / (1 + rate x recovery / month), with the rate counted over the time that it is up.
    Valid where a replacement can be had at once; where spot capacity is gone it takes as long as that lasts.

    References
    ----------
    Renewal theory: the availability of a machine with mean time to failure and to repair.

    >>> round(availability(30.0, 300.0), 5)
    0.99659
    """
    return 1.0 / (1.0 + per_month * recovery_s / SECONDS_PER_MONTH)


def machines_for(needed: int, share: float, carried: float = CARRIED) -> int:
    """The fewest machines of which `needed` are there for `carried` of the time.

    Parameters
    ----------
    needed : machines that carry the load [-]
    share : of the time in which one of them is there [-]
    carried : of the time in which enough of them are [-]

    Notes
    -----
    The least n with P(X >= needed) >= carried for X ~ Binomial(n, share). Valid for machines that are taken away
    independently of each other. Those of one kind in one zone are often taken together, and then more machines of that
    kind help less than this says: spread them, or keep some on demand.

    References
    ----------
    The binomial distribution; k-out-of-n systems.

    >>> machines_for(4, 0.9966), machines_for(4, 1.0), machines_for(100, 0.9)
    (5, 4, 124)
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"a machine is there for a share of the time in (0, 1], not {share}")
    low, high = needed - 1, needed
    while _there(high, needed, share) < carried:
        low, high = high, high + max(1, high - needed) * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _there(middle, needed, share) >= carried else (middle, high)
    return high


def _there(machines: int, needed: int, share: float) -> float:
    """P(at least `needed` of `machines` are there)."""
    if share >= 1.0:
        return 1.0
    up, down = math.log(share), math.log1p(-share)
    all_ways = math.lgamma(machines + 1)
    return math.fsum(
        math.exp(
            all_ways - math.lgamma(gone + 1) - math.lgamma(machines - gone + 1) + gone * down + (machines - gone) * up
        )
        for gone in range(machines - needed + 1)
    )

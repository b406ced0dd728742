"""The lowest rent at which a GPU can be had at all: a bound by which hopeless proposals are dropped early."""

from __future__ import annotations

from llmplan.pricing.select import rentable
from llmplan.spec.price import PriceBook
from llmplan.spec.workload import Limits


def cheapest_usd_per_gpu_hour(gpu_id: str, limits: Limits, prices: PriceBook) -> float | None:
    """Lower bound of the hourly rent of one GPU within the limits, None if nobody rents it out.

    Parameters
    ----------
    gpu_id : catalogue id of the GPU [-]
    limits : sellers, regions and terms that may be used [-]
    prices : the price book [-]

    Notes
    -----
    min over offers of instance price / GPUs of the instance, as if every GPU of an instance were used. A real
    deployment buys instances whole and never pays less per GPU that it uses.

    References
    ----------
    The offers in `profiles/prices/`.

    >>> from datetime import date
    >>> cheapest_usd_per_gpu_hour("h100-sxm-80gb", Limits(), PriceBook(as_of=date(2026, 11, 25))) is None
    True
    """
    rates = [offer.usd_per_hour / offer.gpus for offer in rentable(gpu_id, limits, limits.terms, prices)]
    return min(rates, default=None)

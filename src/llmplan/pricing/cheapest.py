"""The lowest rent at which a GPU can be had at all: a bound by which hopeless proposals are dropped early."""

from __future__ import annotations

import math

from llmplan.pricing.beside import Beside, beside_rent
from llmplan.pricing.index import index_of
from llmplan.pricing.select import rentable
from llmplan.pricing.sellers import limits_key
from llmplan.pricing.volume import monthly_volume
from llmplan.spec.expenses import Expenses
from llmplan.spec.price import PriceBook
from llmplan.spec.workload import Limits, Workload
from llmplan.units import HOURS_PER_MONTH


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


def least_usd_per_month(
    gpu_id: str,
    gpus: int,
    replicas: int,
    limits: Limits,
    prices: PriceBook,
    workload: Workload,
    expenses: Expenses,
) -> float:
    """Lower bound of the month's bill of a fleet within the limits, 0 if nobody rents the GPU out.

    Parameters
    ----------
    gpu_id : catalogue id of the GPU [-]
    gpus : that the fleet has at least [-]
    replicas : that it has at least [-]
    limits : sellers, regions and terms that may be used [-]
    prices : the price book [-]
    workload : whose answers leave the cloud [-]
    expenses : what else is paid [-]

    Notes
    -----
    min over sellers of gpus x 730 h x the cheapest rent per GPU + what comes beside the replicas there, their weights
    left out.

    References
    ----------
    `cheapest_usd_per_gpu_hour`, `beside_rent`.
    """
    answers = index_of(prices).answers
    tokens = monthly_volume(workload).output_tokens or 0.0
    beside = Beside(expenses=expenses, output_tokens=tokens, several=replicas > 1)
    key = ("least", gpu_id, gpus, limits_key(limits), limits.terms, beside)
    known: float | None = answers.get(key)
    if known is None:
        rates: dict[str, float] = {}
        for offer in rentable(gpu_id, limits, limits.terms, prices):
            rates[offer.provider] = min(rates.get(offer.provider, math.inf), offer.usd_per_hour / offer.gpus)
        known = answers[key] = min(
            (
                gpus * HOURS_PER_MONTH * rate + beside_rent(seller, 0, beside, prices).usd
                for seller, rate in rates.items()
            ),
            default=0.0,
        )
    return known

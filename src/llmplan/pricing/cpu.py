"""Which machine without a GPU to rent for a router or a control node."""

from __future__ import annotations

from llmplan.pricing.firmness import QUALITY_RANK
from llmplan.pricing.index import index_of
from llmplan.spec.price import GLOBAL_REGION, CpuArchitecture, CpuOffer, PriceBook, Term
from llmplan.units import GIB


def cheapest_cpu(
    prices: PriceBook,
    *,
    provider: str,
    vcpus: float,
    memory_gib: float,
    region: str | None = None,
    term: Term = "on-demand",
    architecture: CpuArchitecture | None = "x86-64",
) -> CpuOffer | None:
    """The cheapest of a seller's machines with at least so many vCPUs and so much memory, None if there is none.

    Undated offers count only where the seller has nothing dated that is large enough. `region` None takes the cheapest
    of all regions, `architecture` None either kind; an image for one kind does not run on the other.
    """
    answers = index_of(prices).answers
    key = ("cheapest-cpu", provider, vcpus, memory_gib, region, term, architecture)
    if key not in answers:
        fitting = [
            offer
            for offer in prices.cpu
            if (offer.provider, offer.term) == (provider, term)
            and (architecture is None or offer.architecture == architecture)
            and (region is None or offer.region in (region, GLOBAL_REGION))
            and offer.vcpus >= vcpus
            and offer.memory_bytes >= memory_gib * GIB
        ]
        answers[key] = min(fitting, key=_order, default=None)
    found: CpuOffer | None = answers[key]
    return found


def _order(offer: CpuOffer) -> tuple[object, ...]:
    return (
        offer.from_date is None, offer.usd_per_hour, QUALITY_RANK[offer.quality], offer.region, offer.instance,
    )  # fmt: skip

"""Which rate of a charge beside the machines holds at a seller: its own, its company's, or what other sellers state."""

from __future__ import annotations

import math
from dataclasses import replace

from llmplan.plan.outcome import PriceFigure, QuoteLine
from llmplan.pricing.figures import fact_figure
from llmplan.pricing.index import index_of
from llmplan.pricing.market import median_fact
from llmplan.pricing.tiers import fact_usd
from llmplan.spec.price import GLOBAL_REGION, CostFact, PriceBook

OTHERS = "other sellers"
"""the provider of a rate that a seller does not state: the median of those who do"""


def rate_at(provider: str, name: str, prices: PriceBook) -> CostFact | None:
    """The rate `name` at a seller; where neither it nor its company states one, the median of the sellers of its kind
    (`Provider.tier`) that do, else of all that do; else None. Clouds of GPUs do not charge as the large ones.
    """
    answers = index_of(prices).answers
    key = ("rate", name, provider)
    if key not in answers:
        own = (prices.facts.get(f"{each}.{name}") for each in (provider, *_relatives(provider, prices)))
        seller = prices.providers.get(provider)
        answers[key] = (
            next((fact for fact in own if fact is not None), None)
            or (_median_of(seller.tier, name, prices) if seller is not None else None)
            or median_fact(prices, name)
        )
    found: CostFact | None = answers[key]
    return found


def assumed_rates(name: str, prices: PriceBook) -> list[CostFact]:
    """What may be assumed of a rate: the median of each kind of seller, and of all of them."""
    tiers = sorted({seller.tier for seller in prices.providers.values()})
    found = [*(_median_of(tier, name, prices) for tier in tiers), median_fact(prices, name)]
    return [fact for fact in found if fact is not None]


def _median_of(tier: str, name: str, prices: PriceBook) -> CostFact | None:
    """The median of what sellers of one kind state."""
    alike = {
        key: fact
        for key, fact in prices.facts.items()
        if (seller := prices.providers.get(fact.id.rpartition(".")[0])) is not None and seller.tier == tier
    }
    return median_fact(replace(prices, facts=alike), name)


def rate_figure(fact: CostFact) -> PriceFigure:
    """The figure behind a line at such a rate."""
    if fact.provenance.kind != "assumed":
        return fact_figure(fact)
    return replace(fact_figure(fact), provider=OTHERS, quality="assumed")


def stated_figure(flag: str, prices: PriceBook) -> PriceFigure:
    """The figure behind a line at a rate that the asker states."""
    return PriceFigure(
        provider="you", region=GLOBAL_REGION, term="stated", instance=flag, source="stated with the question",
        as_of=prices.as_of, quality="stated",
    )  # fmt: skip


def charge(
    name: str, quantity: float, unit: str, rate: CostFact | float, figure: PriceFigure, *, note: str = ""
) -> QuoteLine:
    """A line beside the machines: quantity x rate; at a rate in tiers, the mean that the quantity comes to."""
    if isinstance(rate, CostFact):
        usd = fact_usd(quantity, rate)
        price = usd / quantity if quantity and rate.tiers else rate.value
        own = said_of(rate)
        if figure.quality == "assumed":
            own = "; ".join(part for part in (f"assumed, the seller states none: {figure.source}", own) if part)
        note = "; ".join(part for part in (note, _tiers(quantity, unit, rate), own) if part)
    else:
        usd, price = quantity * rate, rate
    return QuoteLine(
        name=name, quantity=quantity, unit=unit, unit_price_usd=price, usd_per_month=usd, figure=figure, note=note,
        beside=True,
    )  # fmt: skip


def said_of(fact: CostFact) -> str:
    """What its collector says of a figure, and how sure it is."""
    sure = f"confidence {fact.confidence}" if fact.confidence else ""
    return "; ".join(part for part in (fact.provenance.note, sure) if part)


def _tiers(quantity: float, unit: str, fact: CostFact) -> str:
    """The rates that a quantity comes across."""
    crossed, start = [], 0.0
    for tier in fact.tiers:
        if quantity > start:
            crossed.append(f"${tier.usd:g}" + ("" if tier.up_to is None else f" up to {tier.up_to:,.0f} {unit}"))
        start = tier.up_to if tier.up_to is not None else math.inf
    return f"the mean of {', '.join(crossed)}" if len(crossed) > 1 else ""


def _relatives(provider: str, prices: PriceBook) -> list[str]:
    """Other names of the same company."""
    seller = prices.providers.get(provider)
    if seller is None or seller.company is None:
        return []
    return sorted(
        each.id
        for each in prices.providers.values()
        if seller.company in (each.company, each.id) and each.id != provider
    )

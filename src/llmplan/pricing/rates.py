"""Which rate of a charge beside the machines holds at a seller: its own, its company's, or what other sellers state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmplan.plan.outcome import PriceFigure, QuoteLine
from llmplan.pricing.figures import fact_figure
from llmplan.pricing.index import index_of
from llmplan.pricing.market import median_fact
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
    """A line beside the machines: quantity x rate."""
    price = rate.value if isinstance(rate, CostFact) else rate
    own = said_of(rate) if isinstance(rate, CostFact) else ""
    if figure.quality == "assumed":
        own = "; ".join(part for part in (f"assumed, the seller states none: {figure.source}", own) if part)
    note = "; ".join(part for part in (note, own) if part)
    return QuoteLine(
        name=name, quantity=quantity, unit=unit, unit_price_usd=price, usd_per_month=quantity * price, figure=figure,
        note=note, beside=True,
    )  # fmt: skip


def in_tiers(quantity: float, fact: CostFact) -> Iterator[tuple[float, float, CostFact]]:
    """What of a month's quantity is billed at which rate: where it begins, how much it is, and the rate as a fact.

    One part without tiers. Parts that cost nothing are left out: their rate is no line of a bill.
    """
    start = 0.0
    for tier in fact.tiers:
        end = quantity if tier.up_to is None else min(quantity, tier.up_to)
        if end > start and tier.usd > 0:
            yield start, end - start, replace(fact, value=tier.usd)
        start = max(start, end)
    if not fact.tiers:
        yield 0.0, quantity, fact


def said_of(fact: CostFact) -> str:
    """What its collector says of a figure, and how sure it is."""
    sure = f"confidence {fact.confidence}" if fact.confidence else ""
    return "; ".join(part for part in (fact.provenance.note, sure) if part)


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

"""Which rate of a charge beside the machines holds at a seller: its own, its company's, or what other sellers state."""

from __future__ import annotations

from dataclasses import replace

from llmplan.plan.outcome import PriceFigure, QuoteLine
from llmplan.pricing.figures import fact_figure
from llmplan.pricing.index import index_of
from llmplan.pricing.market import median_fact
from llmplan.spec.price import GLOBAL_REGION, CostFact, PriceBook

OTHERS = "other sellers"
"""the provider of a rate that a seller does not state: the median of those who do"""


def rate_at(provider: str, name: str, prices: PriceBook) -> CostFact | None:
    """The rate `name` at a seller; where neither it nor its company states one, the median of who does; else None."""
    answers = index_of(prices).answers
    key = ("rate", name, provider)
    if key not in answers:
        own = (prices.facts.get(f"{each}.{name}") for each in (provider, *_relatives(provider, prices)))
        answers[key] = next((fact for fact in own if fact is not None), None) or median_fact(prices, name)
    found: CostFact | None = answers[key]
    return found


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
    own = rate.provenance.note or "" if isinstance(rate, CostFact) else ""
    if figure.quality == "assumed":
        own = f"assumed, the seller states none: {figure.source}"
    return QuoteLine(
        name=name,
        quantity=quantity,
        unit=unit,
        unit_price_usd=price,
        usd_per_month=quantity * price,
        figure=figure,
        note="; ".join(part for part in (note, own) if part),
        beside=True,
    )


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

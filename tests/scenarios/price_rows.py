"""Where the figure behind a printed amount stands in the price book: the row that it names, at the rate that it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmplan.pricing.rates import OTHERS, assumed_rates
from llmplan.spec.price import CostFact, HourlyOffer, PriceBook, ServerlessOffer, TokenOffer

Line = dict[str, Any]
SELLERS = re.compile(r"median of what \d+ sellers state: (.+)")


def found(line: Line, prices: PriceBook) -> bool:
    """Whether the price book has the row, with this seller, product, region, term, source, day and rate."""
    figure = line["figure"]
    if figure["quality"] == "stated":
        return bool(figure["provider"] == "you" and figure["instance"].startswith("--"))
    rates = [rate for names, rate in _rates(figure["term"], line, prices) if names == _names(figure)]
    if figure["provider"] == OTHERS:
        return any(same(rate, line["unit_price_usd"]) for rate in _medians(figure, prices))
    if line["unit"] == "month" and figure["term"] in ("per second", "per token") and line["name"] != "plan fee":
        return bool(rates)  # a whole bill of another seller: its row is named, its total is not a rate
    return any(same(rate, line["unit_price_usd"]) for rate in rates)


def same(one: float | None, other: float | None) -> bool:
    """Equal to a ten-billionth, or both not known."""
    return one == other or (one is not None and other is not None and abs(one - other) <= 1e-10 * max(one, other))


def _names(figure: Line) -> tuple[Any, ...]:
    return figure["provider"], figure["instance"], figure["region"], figure["term"], figure["source"], figure["as_of"]


def _rates(term: str, line: Line, prices: PriceBook) -> Iterator[tuple[tuple[Any, ...], float | None]]:
    """Every rate on such terms, under the names that a figure gives."""
    if term == "rate":
        yield from (each for fact in prices.facts.values() for each in _of_fact(fact, line))
    elif term == "per second":
        yield from ((_offer_names(offer, term), rate) for offer in prices.serverless for rate in _seconds(offer))
    elif term == "per token":
        yield from ((_offer_names(offer, term), rate) for offer in prices.tokens for rate in _tokens(offer))
    else:
        yield from ((_offer_names(offer, offer.term), offer.usd_per_hour) for offer in prices.hourly)


def _offer_names(offer: HourlyOffer | ServerlessOffer | TokenOffer, term: str) -> tuple[Any, ...]:
    if isinstance(offer, HourlyOffer):
        product = offer.instance
    else:
        product = offer.listed_as if isinstance(offer, TokenOffer) else f"{offer.gpu_id}, {offer.mode}"
    day = offer.from_date.isoformat() if offer.from_date else None
    return offer.provider, product, offer.region, term, offer.provenance.source.title, day


def _seconds(offer: ServerlessOffer) -> tuple[float | None, ...]:
    return offer.usd_per_gpu_s, offer.usd_per_vcpu_s, offer.usd_per_gib_s, offer.plan_fee_usd_per_month


def _tokens(offer: TokenOffer) -> tuple[float | None, ...]:
    return offer.input_usd_per_mtok, offer.cached_input_usd_per_mtok, offer.output_usd_per_mtok


def _of_fact(fact: CostFact, line: Line) -> Iterator[tuple[tuple[Any, ...], float | None]]:
    """A fact under its names: at its rate, at that of each tier, and at the mean over the tiers that are reached."""
    provider, _, name = fact.id.rpartition(".")
    when = fact.provenance.as_of.isoformat() if fact.provenance.as_of else None
    names = (provider or "general", name, "global", "rate", fact.provenance.source.title, when)
    yield names, fact.value
    yield from ((names, tier.usd) for tier in fact.tiers)
    if line["unit"] == "GPU-month":  # derived from the price of a server or a share of it: the note has the arithmetic
        yield names, line["unit_price_usd"]
    if fact.tiers and line["quantity"]:
        yield names, _tiered(line["quantity"], fact) / line["quantity"]


def _tiered(quantity: float, fact: CostFact) -> float:
    total, start = 0.0, 0.0
    for tier in fact.tiers:
        end = quantity if tier.up_to is None else min(quantity, tier.up_to)
        total, start = total + tier.usd * max(0.0, end - start), max(start, end)
    return total


def _medians(figure: Line, prices: PriceBook) -> Iterator[float]:
    """What may be assumed under this name, of the sellers that the source of the figure names, each with its rate."""
    named = SELLERS.fullmatch(figure["source"])
    assert named, f"an assumed rate does not say whose: {figure['source']}"
    for each in named[1].split(", "):
        seller, _, rate = each.rpartition(" ")
        assert same(prices.facts[f"{seller}.{figure['instance']}"].value, float(rate)), each
    yield from (fact.value for fact in assumed_rates(figure["instance"], prices))

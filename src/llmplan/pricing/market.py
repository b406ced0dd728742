"""What the market asks: the median of each seller's prices first, then the median over sellers.

One cloud lists eight hundred rows and another three; a median over rows would be that cloud's price list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Final, Literal, TypeAlias

from llmplan.pricing.firmness import drop_undated, prefer
from llmplan.pricing.index import index_of
from llmplan.pricing.sellers import allowed
from llmplan.spec.price import TERMS, CostFact, HourlyOffer, PriceBook, ServerlessOffer, Term
from llmplan.spec.provenance import Provenance, Source
from llmplan.spec.workload import Limits
from llmplan.units import SECONDS_PER_HOUR

MarketTerm: TypeAlias = Term | Literal["per-second"]
PER_SECOND: Final = "per-second"
EVERY_SELLER: Final = Limits(include_marketplaces=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerMedian:
    """One seller's median price of a GPU-hour, over its machines and regions."""

    provider: str
    usd_per_gpu_hour: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketMedian:
    """What a GPU-hour costs on one term [USD/GPU-h].

    `usd_per_gpu_hour` is the median over `sellers`, each of which counts once. `low_` and `high_` are the least and the
    greatest single price. `weak_rows` are lowest advertised prices, or means where nothing firmer was known;
    `left_out_rows` are the rows beside which there are firmer ones: means, undated rows of a seller that also has dated
    ones, advertised prices per second, and parts of a GPU.
    """

    gpu_id: str
    term: MarketTerm
    usd_per_gpu_hour: float
    low_usd_per_gpu_hour: float
    high_usd_per_gpu_hour: float
    sellers: tuple[SellerMedian, ...]
    rows: int
    weak_rows: int
    undated_rows: int
    left_out_rows: int
    oldest: date | None
    newest: date | None


def market_medians(
    prices: PriceBook, *, limits: Limits = EVERY_SELLER, gpu_ids: Iterable[str] | None = None
) -> tuple[MarketMedian, ...]:
    """The market price of every GPU and term that anybody sells, by GPU id and then by term.

    `limits` decides about sellers, regions and marketplaces (included unless it says otherwise); its `terms` do not
    count, so that terms can be set side by side. The rules of firmness are those by which offers are picked.
    """
    index, accept = index_of(prices), allowed(limits, prices.providers)
    wanted = sorted({*index.hourly, *index.serverless} if gpu_ids is None else set(gpu_ids))
    found = []
    for gpu_id in wanted:
        hourly = [offer for offer in index.hourly.get(gpu_id, ()) if accept(offer)]
        found += [_hourly(gpu_id, term, [offer for offer in hourly if offer.term == term]) for term in TERMS]
        found.append(_serverless(gpu_id, [offer for offer in index.serverless.get(gpu_id, ()) if accept(offer)]))
    return tuple(each for each in found if each is not None)


def median_fact(prices: PriceBook, name: str) -> CostFact | None:
    """A rate for who names no seller: the median of what sellers state under `name`, as an assumed figure.

    None if no seller states it. Its source names the sellers; its date is that of the oldest of their figures.
    """
    stated = sorted(
        (fact for fact in prices.facts.values() if fact.id.rpartition(".")[2] == name and "." in fact.id),
        key=lambda fact: (fact.value, fact.id),
    )
    units = {fact.unit for fact in stated}
    if len(units) != 1:
        return None
    sellers = [fact.id.rpartition(".")[0] for fact in stated]
    each = ", ".join(f"{seller} {fact.value:g}" for seller, fact in zip(sellers, stated, strict=True))
    dates = [fact.provenance.as_of for fact in stated if fact.provenance.as_of is not None]
    undated = len(stated) - len(dates)
    source = Source(id=f"median-{name}", title=f"median of what {len(stated)} sellers state: {each}")
    return CostFact(
        id=name,
        value=median(fact.value for fact in stated),
        low=stated[0].value,
        high=stated[-1].value,
        unit=units.pop(),
        provenance=Provenance(
            source=source, as_of=min(dates, default=None), kind="assumed",
            note=f"{undated} of them undated" if undated else None,
        ),
    )  # fmt: skip


def _hourly(gpu_id: str, term: Term, offers: Sequence[HourlyOffer]) -> MarketMedian | None:
    whole = [offer for offer in offers if offer.gpus >= 1 and float(offer.gpus).is_integer()]
    firm = prefer(drop_undated(whole), "average")
    return _median(gpu_id, term, [(offer, offer.usd_per_hour / offer.gpus) for offer in firm], len(offers))


def _serverless(gpu_id: str, offers: Sequence[ServerlessOffer]) -> MarketMedian | None:
    """A rate that is sold under several plans counts once."""
    rates = {
        (offer.provider, offer.region, offer.mode.partition(" (plan ")[0], offer.usd_per_gpu_s): offer
        for offer in offers
    }
    firm = prefer(drop_undated(list(rates.values())), "advertised", "average")
    return _median(gpu_id, PER_SECOND, [(offer, offer.usd_per_gpu_s * SECONDS_PER_HOUR) for offer in firm], len(rates))


def _median(
    gpu_id: str, term: MarketTerm, priced: Sequence[tuple[HourlyOffer | ServerlessOffer, float]], known: int
) -> MarketMedian | None:
    if not priced:
        return None
    by_seller: dict[str, list[float]] = defaultdict(list)
    for offer, price in priced:
        by_seller[offer.provider].append(price)
    sellers = sorted(
        (
            SellerMedian(provider=name, usd_per_gpu_hour=median(group), rows=len(group))
            for name, group in by_seller.items()
        ),
        key=lambda each: (each.usd_per_gpu_hour, each.provider),
    )
    dates = [offer.from_date for offer, _ in priced if offer.from_date is not None]
    return MarketMedian(
        gpu_id=gpu_id,
        term=term,
        usd_per_gpu_hour=median(each.usd_per_gpu_hour for each in sellers),
        low_usd_per_gpu_hour=min(price for _, price in priced),
        high_usd_per_gpu_hour=max(price for _, price in priced),
        sellers=tuple(sellers),
        rows=len(priced),
        weak_rows=sum(offer.quality in ("advertised", "average") for offer, _ in priced),
        undated_rows=len(priced) - len(dates),
        left_out_rows=known - len(priced),
        oldest=min(dates, default=None),
        newest=max(dates, default=None),
    )

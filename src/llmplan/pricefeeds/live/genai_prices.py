"""genai-prices: what token APIs ask, kept by hand from the sellers' pages under the MIT licence.

A list of sellers `{"id", "name", "pricing_urls", "models": [...]}`; a model has `id`, `context_window` and `prices`:
USD per million tokens (`input_mtok`, `output_mtok`, `cache_read_mtok`), or a list of `{"constraint", "prices"}` whose
last entry in force counts. A price may be `{"base", "tiers"}`: it depends on the length of the request and is left out.

References: https://github.com/pydantic/genai-prices, prices/new_data/v2/data.schema.json and data.json.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from llmplan.pricefeeds.live.feed import Asked, Document, Fetched, Source, seller_head
from llmplan.pricefeeds.live.limits import FeedError
from llmplan.pricefeeds.model_names import hub_model
from llmplan.pricefeeds.sources import SourceBook
from llmplan.pricefeeds.tables import COLUMNS
from llmplan.pricefeeds.tokens import token_offers

PATH: Final = "/new_data/v2/data.json"
SELLERS: Final = {"aws": "bedrock", "moonshotai": "moonshot"}
"""Its sellers that the catalogue has under another id; the others that it has are named alike."""
NOT_SELLERS: Final = ("google", "azure")
"""Several price lists under one name there: which of the catalogue's sellers is meant, takes a guess."""
_TITLE: Final = "genai-prices"
_TIERED = object()


def fetch(asked: Asked) -> Fetched:
    """The prices of open-weight models by every seller that the catalogue has."""
    where = asked.endpoint.url(PATH)
    stated = asked.client.json(where)
    if not isinstance(stated, list):
        raise FeedError(f"{where}: a list of sellers is expected")
    documents: dict[str, Any] = {}
    left_out: Counter[str] = Counter()
    for entry in stated:
        if not isinstance(entry, dict) or not isinstance(entry.get("models"), list):
            raise FeedError(f"{where}: a seller without a list of models")
        seller = SELLERS.get(str(entry.get("id")), str(entry.get("id")))
        if seller not in asked.known or entry.get("id") in NOT_SELLERS:
            continue
        document = _document(entry, asked, seller, where, left_out)
        if document is not None:
            documents[seller] = document
    if not documents:
        raise FeedError(f"{where}: no model of a seller that the catalogue has")
    notes = tuple(f"{count} models {why}" for why, count in sorted(left_out.items()))
    return Fetched(documents=documents, notes=notes)


def _document(
    entry: Mapping[str, Any], asked: Asked, seller: str, where: str, left_out: Counter[str]
) -> dict[str, Any] | None:
    rows = []
    for model in entry["models"]:
        row = _row(model, asked.today, where, left_out)
        if row is not None:
            rows.append({**dict.fromkeys(COLUMNS["token_api_prices"], ""), "provider": seller, **row})
    sources = SourceBook(asked.today)
    offers = token_offers(rows, sources)
    if not offers:
        return None
    pages = ", ".join(str(page) for page in entry.get("pricing_urls") or ())
    book = {name: {**source, "url": where} for name, source in sources.entries.items()}
    for source in book.values():
        source.update({"locator": pages} if pages else {})
    return {
        **seller_head(asked.known, seller), "sources": book, "tokens": _as_listed(offers, asked.known[seller])
    }  # fmt: skip


def _row(model: Any, today: date, where: str, left_out: Counter[str]) -> dict[str, str] | None:
    """One model as a row of the token table; None for one that is not sold by plain tokens, or that takes a guess."""
    if not isinstance(model, dict) or not isinstance(model.get("id"), str):
        raise FeedError(f"{where}: a model without an id")
    if hub_model(model["id"]) is None:
        left_out["whose name leaves open which weights are meant"] += 1
        return None
    prices = in_force(model.get("prices"), today)
    given = [_price(prices, key, where, model["id"]) for key in ("input_mtok", "output_mtok", "cache_read_mtok")]
    if _TIERED in given:
        left_out["whose price depends on the length of the request"] += 1
        return None
    if given[0] is None or given[1] is None:
        return None
    return {
        "model": model["id"], "source": _TITLE, "as_of": today.isoformat(),
        "input_usd_per_mtok": _text(given[0]), "output_usd_per_mtok": _text(given[1]),
        "cached_input_usd_per_mtok": _text(given[2]), "context": _text(model.get("context_window")),
    }  # fmt: skip


def in_force(prices: Any, today: date) -> Mapping[str, Any]:
    """The prices of a day: the last of a list whose start has come; those of some hours of the day do not count.

    >>> later = {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 2}}
    >>> in_force([{"prices": {"input_mtok": 1}}, later], date(2026, 12, 31))
    {'input_mtok': 1}
    """
    if isinstance(prices, dict):
        return prices
    for entry in reversed(prices if isinstance(prices, list) else []):
        constraint = entry.get("constraint") if isinstance(entry, dict) else {"unknown": True}
        if not constraint or str(constraint.get("start_date", "9999")) <= today.isoformat():
            found = entry.get("prices")
            return found if isinstance(found, dict) else {}
    return {}


def _price(prices: Mapping[str, Any], key: str, where: str, model: str) -> Any:
    value = prices.get(key)
    if isinstance(value, dict):
        return _TIERED
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise FeedError(f"{where}: {model}: {key}: {value!r} is not a price")
    return value


def _text(value: Any) -> str:
    return "" if value is None else repr(value)


def _as_listed(offers: list[dict[str, Any]], known: Document) -> list[dict[str, Any]]:
    """The offers under the names that the catalogue already has for them, where exactly one listing fits: sellers'
    names differ from list to list, and a new price must replace the old one, not stand beside it."""
    listings = defaultdict(set)
    for offer in known.get("tokens", ()):
        listings[offer["model"], offer.get("weights")].add(offer["listed_as"])
    counts = Counter((offer["model"], offer.get("weights")) for offer in offers)
    for offer in offers:
        kind = offer["model"], offer.get("weights")
        if len(listings[kind]) == 1 and counts[kind] == 1:
            offer["listed_as"] = min(listings[kind])
    return offers


SOURCE: Final = Source(
    id="genai-prices",
    title="genai-prices",
    url="https://raw.githubusercontent.com/pydantic/genai-prices/main/prices",
    fetch=fetch,
)

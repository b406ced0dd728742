"""Rows of the token table into offers of the models whose Hub id the seller's name leaves no doubt about."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from llmplan.pricefeeds.dates import first_day
from llmplan.pricefeeds.model_names import hub_model, is_us_only, why_no_model
from llmplan.pricefeeds.sources import SourceBook
from llmplan.pricefeeds.tables import Row, misfit, number
from llmplan.pricefeeds.tally import Tally

_REGION = re.compile(r"^bedrock/([a-z]{2}(?:-gov)?-[a-z]+-\d)/")
_GEOGRAPHY = re.compile(r"^(?:bedrock/)?(us-gov|us|eu|in|apac|jp|au)\.")
TABLE = "token_api_prices"
_OPTIONAL = (
    ("cached_input_usd_per_mtok", "cached_input_usd_per_mtok"),
    ("batch_input_usd_per_mtok", "batch_input_usd_per_mtok"),
    ("batch_output_usd_per_mtok", "batch_output_usd_per_mtok"),
    ("context", "context_tokens"),
)


def token_offers(rows: list[Row], sources: SourceBook, tally: Tally | None = None) -> list[dict[str, Any]]:
    """The `tokens:` list of one provider's document, by model. A free listing (rate-limited trials) is left out."""
    tally = tally or Tally()
    offers = []
    for row in rows:
        match = hub_model(row["model"])
        price = number(row, "input_usd_per_mtok"), number(row, "output_usd_per_mtok")
        if match is None or not price[0] or not price[1]:
            reason = "a free listing: rate-limited trials are no offer" if match else why_no_model(row["model"])
            tally.leave_out(TABLE, row, reason)
            continue
        tally.use(TABLE)
        offer: dict[str, Any] = {
            "model": match.model_id,
            "listed_as": row["model"],
            "from": first_day(row["as_of"]),
            "source": sources.id_of(row["source"], cited_page(row)),
            "input_usd_per_mtok": price[0],
            "output_usd_per_mtok": price[1],
        }
        for column, key in _OPTIONAL:
            value = number(row, column)
            if value:
                offer[key] = value
        if match.weights:
            offer["weights"] = match.weights
        region = _REGION.match(row["model"]) or _GEOGRAPHY.match(row["model"])
        if region or is_us_only(row["model"]):
            offer["region"] = region[1] if region else "us"
        if row["deprecation_date"]:
            offer["ends"] = _day(row, row["deprecation_date"])
        offers.append(offer)
    return sorted(offers, key=lambda offer: (offer["model"].casefold(), offer["listed_as"]))


def cited_page(row: Row) -> str:
    """The seller's own page, where a collector says from which one a price is.

    >>> cited_page({"upstream_source": "https://docs.fireworks.ai/serverless/pricing"}), cited_page({})
    ('https://docs.fireworks.ai/serverless/pricing', '')
    """
    text = row.get("upstream_source", "")
    return text if text.startswith("https://") and " " not in text else ""


def _day(row: Row, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise misfit(row, f"deprecation_date: {text!r} is not a date") from None

"""All tables of a folder into provider documents: the plain data that `profiles/prices/<id>.yaml` holds."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeAlias

from llmplan.errors import DataError
from llmplan.pricefeeds.cpu import cpu_groups
from llmplan.pricefeeds.fact_rules import MARKET
from llmplan.pricefeeds.facts import account, commitments, owned_facts
from llmplan.pricefeeds.hourly import hourly_instances, interruption_buckets
from llmplan.pricefeeds.providers import Seller, seller_of
from llmplan.pricefeeds.serverless import serverless_offers
from llmplan.pricefeeds.sources import SourceBook
from llmplan.pricefeeds.tables import COLUMNS, Row, read_table
from llmplan.pricefeeds.tally import Tally
from llmplan.pricefeeds.tokens import token_offers

Document: TypeAlias = dict[str, Any]
_SOLD: Final = ("gpu_prices", "serverless_gpu", "token_api_prices", "cpu_prices")
"""tables whose rows each belong to a seller"""


def build_documents(folder: Path, *, retrieved: date, tally: Tally | None = None) -> dict[str, Document]:
    """Provider id to document, from the CSV tables in `folder`; tables that are absent add nothing.

    A `tally` is told what became of every row.
    """
    tally = tally or Tally()
    tables = {name: read_table(folder, name) for name in COLUMNS}
    for name, rows in tables.items():
        tally.read(name, len(rows))
    if not any(tables.values()):
        raise DataError(
            f"{folder}: no price table here", hints=[f"expected one of {', '.join(f'{name}.csv' for name in COLUMNS)}"]
        )
    by_seller: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    sellers: dict[str, Seller] = {}
    for name in _SOLD:
        for row in tables[name]:
            seller = seller_of(row["provider"])
            sellers[seller.id] = seller
            by_seller[seller.id][name].append(row)
    documents = {}
    for seller_id in sorted(sellers):
        document = _document(sellers[seller_id], by_seller[seller_id], tables, SourceBook(retrieved), tally)
        if document is not None:
            documents[seller_id] = document
    account(tables["cost_facts"], tally)
    _account_buckets(tables["spot_interruption_aws"], documents.get("aws", {}), tally)
    sources = SourceBook(retrieved)
    facts = owned_facts(tables["cost_facts"], MARKET, sources)
    if facts:
        documents[MARKET] = {"id": MARKET, "name": "Figures of no single seller", "facts": facts}
        documents[MARKET]["sources"] = sources.entries
    return documents


def _document(
    seller: Seller, rows: dict[str, list[Row]], tables: dict[str, list[Row]], sources: SourceBook, tally: Tally
) -> Document | None:
    """One seller's document, None if none of its rows can be used."""
    document: Document = {"id": seller.id, "name": seller.name, "tier": seller.tier}
    if seller.company:
        document["company"] = seller.company
    if seller.table_names:
        document["aliases"] = list(seller.table_names)
    buckets = interruption_buckets(tables["spot_interruption_aws"]) if seller.id == "aws" else {}
    hourly = hourly_instances(rows["gpu_prices"], sources, buckets, tally)
    for instance, offer in commitments(tables["cost_facts"], seller.id, sources):
        for entry in hourly:
            if entry["instance"] == instance:
                entry["offers"].append(offer)
    serverless, unpriced = serverless_offers(rows["serverless_gpu"], sources, tally)
    parts: dict[str, Any] = {
        "hourly": hourly,
        "serverless": serverless,
        "unpriced": unpriced,
        "tokens": token_offers(rows["token_api_prices"], sources, tally),
        "cpu": cpu_groups(rows["cpu_prices"], sources, tally),
        "facts": owned_facts(tables["cost_facts"], seller.id, sources),
    }
    if not any(parts[key] for key in ("hourly", "serverless", "unpriced", "tokens", "cpu")):
        return None
    if buckets and hourly:
        document["interruption_source"] = sources.id_of(tables["spot_interruption_aws"][0]["source"])
    document["sources"] = sources.entries
    return document | {key: value for key, value in parts.items() if value}


def _account_buckets(rows: list[Row], document: Document, tally: Tally) -> None:
    """Interruption buckets reach the spot prices of their machine and region; the others have nothing to belong to."""
    priced = {
        (entry["instance"], region)
        for entry in document.get("hourly", ())
        for offer in entry["offers"]
        for region in offer.get("interruption", {})
    }
    for row in rows:
        if (row["instance_type"], row["region"]) in priced:
            tally.use("spot_interruption_aws")
        else:
            tally.leave_out("spot_interruption_aws", row, "no spot price of this machine in this region")

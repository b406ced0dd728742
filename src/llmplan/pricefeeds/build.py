"""All tables of a folder into provider documents: the plain data that `profiles/prices/<id>.yaml` holds."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

from llmplan.errors import DataError
from llmplan.pricefeeds.facts import MARKET, commitments, owned_facts
from llmplan.pricefeeds.hourly import hourly_instances, interruption_buckets
from llmplan.pricefeeds.providers import Seller, seller_of
from llmplan.pricefeeds.serverless import serverless_offers
from llmplan.pricefeeds.sources import SourceBook
from llmplan.pricefeeds.tables import COLUMNS, Row, read_table
from llmplan.pricefeeds.tokens import token_offers

Document: TypeAlias = dict[str, Any]


def build_documents(folder: Path, *, retrieved: date) -> dict[str, Document]:
    """Provider id to document, from the CSV tables in `folder`; tables that are absent add nothing."""
    tables = {name: read_table(folder, name) for name in COLUMNS}
    if not any(tables.values()):
        raise DataError(
            f"{folder}: no price table here", hints=[f"expected one of {', '.join(f'{name}.csv' for name in COLUMNS)}"]
        )
    by_seller: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    sellers: dict[str, Seller] = {}
    for name in ("gpu_prices", "serverless_gpu", "token_api_prices"):
        for row in tables[name]:
            seller = seller_of(row["provider"])
            sellers[seller.id] = seller
            by_seller[seller.id][name].append(row)
    documents = {}
    for seller_id in sorted(sellers):
        document = _document(sellers[seller_id], by_seller[seller_id], tables, SourceBook(retrieved))
        if document is not None:
            documents[seller_id] = document
    sources = SourceBook(retrieved)
    facts = owned_facts(tables["cost_facts"], MARKET, sources)
    if facts:
        documents[MARKET] = {"id": MARKET, "name": "Figures of no single seller", "facts": facts}
        documents[MARKET]["sources"] = sources.entries
    return documents


def _document(
    seller: Seller, rows: dict[str, list[Row]], tables: dict[str, list[Row]], sources: SourceBook
) -> Document | None:
    """One seller's document, None if none of its rows can be used."""
    document: Document = {"id": seller.id, "name": seller.name, "tier": seller.tier}
    if seller.company:
        document["company"] = seller.company
    if seller.table_names:
        document["aliases"] = list(seller.table_names)
    buckets = interruption_buckets(tables["spot_interruption_aws"]) if seller.id == "aws" else {}
    hourly = hourly_instances(rows["gpu_prices"], sources, buckets)
    for instance, offer in commitments(tables["cost_facts"], seller.id, sources):
        for entry in hourly:
            if entry["instance"] == instance:
                entry["offers"].append(offer)
    serverless, unpriced = serverless_offers(rows["serverless_gpu"], sources)
    parts: dict[str, Any] = {
        "hourly": hourly,
        "serverless": serverless,
        "unpriced": unpriced,
        "tokens": token_offers(rows["token_api_prices"], sources),
        "facts": owned_facts(tables["cost_facts"], seller.id, sources),
    }
    if not any(parts[key] for key in ("hourly", "serverless", "unpriced", "tokens")):
        return None
    if buckets and hourly:
        document["interruption_source"] = sources.id_of(tables["spot_interruption_aws"][0]["source"])
    document["sources"] = sources.entries
    return document | {key: value for key, value in parts.items() if value}

"""Rates that the collected tables have no row for, from price_facts.csv beside this file: one line a figure, with its
source, its day where the source has one, and how sure it is. Added to the documents that the tables make.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from llmplan.pricefeeds.sources import slug

TABLE: Final = Path(__file__).with_name("price_facts.csv")
LOOKED_UP: Final = date(2026, 11, 26)
"""the day on which the lines of the table were looked up"""


def add_own_facts(documents: Mapping[str, dict[str, Any]]) -> int:
    """Put every line's figure into its owner's document, and say how many there are."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    for row in rows:
        document = documents[row["owner"]]
        facts = document.setdefault("facts", {})
        if row["id"] in facts:
            raise ValueError(f"{TABLE}: {row['owner']}: the tables already state {row['id']}")
        facts[row["id"]] = _fact(row, _source(row, document["sources"]))
    return len(rows)


def _fact(row: Mapping[str, str], source: str) -> dict[str, Any]:
    numbers = {key: float(row[key]) for key in ("value", "low", "high") if row[key]}
    return {
        **{key: int(number) if number.is_integer() else number for key, number in numbers.items()},
        "unit": row["unit"],
        "as_of": date.fromisoformat(row["as_of"]) if row["as_of"] else None,
        "source": source,
        "kind": row["kind"],
        "confidence": row["confidence"],
        "note": row["note"],
    }


def _source(row: Mapping[str, str], sources: dict[str, Any]) -> str:
    """The id of the line's source among its document's."""
    entry = {"title": row["title"], "url": row["url"], "retrieved": LOOKED_UP}
    name, number = slug(row["title"]), 2
    while sources.get(name, entry) != entry:
        name, number = f"{slug(row['title'])}-{number}", number + 1
    sources[name] = entry
    return name

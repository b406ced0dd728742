"""The CSV files of the AWS Price List, read as they stream in: five lines about the file, a header, then rows.

The files of one region hold hundreds of megabytes, so that only lines which name a wanted machine type are parsed.

Reference: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/bulk-api-reading-price-list-files.html
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from llmplan.pricefeeds.live.feed import Asked
from llmplan.pricefeeds.live.limits import FeedError

_PREAMBLE_LINES: Final = 20


@dataclass(slots=True)
class PriceFile:
    """A file being read. `published` is known once the first row is out."""

    url: str
    columns: tuple[str, ...]
    """those that the reader of its rows needs"""
    published: date | None = None
    header: list[str] = field(default_factory=list)

    def rows(self, lines: Iterable[str], names: Iterable[str]) -> Iterator[dict[str, str]]:
        """The rows that name one of the machine types `names` anywhere."""
        wanted = re.compile("|".join(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])" for name in sorted(names)))
        rest = iter(lines)
        self._read_head(rest)
        try:
            for cells in csv.reader((line for line in rest if wanted.search(line)), strict=True):
                if len(cells) != len(self.header):
                    raise FeedError(f"{self.url}: a row of {len(cells)} cells under {len(self.header)} columns")
                yield dict(zip(self.header, cells, strict=True))
        except csv.Error as error:
            raise FeedError(f"{self.url}: not CSV: {error}") from None

    def _read_head(self, lines: Iterator[str]) -> None:
        for _, line in zip(range(_PREAMBLE_LINES), lines, strict=False):
            cells = next(csv.reader([line]), [])
            if cells[:1] == ["SKU"]:
                missing = [name for name in self.columns if name not in cells]
                if missing:
                    raise FeedError(f"{self.url}: the column {missing[0]!r} is missing")
                self.header = cells
                return
            if cells[:1] == ["Publication Date"] and len(cells) > 1:
                self.published = _day(cells[1])
        raise FeedError(f"{self.url}: no header line: not an AWS price list")


def index_of(asked: Asked, path: str) -> dict[str, str]:
    """Region to the path of its CSV file, from a region index (of an offer: a mapping; of Savings Plans: a list)."""
    url = asked.endpoint.url(path)
    stated = asked.client.json(url)
    regions = stated.get("regions") if isinstance(stated, dict) else None
    entries: Iterable[Any] = regions.values() if isinstance(regions, dict) else regions or ()
    found = {}
    for entry in entries:
        where = entry.get("currentVersionUrl") or entry.get("versionUrl") if isinstance(entry, dict) else None
        if isinstance(where, str) and where.startswith("/") and where.endswith("/index.json"):
            found[str(entry.get("regionCode"))] = where.removesuffix(".json") + ".csv"
    if not found:
        raise FeedError(f"{url}: names no region")
    return found


def price_of(text: str, url: str) -> float:
    """A price as a number.

    >>> price_of("0.5260000000", "x")
    0.526
    """
    try:
        return float(text)
    except ValueError:
        raise FeedError(f"{url}: {text!r} is not a price") from None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None

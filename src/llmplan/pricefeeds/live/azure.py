"""Azure Retail Prices API: virtual machines with GPUs, on demand, spot and reserved. No key.

The address answers pages of `{"Items": [...], "NextPageLink": ..., "Count": ...}`. An item that counts here has
`armSkuName`, `armRegionName`, `retailPrice`, `unitOfMeasure` ("1 Hour"), `type` ("Consumption", "Reservation",
"DevTestConsumption"), `productName` (names Windows), `skuName` and `meterName` (name Spot and Low Priority),
`effectiveStartDate`, `isPrimaryMeterRegion`; a reservation has `reservationTerm` ("1 Year", "3 Years") and a
`retailPrice` for the whole term, whatever its unit says. Filter values are case-sensitive from 2023-01-01-preview on.

Reference: https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices . That a reservation's
price is the term's is seen in its items: Standard_D8_v4 in westeurope at 0.46 (Consumption) and 4594 (3 Years).
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from llmplan.pricefeeds.live.feed import Asked, Fetched, Hourly, Machine, Source, document_of, machines
from llmplan.pricefeeds.live.limits import FeedError
from llmplan.units import HOURS_PER_YEAR

SELLER: Final = "azure"
PATH: Final = "/api/retail/prices"
VERSION: Final = "2023-01-01-preview"
MAX_PAGES: Final = 100
"""of one machine type; the largest had 3 when this was written"""
_SOURCE: Final = "azure-retail-prices"
_TERMS: Final = {"1 Year": ("reserved-1y", 1), "3 Years": ("reserved-3y", 3)}
_OTHER_PRODUCTS: Final = re.compile(r"windows|cloud ?services|dedicated", re.IGNORECASE)
_OTHER_METERS: Final = re.compile(r"low priority|expired", re.IGNORECASE)
_WHOLE_TERM: Final = "the price of the whole term over its hours"


def fetch(asked: Asked) -> Fetched:
    """The price of every machine type that the catalogue knows of the seller."""
    known = machines(asked.known, SELLER)
    if not known:
        raise FeedError("the catalogue knows no machine type of the seller, so nothing can be asked for")
    hourly = Hourly(_SOURCE, asked.today)
    for name in sorted(known):
        for item in _items(asked, name):
            _take(item, name, known[name], asked, hourly)
    if not len(hourly):
        raise FeedError(f"{asked.endpoint.url(PATH)}: no price of any of {len(known)} machine types")
    title = f"Azure Retail Prices API, version {VERSION}"
    sources = {_SOURCE: {"title": title, "url": asked.endpoint.url(PATH), "retrieved": asked.today}}
    return Fetched(documents={SELLER: document_of(asked.known, SELLER, sources, [hourly])}, notes=tuple(hourly.notes()))


def _items(asked: Asked, name: str) -> Iterator[Mapping[str, Any]]:
    """All items of one machine type, page by page. A page that comes again is an error."""
    wanted = f"serviceName eq 'Virtual Machines' and armSkuName eq '{name}'"
    query = urllib.parse.urlencode({"api-version": VERSION, "currencyCode": "USD", "$filter": wanted}, safe="$")
    seen: set[str] = set()
    while query:
        if query in seen or len(seen) >= MAX_PAGES:
            raise FeedError(f"{asked.endpoint.url(PATH)}: the pages of {name} do not end")
        seen.add(query)
        page = asked.client.json(f"{asked.endpoint.url(PATH)}?{query}")
        if not isinstance(page, dict) or not isinstance(page.get("Items"), list):
            raise FeedError(f"{asked.endpoint.url(PATH)}: no Items in the answer")
        if page.get("BillingCurrency", "USD") != "USD":
            raise FeedError(f"{asked.endpoint.url(PATH)}: prices in {page['BillingCurrency']!r}, not in USD")
        yield from (item for item in page["Items"] if isinstance(item, dict))
        query = _next(page.get("NextPageLink"))


def _next(link: Any) -> str:
    """The query of the next page. Only that: it is asked of the host that was asked first, mirror or not."""
    return urllib.parse.urlsplit(link).query if isinstance(link, str) else ""


def _take(item: Mapping[str, Any], name: str, machine: Machine, asked: Asked, hourly: Hourly) -> None:
    """One item, if it is a Linux machine that anybody can rent now."""
    if item.get("armSkuName") != name or item.get("isPrimaryMeterRegion") is False:
        return
    meter = f"{item.get('skuName', '')} {item.get('meterName', '')}"
    if _OTHER_PRODUCTS.search(str(item.get("productName", ""))) or _OTHER_METERS.search(meter):
        return
    region, price, kind = item.get("armRegionName"), item.get("retailPrice"), item.get("type")
    if not region or (asked.regions and region not in asked.regions):
        return
    if item.get("unitOfMeasure") != "1 Hour" or isinstance(price, bool) or not isinstance(price, int | float):
        hourly.left_out["without a price per hour"] += 1
        return
    since = _day(item.get("effectiveStartDate"))
    if since is not None and since > asked.today:
        hourly.left_out["that hold only from a later day on"] += 1
    elif kind == "Consumption":
        term = "spot" if "spot" in meter.casefold() else "on-demand"
        hourly.add(machine, term=term, region=region, usd_per_hour=float(price), since=since)
    elif kind == "Reservation" and item.get("reservationTerm") in _TERMS:
        term, years = _TERMS[item["reservationTerm"]]
        hourly.add(
            machine, term=term, region=region, usd_per_hour=price / (years * HOURS_PER_YEAR), upfront="all",
            since=since, quality="derived", note=_WHOLE_TERM,
        )  # fmt: skip


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None


SOURCE: Final = Source(id="azure", title="Azure Retail Prices API", url="https://prices.azure.com", fetch=fetch)

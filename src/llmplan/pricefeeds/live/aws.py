"""AWS Price List: bulk offer files of EC2 and Savings Plans, region by region. No key; spot prices are not in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llmplan.pricefeeds.live import aws_offers, aws_savings
from llmplan.pricefeeds.live.aws_csv import PriceFile, index_of
from llmplan.pricefeeds.live.feed import Asked, Fetched, Hourly, Machine, Source, document_of, machines
from llmplan.pricefeeds.live.limits import FeedError

SELLER: Final = "aws"
USUAL_REGIONS: Final = ("us-east-1", "us-east-2", "us-west-2")
"""A region's two files are hundreds of megabytes: others only by name."""
_FILES: Final = (
    ("aws-price-list", "AWS Price List, offer file AmazonEC2", aws_offers),
    ("aws-savings-plans", "AWS Price List, AWSComputeSavingsPlan", aws_savings),
)
Read = Callable[[Asked, str, str, Mapping[str, Machine], str], tuple[PriceFile, Hourly]]


def fetch(asked: Asked) -> Fetched:
    """On demand and reserved prices of the machine types that the catalogue knows, in the regions asked for.

    A file that cannot be read is one failure; the prices of the others are kept.
    """
    known = machines(asked.known, SELLER)
    if not known:
        raise FeedError("the catalogue knows no machine type of the seller, so nothing can be looked for")
    regions = sorted(asked.regions or USUAL_REGIONS)
    parts: list[Hourly] = []
    sources: dict[str, Any] = {}
    notes, failures = [f"regions {', '.join(regions)}"], []
    reserved: set[tuple[str, ...]] = set()
    for source, title, module in _FILES:
        try:
            index = index_of(asked, module.INDEX)
        except FeedError as error:
            failures.append(error.message)
            continue
        for region in regions:
            if region not in index:
                failures.append(f"{title}: no file of a region {region!r}")
                continue
            try:
                file, hourly = module.read(asked, index[region], region, known, source)
            except FeedError as error:
                failures.append(error.message)
                continue
            published = f", published {file.published}" if file.published else ""
            sources[source] = {
                "title": f"{title}{published}", "url": asked.endpoint.url(module.INDEX), "retrieved": asked.today,
            }  # fmt: skip
            reserved |= hourly.drop(reserved)
            parts.append(hourly)
            notes += [f"{region}: {note}" for note in hourly.notes()]
    if not any(len(part) for part in parts):
        raise FeedError("; ".join(failures) or f"no price of any of {len(known)} machine types in {', '.join(regions)}")
    document = document_of(asked.known, SELLER, sources, parts)
    return Fetched(documents={SELLER: document}, notes=tuple(notes), failures=tuple(failures))


SOURCE: Final = Source(
    id="aws", title="AWS Price List and Savings Plans", url="https://pricing.us-east-1.amazonaws.com", fetch=fetch
)

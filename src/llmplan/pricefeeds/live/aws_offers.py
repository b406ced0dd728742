"""The offer file of EC2: machines on demand, and standard reserved instances.

A row counts if it is a Linux machine with shared tenancy and nothing installed that is paid for. A reserved instance
has a row per hour and one `Upfront Fee`; its hour costs `hourly + fee / hours of the term`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from llmplan.pricefeeds.live.aws_csv import PriceFile, price_of
from llmplan.pricefeeds.live.body import Body
from llmplan.pricefeeds.live.feed import Asked, Hourly, Machine
from llmplan.units import HOURS_PER_YEAR

INDEX: Final = "/offers/v1.0/aws/AmazonEC2/current/region_index.json"
_COLUMNS: Final = (
    "TermType", "Unit", "PricePerUnit", "Currency", "LeaseContractLength", "PurchaseOption", "OfferingClass",
    "Instance Type", "Tenancy", "Operating System", "License Model", "CapacityStatus", "Pre Installed S/W",
    "Region Code",
)  # fmt: skip
_WANTED: Final = {
    "Tenancy": ("Shared",), "Operating System": ("Linux",), "CapacityStatus": ("Used",), "Currency": ("USD",),
    "Pre Installed S/W": ("NA", ""), "License Model": ("No License required",), "MarketOption": ("OnDemand", ""),
}  # fmt: skip
YEARS: Final = {"1yr": ("reserved-1y", 1), "3yr": ("reserved-3y", 3)}
UPFRONT: Final = {"No Upfront": "none", "Partial Upfront": "partial", "All Upfront": "all"}


def read(asked: Asked, path: str, region: str, known: Mapping[str, Machine], source: str) -> tuple[PriceFile, Hourly]:
    """The prices of one region's file."""
    url = asked.endpoint.url(path)

    def consume(body: Body) -> tuple[PriceFile, Hourly]:
        file, hourly = PriceFile(url, _COLUMNS), Hourly(source, asked.today)
        reserved: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
        for row in file.rows(body.lines(), known):
            if row["Instance Type"] not in known or row["Region Code"] != region or not _counts(row):
                continue
            price = price_of(row["PricePerUnit"], url)
            if row["TermType"] == "OnDemand" and row["Unit"] == "Hrs":
                hourly.add(known[row["Instance Type"]], term="on-demand", region=region, usd_per_hour=price)
            elif row["TermType"] == "Reserved" and row["OfferingClass"] == "standard":
                kind = (row["Instance Type"], row["LeaseContractLength"], row["PurchaseOption"])
                reserved[kind][row["Unit"]] = price
        _add_reserved(reserved, region, known, hourly)
        return file, hourly

    return asked.client.fetch(url, consume)


def _counts(row: Mapping[str, str]) -> bool:
    return all(row.get(column, "") in values for column, values in _WANTED.items())


def _add_reserved(
    reserved: Mapping[tuple[str, str, str], Mapping[str, float]],
    region: str,
    known: Mapping[str, Machine],
    hourly: Hourly,
) -> None:
    for (instance, length, option), parts in reserved.items():
        if length not in YEARS or option not in UPFRONT:
            continue
        if "Hrs" not in parts or (option != "No Upfront" and "Quantity" not in parts):
            hourly.left_out["of reserved instances without both of their parts"] += 1
            continue
        term, years = YEARS[length]
        fee_per_hour = parts.get("Quantity", 0.0) / (years * HOURS_PER_YEAR)
        hourly.add(
            known[instance], term=term, region=region, usd_per_hour=parts["Hrs"] + fee_per_hour,
            upfront=UPFRONT[option], note="standard reserved instance",
        )  # fmt: skip

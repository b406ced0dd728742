"""The Savings Plans file: what an hour of a machine costs under a plan. The rate holds whatever is paid in advance.

Plans for one family of machines in one region (`EC2InstanceSavingsPlans`) go before those that fit any machine, which
are dearer. A rate is for plain Linux if its operation is `RunInstances` and its usage type ends in `BoxUsage:<type>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from llmplan.pricefeeds.live.aws_csv import PriceFile, price_of
from llmplan.pricefeeds.live.aws_offers import UPFRONT
from llmplan.pricefeeds.live.body import Body
from llmplan.pricefeeds.live.feed import Asked, Hourly, Machine

INDEX: Final = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json"
_COLUMNS: Final = (
    "DiscountedRate", "Currency", "DiscountedServiceCode", "DiscountedUsageType", "DiscountedOperation", "Unit",
    "PurchaseOption", "LeaseContractLength", "LeaseContractLengthUnit", "Product Family",
)  # fmt: skip
_USAGE: Final = re.compile(r"(?:^|-)BoxUsage:(?P<instance>[\w.-]+)$")
_TERMS: Final = {("1", "year"): "reserved-1y", ("3", "year"): "reserved-3y"}
_PLANS: Final = {"EC2InstanceSavingsPlans": "EC2 Instance Savings Plan", "ComputeSavingsPlans": "Compute Savings Plan"}


def read(asked: Asked, path: str, region: str, known: Mapping[str, Machine], source: str) -> tuple[PriceFile, Hourly]:
    """The rates of one region's file."""
    url = asked.endpoint.url(path)

    def consume(body: Body) -> tuple[PriceFile, Hourly]:
        file, hourly = PriceFile(url, _COLUMNS), Hourly(source, asked.today)
        rates: dict[tuple[str, str, str], tuple[str, float]] = {}
        for row in file.rows(body.lines(), known):
            key = _key(row, region)
            if key is None or key[0] not in known:
                continue
            plan = row["Product Family"]
            if key not in rates or (plan == "EC2InstanceSavingsPlans" and rates[key][0] != plan):
                rates[key] = (plan, price_of(row["DiscountedRate"], url))
        for (instance, term, upfront), (plan, rate) in rates.items():
            hourly.add(known[instance], term=term, region=region, usd_per_hour=rate, upfront=upfront, note=_PLANS[plan])
        return file, hourly

    return asked.client.fetch(url, consume)


def _key(row: Mapping[str, str], region: str) -> tuple[str, str, str] | None:
    """What a row is the rate of; None if it does not count."""
    usage = _USAGE.search(row["DiscountedUsageType"])
    term = _TERMS.get((row["LeaseContractLength"], row["LeaseContractLengthUnit"]))
    upfront = UPFRONT.get(row["PurchaseOption"])
    counts = (
        row["DiscountedOperation"] == "RunInstances"
        and row["DiscountedServiceCode"] == "AmazonEC2"
        and row["Unit"] == "Hrs"
        and row["Currency"] == "USD"
        and row["Product Family"] in _PLANS
        and row.get("DiscountedRegionCode", region) == region
    )
    return (usage["instance"], term, upfront) if counts and usage and term and upfront else None

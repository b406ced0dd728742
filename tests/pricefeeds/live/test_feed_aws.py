"""The AWS Price List: its files are streamed, and only plain Linux machines with known GPUs count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from feed_server import FeedServer, as_json, cut_short, in_turn, only_loopback, priced, quick_client, reply, serving
from llmplan.pricefeeds.live import FeedError, aws
from llmplan.pricefeeds.live.feed import Asked, Fetched

TODAY = date(2026, 11, 26)
KNOWN: dict[str, Any] = {
    "aws": {
        "id": "aws", "name": "Amazon Web Services", "tier": "hyperscaler",
        "hourly": [
            {"instance": "p5.48xlarge", "gpu": "h100-sxm-80gb", "gpus": 8, "vcpus": 192, "offers": []},
            {"instance": "g6.xlarge", "gpu": "l4-24gb", "gpus": 1, "vcpus": 4, "offers": []},
        ],
    }
}  # fmt: skip
OFFERS = "/offers/v1.0/aws/AmazonEC2/20261120000000/us-east-1/index"
PLANS = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/20261121000000/us-east-1/index"
COLUMNS = (
    "SKU", "OfferTermCode", "RateCode", "TermType", "PriceDescription", "EffectiveDate", "Unit", "PricePerUnit",
    "Currency", "LeaseContractLength", "PurchaseOption", "OfferingClass", "Product Family", "Instance Type", "Tenancy",
    "Operating System", "License Model", "CapacityStatus", "MarketOption", "Pre Installed S/W", "Region Code",
)  # fmt: skip
ROW = {
    "SKU": "7X4K64YA59VZZAC3", "TermType": "OnDemand", "PriceDescription": "$55.04 per On Demand Linux p5.48xlarge",
    "Unit": "Hrs", "PricePerUnit": "55.0400000000", "Currency": "USD", "Product Family": "Compute Instance",
    "Instance Type": "p5.48xlarge", "Tenancy": "Shared", "Operating System": "Linux",
    "License Model": "No License required", "CapacityStatus": "Used", "MarketOption": "OnDemand",
    "Pre Installed S/W": "NA", "Region Code": "us-east-1",
}  # fmt: skip
RESERVED = ROW | {
    "TermType": "Reserved", "LeaseContractLength": "3yr", "PurchaseOption": "Partial Upfront",
    "OfferingClass": "standard", "Instance Type": "g6.xlarge",
}  # fmt: skip
PLAN_COLUMNS = (
    "SKU", "RateCode", "Unit", "EffectiveDate", "DiscountedRate", "Currency", "DiscountedSKU", "DiscountedServiceCode",
    "DiscountedUsageType", "DiscountedOperation", "PurchaseOption", "LeaseContractLength", "LeaseContractLengthUnit",
    "ServiceCode", "UsageType", "Operation", "Description", "Instance Family", "Location", "Location Type",
    "Granularity", "Product Family", "DiscountedRegionCode", "DiscountedInstanceType",
)  # fmt: skip
PLAN_ROW = {
    "Unit": "Hrs", "DiscountedRate": "23.777", "Currency": "USD", "DiscountedServiceCode": "AmazonEC2",
    "DiscountedUsageType": "BoxUsage:p5.48xlarge", "DiscountedOperation": "RunInstances",
    "PurchaseOption": "No Upfront", "LeaseContractLength": "3", "LeaseContractLengthUnit": "year",
    "Product Family": "EC2InstanceSavingsPlans", "DiscountedRegionCode": "us-east-1",
    "DiscountedInstanceType": "p5.48xlarge",
}  # fmt: skip
ON_DEMAND = "p5.48xlarge h100-sxm-80gb 8 on-demand us-east-1"
PLAN = "p5.48xlarge h100-sxm-80gb 8 reserved-3y none us-east-1"


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)


def table(columns: tuple[str, ...], code: str, *rows: Mapping[str, str]) -> str:
    """A file of the list: five lines about it, a header, quoted cells."""
    lines = [
        '"FormatVersion","v1.0"', '"Disclaimer","informational purposes only, p5.48xlarge or not"',
        '"Publication Date","2026-11-20T21:30:00Z"', '"Version","20261120213000"', f'"OfferCode","{code}"',
        ",".join(f'"{name}"' for name in columns),
    ]  # fmt: skip
    lines += [",".join(f'"{row.get(name, "")}"' for name in columns) for row in rows]
    return "\n".join(lines) + "\n"


def offers(*rows: Mapping[str, str]) -> str:
    return table(COLUMNS, "AmazonEC2", *rows)


def plans(*rows: Mapping[str, str]) -> str:
    return table(PLAN_COLUMNS, "AmazonComputeSavingsPlan", *rows)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serving() as found:
        found.routes["/offers/v1.0/aws/AmazonEC2/current/region_index.json"] = as_json(
            {"formatVersion": "v1.0", "publicationDate": "2026-11-20T21:30:00Z", "regions": {
                "us-east-1": {"regionCode": "us-east-1", "currentVersionUrl": f"{OFFERS}.json"}}}
        )  # fmt: skip
        found.routes["/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json"] = as_json(
            {"publicationDate": "2026-11-21T00:00:00Z", "regions": [
                {"regionCode": "us-east-1", "versionUrl": f"{PLANS}.json"}]}
        )  # fmt: skip
        found.routes[f"{OFFERS}.csv"] = reply(offers(ROW), Content_Type="text/csv")
        found.routes[f"{PLANS}.csv"] = reply(plans(PLAN_ROW), Content_Type="text/csv")
        yield found


def fetch(server: FeedServer, *regions: str) -> Fetched:
    asked = Asked(
        client=quick_client(), endpoint=server.at(), known=KNOWN, regions=frozenset(regions or {"us-east-1"}),
        today=TODAY, environ={},
    )  # fmt: skip
    return aws.fetch(asked)


def test_on_demand_and_a_savings_plan(server: FeedServer) -> None:
    found = fetch(server)
    assert priced(found.documents["aws"]) == {ON_DEMAND: 55.04, PLAN: 23.777}
    titles = {source["title"] for source in found.documents["aws"]["sources"].values()}
    assert titles == {
        "AWS Price List, offer file AmazonEC2, published 2026-11-20",
        "AWS Price List, AWSComputeSavingsPlan, published 2026-11-20",
    }
    assert found.failures == ()


@pytest.mark.parametrize(
    "change",
    [
        {"Operating System": "Windows"},
        {"Tenancy": "Dedicated"},
        {"Pre Installed S/W": "SQL Std"},
        {"License Model": "Bring your own license"},
        {"CapacityStatus": "UnusedCapacityReservation"},
        {"MarketOption": "CapacityBlock"},
        {"Currency": "CNY"},
        {"Unit": "Quantity"},
        {"Instance Type": "p5.48xlargeish"},
        {"Instance Type": "m7i.large"},
        {"Region Code": "us-east-1-atl-1"},
        {"PricePerUnit": "0.0000000000"},
    ],
)
def test_rows_that_do_not_count(server: FeedServer, change: dict[str, str]) -> None:
    server.routes[f"{OFFERS}.csv"] = reply(offers(ROW | change, ROW))
    assert priced(fetch(server).documents["aws"]) == {ON_DEMAND: 55.04, PLAN: 23.777}


def test_a_reserved_instance_is_its_hours_and_its_share_of_the_fee(server: FeedServer) -> None:
    fee = RESERVED | {"Unit": "Quantity", "PricePerUnit": "5000", "PriceDescription": "Upfront Fee"}
    hours = RESERVED | {"PricePerUnit": "0.1500000000"}
    alone = RESERVED | {"PurchaseOption": "All Upfront", "Unit": "Hrs", "PricePerUnit": "0"}
    server.routes[f"{OFFERS}.csv"] = reply(offers(hours, fee, alone, RESERVED | {"OfferingClass": "convertible"}))
    found = fetch(server)
    assert priced(found.documents["aws"])["g6.xlarge l4-24gb 1 reserved-3y partial us-east-1"] == pytest.approx(
        0.15 + 5000 / (3 * 8760), abs=1e-6
    )
    assert "us-east-1: 1 rows of reserved instances without both of their parts" in found.notes


def test_a_plan_for_one_family_goes_before_one_for_all(server: FeedServer) -> None:
    flexible = PLAN_ROW | {"Product Family": "ComputeSavingsPlans", "DiscountedRate": "30.0"}
    for rows in ((flexible, PLAN_ROW), (PLAN_ROW, flexible)):
        server.routes[f"{PLANS}.csv"] = reply(plans(*rows))
        assert priced(fetch(server).documents["aws"])[PLAN] == 23.777


@pytest.mark.parametrize(
    "change",
    [
        {"DiscountedOperation": "RunInstances:0002"},
        {"DiscountedUsageType": "USE1-DedicatedUsage:p5.48xlarge"},
        {"DiscountedUsageType": "UnusedBox:p5.48xlarge"},
        {"LeaseContractLength": "5"},
        {"Product Family": "SageMakerSavingsPlans"},
        {"DiscountedRegionCode": "eu-west-1"},
    ],
)
def test_rates_that_do_not_count(server: FeedServer, change: dict[str, str]) -> None:
    server.routes[f"{PLANS}.csv"] = reply(plans(PLAN_ROW | change))
    assert priced(fetch(server).documents["aws"]) == {ON_DEMAND: 55.04}


def test_a_reserved_instance_is_not_priced_twice(server: FeedServer) -> None:
    none = RESERVED | {"PurchaseOption": "No Upfront", "Instance Type": "p5.48xlarge", "PricePerUnit": "25.0"}
    server.routes[f"{OFFERS}.csv"] = reply(offers(ROW, none))
    assert priced(fetch(server).documents["aws"]) == {ON_DEMAND: 55.04, PLAN: 25.0}


def test_one_file_that_fails_costs_only_itself(server: FeedServer) -> None:
    server.routes[f"{PLANS}.csv"] = reply("gone", 404)
    found = fetch(server)
    assert priced(found.documents["aws"]) == {ON_DEMAND: 55.04}
    (failure,) = found.failures
    assert "404" in failure


def test_a_region_without_a_file_is_said(server: FeedServer) -> None:
    found = fetch(server, "us-east-1", "mars-north-1")
    assert ON_DEMAND in priced(found.documents["aws"])
    assert [failure.partition(": ")[2] for failure in found.failures] == ["no file of a region 'mars-north-1'"] * 2


def test_a_file_that_breaks_off_is_read_again_from_its_start(server: FeedServer) -> None:
    half = offers(ROW | {"PricePerUnit": "1.0"}).encode()
    server.routes[f"{OFFERS}.csv"] = in_turn(cut_short(half), reply(offers(ROW)))
    assert priced(fetch(server).documents["aws"])[ON_DEMAND] == 55.04


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (offers(ROW).replace('"Tenancy"', '"Tenure"'), "the column 'Tenancy' is missing"),
        ('{"formatVersion": "v1.0"}\n' * 30, "no header line"),
        (offers(ROW | {"PricePerUnit": "cheap"}), "'cheap' is not a price"),
        (offers(ROW | {"SKU": "x"}).replace('"us-east-1"\n', '"us-east-1","one more"\n'), "22 cells under 21 columns"),
        (offers(ROW)[:-40] + "\n", "not CSV: unexpected end of data"),
        ("", "no header line"),
    ],
)
def test_files_that_are_not_a_price_list(server: FeedServer, body: str, message: str) -> None:
    server.routes[f"{OFFERS}.csv"] = reply(body)
    found = fetch(server)
    assert priced(found.documents["aws"]) == {PLAN: 23.777}
    with pytest.raises(FeedError, match=message):
        raise FeedError(found.failures[0])


def test_without_any_price_it_fails_as_a_whole(server: FeedServer) -> None:
    server.routes[f"{OFFERS}.csv"] = reply(offers())
    server.routes[f"{PLANS}.csv"] = reply(plans())
    with pytest.raises(FeedError, match="no price of any of 2 machine types in us-east-1"):
        fetch(server)


def test_an_index_that_leads_elsewhere_is_not_followed(server: FeedServer) -> None:
    server.routes["/offers/v1.0/aws/AmazonEC2/current/region_index.json"] = as_json(
        {"regions": {"us-east-1": {"regionCode": "us-east-1", "currentVersionUrl": "https://evil.example/index.json"}}}
    )
    assert "names no region" in fetch(server).failures[0]

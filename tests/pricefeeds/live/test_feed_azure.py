"""Azure's list: which items count, what a reservation's price means, how pages end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from feed_server import (
    FeedServer,
    as_json,
    azure_item,
    azure_list,
    only_loopback,
    priced,
    quick_client,
    serving,
)
from llmplan.pricefeeds.live import FeedError, azure
from llmplan.pricefeeds.live.feed import Asked, Fetched

TODAY = date(2026, 11, 26)
H100 = "Standard_ND96isr_H100_v5"
T4 = "Standard_NC4as_T4_v3"
KNOWN: dict[str, Any] = {
    "azure": {
        "id": "azure", "name": "Microsoft Azure", "tier": "hyperscaler",
        "hourly": [
            {"instance": H100, "gpu": "h100-sxm-80gb", "gpus": 8, "vcpus": 96, "memory_gib": 1900, "offers": []},
            {"instance": T4, "gpu": "t4-16gb", "gpus": 1, "vcpus": 4, "memory_gib": 28, "offers": []},
        ],
    }
}  # fmt: skip
ON_DEMAND = f"{H100} h100-sxm-80gb 8 on-demand eastus"


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serving() as found:
        yield found


def fetch(
    server: FeedServer, *items: dict[str, Any], regions: frozenset[str] = frozenset(), page: int = 100
) -> Fetched:
    server.routes.setdefault("/api/retail/prices", azure_list(list(items), page))
    return azure.fetch(
        Asked(
            client=quick_client(), endpoint=server.at(), known=KNOWN, regions=regions, today=TODAY, environ={}
        )
    )  # fmt: skip


def prices(found: Fetched) -> Mapping[str, float]:
    return priced(found.documents["azure"])


def test_on_demand_spot_and_reserved_of_one_machine(server: FeedServer) -> None:
    found = fetch(
        server,
        azure_item(H100, "eastus", 98.32),
        azure_item(H100, "eastus", 29.5, skuName="ND96isr H100 v5 Spot", meterName="ND96isr H100 v5 Spot"),
        azure_item(H100, "eastus", 560_000.0, type="Reservation", reservationTerm="1 Year"),
        azure_item(H100, "eastus", 1_100_000.0, type="Reservation", reservationTerm="3 Years"),
    )
    assert prices(found) == {
        ON_DEMAND: 98.32,
        f"{H100} h100-sxm-80gb 8 spot eastus": 29.5,
        f"{H100} h100-sxm-80gb 8 reserved-1y all eastus": pytest.approx(560_000 / 8760, abs=1e-6),
        f"{H100} h100-sxm-80gb 8 reserved-3y all eastus": pytest.approx(1_100_000 / 26_280, abs=1e-6),
    }
    entry = found.documents["azure"]["hourly"][0]
    assert {offer["from"] for offer in entry["offers"]} == {TODAY}
    assert {offer["term"]: offer.get("quality") for offer in entry["offers"]}["reserved-1y"] == "derived"
    (source,) = found.documents["azure"]["sources"].values()
    assert source["url"] == f"{server.url}/api/retail/prices"


def test_the_question_is_the_one_that_the_page_documents(server: FeedServer) -> None:
    fetch(server, azure_item(H100, "eastus", 98.32))
    assert any(
        "api-version=2023-01-01-preview" in seen
        and f"$filter=serviceName eq 'Virtual Machines' and armSkuName eq '{H100}'" in seen
        for seen in server.seen
    )


@pytest.mark.parametrize(
    "change",
    [
        {"productName": "Virtual Machines NDv5 Series Windows"},
        {"productName": "NDv5 Series Cloud Services"},
        {"productName": "NDv5 Dedicated Host"},
        {"skuName": "ND96isr H100 v5 Low Priority"},
        {"type": "DevTestConsumption"},
        {"isPrimaryMeterRegion": False},
        {"armSkuName": "Standard_D4s_v5"},
        {"unitOfMeasure": "1/Month"},
        {"armRegionName": ""},
        {"retailPrice": "98.32"},
        {"retailPrice": 0.0},
        {"effectiveStartDate": "2026-12-01T00:00:00Z"},
    ],
)
def test_items_that_do_not_count(server: FeedServer, change: dict[str, Any]) -> None:
    other = azure_item(H100, "westus", 50.0) | change
    server.routes["/api/retail/prices"] = as_json({"Items": [azure_item(H100, "eastus", 98.32), other]})
    assert prices(fetch(server)) == {ON_DEMAND: 98.32}


def test_the_price_in_force_is_the_one_that_began_last(server: FeedServer) -> None:
    found = fetch(
        server,
        azure_item(H100, "eastus", 90.0, effectiveStartDate="2026-10-01T00:00:00Z"),
        azure_item(H100, "eastus", 98.32, effectiveStartDate="2025-01-01T00:00:00Z"),
        azure_item(H100, "eastus", 80.0, effectiveStartDate="2027-01-01T00:00:00Z"),
    )
    assert prices(found) == {ON_DEMAND: 90.0}
    assert "1 rows that hold only from a later day on" in found.notes


def test_two_prices_of_one_day_are_both_left_out(server: FeedServer) -> None:
    found = fetch(
        server, azure_item(H100, "eastus", 90.0), azure_item(H100, "eastus", 98.32), azure_item(H100, "westus", 99.0)
    )
    assert list(prices(found).values()) == [99.0]
    assert "1 prices given twice, differently" in found.notes


def test_pages_are_followed_on_the_host_that_was_asked(server: FeedServer) -> None:
    regions = [f"region{index}" for index in range(7)]
    found = fetch(server, *(azure_item(H100, region, 98.32) for region in regions), page=3)
    assert len(prices(found)) == 7
    assert sum(f"armSkuName eq '{H100}'" in seen for seen in server.seen) == 3


def test_a_page_that_comes_again_is_not_read_for_ever(server: FeedServer) -> None:
    link = "https://prices.azure.com/api/retail/prices?$skip=100"
    server.routes["/api/retail/prices"] = as_json({"Items": [azure_item(H100, "eastus", 98.32)], "NextPageLink": link})
    with pytest.raises(FeedError, match="do not end"):
        fetch(server)
    assert len(server.seen) < 5


def test_only_the_regions_asked_for(server: FeedServer) -> None:
    items = [azure_item(H100, region, 98.32) for region in ("eastus", "westus")]
    assert list(prices(fetch(server, *items, regions=frozenset({"eastus"})))) == [ON_DEMAND]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"Items": []}, "no price of any of 2 machine types"),
        ({"error": {"code": "BadRequest"}}, "no Items in the answer"),
        ([], "no Items in the answer"),
        ({"BillingCurrency": "EUR", "Items": []}, "prices in 'EUR'"),
    ],
)
def test_answers_that_hold_no_price(server: FeedServer, answer: Any, message: str) -> None:
    server.routes["/api/retail/prices"] = as_json(answer)
    with pytest.raises(FeedError, match=message):
        fetch(server)

"""Machines without a GPU: the cheapest that is large enough."""

from __future__ import annotations

import csv
from datetime import date
from typing import Any

import pytest
from pricing_builders import DAY, ROW, packaged

from llmplan.pricing import cheapest_cpu
from llmplan.pricing.figures import hourly_figure, row_notes
from llmplan.spec.price import CpuOffer, PriceBook
from llmplan.units import GIB
from tests_support import DATA


def machine(name: str, vcpus: float, memory_gib: float, usd_per_hour: float, **more: Any) -> CpuOffer:
    fields: dict[str, Any] = {
        "provider": "acme", "architecture": "x86-64", "region": "r1", "term": "on-demand", "from_date": DAY,
        "provenance": ROW,
    }  # fmt: skip
    return CpuOffer(
        instance=name, vcpus=vcpus, memory_bytes=round(memory_gib * GIB), usd_per_hour=usd_per_hour, **(fields | more)
    )


MACHINES = (
    machine("small", 2, 8, 0.1),
    machine("wide", 8, 8, 0.3),
    machine("deep", 4, 32, 0.25),
    machine("large", 8, 32, 0.4),
    machine("large", 8, 32, 0.1, term="spot"),
    machine("arm", 8, 32, 0.2, architecture="arm64"),
    machine("large", 8, 32, 0.35, region="r2"),
    machine("rumour", 16, 64, 0.05, from_date=None),
    machine("other", 64, 256, 0.01, provider="other"),
)
PRICES = PriceBook(cpu=MACHINES, as_of=DAY)


@pytest.mark.parametrize(
    ("vcpus", "memory_gib", "more", "found"),
    [
        (2, 4, {}, ("small", 0.1)),
        (4, 8, {}, ("deep", 0.25)),
        (8, 8, {}, ("wide", 0.3)),
        (8, 16, {}, ("large", 0.35)),
        (8, 16, {"region": "r1"}, ("large", 0.4)),
        (8, 16, {"architecture": None}, ("arm", 0.2)),
        (8, 16, {"term": "spot"}, ("large", 0.1)),
        (16, 16, {}, ("rumour", 0.05)),
        (32, 16, {}, None),
        (2, 4, {"term": "reserved-1y"}, None),
    ],
)
def test_the_cheapest_that_is_large_enough(
    vcpus: float, memory_gib: float, more: dict[str, Any], found: tuple[str, float] | None
) -> None:
    picked = cheapest_cpu(PRICES, provider="acme", vcpus=vcpus, memory_gib=memory_gib, **more)
    assert (picked and (picked.instance, picked.usd_per_hour)) == found


def test_its_row_can_stand_behind_a_line() -> None:
    figure = hourly_figure(MACHINES[-2])
    assert (figure.provider, figure.instance, figure.term, figure.as_of) == ("acme", "rumour", "on-demand", None)
    assert row_notes(MACHINES[-2]) == ["the source carries no date"]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the data tables are not at {DATA} (set LLMPLAN_DATA)")
@pytest.mark.parametrize("provider", ["aws", "azure", "gcp", "nebius", "oci"])
def test_a_router_of_each_cloud_is_the_cheapest_row_of_the_table(provider: str) -> None:
    """4 vCPUs and 16 GiB, straight from the table; Google's C4A are Arm machines, whatever its column says."""
    with (DATA / "cpu_prices.csv").open(encoding="utf-8", newline="") as file:
        fitting = [
            float(row["on_demand_usd_per_hour"])
            for row in csv.DictReader(file)
            if row["provider"] == provider and float(row["vcpus"]) >= 4 and float(row["memory_gib"]) >= 16
            if row["arch"].casefold() in ("amd64", "x86_64") and not row["instance_type"].startswith("c4a-")
        ]
    picked = cheapest_cpu(packaged(), provider=provider, vcpus=4, memory_gib=16)
    assert picked is not None
    assert picked.usd_per_hour == min(fitting)
    assert picked.from_date is None or picked.from_date <= date(2026, 11, 22)

"""Hardware of one's own and people, recomputed by hand from the rates as their sources write them."""

from __future__ import annotations

from typing import Any

import pytest
from hand_rows import Row, by, look_up, row
from pricing_builders import bill, deployment

from llmplan.plan.outcome import Quote
from llmplan.spec.expenses import Expenses, Ownership

H100, H200, B200, A10 = "h100-sxm-80gb", "h200-sxm-141gb", "b200-180gb", "a10-24gb"
MONTH_H = 730
KWH, PUE = 0.0977, 1.54
"""What industry in the United States pays for electricity; how much more than its servers a data centre draws"""


# Servers are written off over 5 years, the middle of the 4 to 6 of those who publish it; only 3 have a residual value.


def owned(gpu_id: str, gpus: int, *, tdp_w: float | None = 700.0, replicas: int = 1, **said: Any) -> Quote:
    asked = Expenses(owned=Ownership(**said))
    return bill(deployment("owned", gpu_id, tp=gpus, replicas=replicas, tdp_w=tdp_w), expenses=asked)


def amounts(found: Quote) -> dict[str, float | None]:
    return {line.name: line.usd_per_month for line in found.lines}


def test_a_server_of_eight_h200_from_the_catalogue_alone() -> None:
    found = owned(H200, 8)

    servers = 370_000 / 60
    support = 370_000 * 0.10 / 12
    electricity = 10.2 * PUE * MONTH_H * KWH
    assert found.usd_per_month == pytest.approx(servers + support + electricity, abs=0.005)
    assert not found.complete, "nobody states the network, hosting and people"
    assert amounts(found)["network, hosting and people"] is None


def test_two_servers_of_eight_h100() -> None:
    found = owned(H100, 8, replicas=2)

    servers = 2 * 325_000 / 60
    assert amounts(found)["servers"] == pytest.approx(servers, abs=0.005)
    assert amounts(found)["support"] == pytest.approx(2 * 325_000 * 0.10 / 12, abs=0.005)
    assert amounts(found)["electricity"] == pytest.approx(2 * 10.2 * PUE * MONTH_H * KWH, abs=0.005)


def test_of_b200_only_the_gpus_have_a_price() -> None:
    found = owned(B200, 8)

    assert amounts(found)["servers"] == pytest.approx(8 * 40_000 / 60, abs=0.005)
    assert amounts(found)["electricity"] == pytest.approx(14.3 * PUE * MONTH_H * KWH, abs=0.005)
    assert "the servers around the GPUs" in next(name for name, usd in amounts(found).items() if usd is None)


def test_of_an_a10_only_the_power_is_known() -> None:
    found = owned(A10, 4, tdp_w=150.0)

    assert amounts(found)["electricity"] == pytest.approx(4 * 0.150 * PUE * MONTH_H * KWH, abs=0.005)
    assert "hardware" in next(name for name, usd in amounts(found).items() if usd is None)


def test_everything_as_its_owner_says() -> None:
    found = owned(
        H200, 8, replicas=2, purchase_usd_per_gpu=45_000.0, life_years=5.0, residual_share=0.10,
        support_share_per_year=0.08, power_w_per_gpu=1_200.0, pue=1.2, electricity_usd_per_kwh=0.14,
        colocation_usd_per_kw_month=200.0, network_usd_per_gpu=4_000.0, people_usd_per_month=9_000.0,
    )  # fmt: skip

    assert amounts(found) == pytest.approx(
        {
            "servers": 16 * 45_000 * 0.90 / 60,
            "support": 16 * 45_000 * 0.08 / 12,
            "network": 16 * 4_000 / 60,
            "electricity": 16 * 1.2 * 1.2 * MONTH_H * 0.14,
            "colocation": 16 * 1.2 * 200,
            "people": 9_000,
        },
        abs=0.005,
    )
    assert found.complete
    assert {line.figure.quality for line in found.lines if line.figure} == {"stated"}


def test_three_years_have_a_residual_value() -> None:
    found = owned(H200, 8, life_years=3.0)

    assert amounts(found)["servers"] == pytest.approx(370_000 * (1 - 0.30) / 36, abs=0.005)


def test_a_life_other_than_three_years_has_no_residual_value_unless_said() -> None:
    found = owned(H200, 8, life_years=4.0)

    assert amounts(found)["servers"] == pytest.approx(370_000 / 48, abs=0.005)


def test_hosting_that_includes_the_power() -> None:
    found = owned(H200, 8, colocation_usd_per_kw_month=180.0, electricity_usd_per_kwh=0.0)

    assert amounts(found)["colocation"] == pytest.approx(10.2 * 180, abs=0.005)
    assert "electricity" not in amounts(found)


@pytest.mark.parametrize("kind", ["hourly", "owned", "tokens"])
def test_engineers_are_billed_by_the_hour_wherever_it_runs(kind: str) -> None:
    asked = Expenses(engineering_hours_per_month=12.5, engineering_usd_per_hour=120.0)

    found = bill(deployment(kind, H100, tdp_w=700.0), expenses=asked)

    assert amounts(found)["engineering"] == pytest.approx(12.5 * 120, abs=0.005)


def test_half_of_what_engineers_cost_is_no_line() -> None:
    found = bill(deployment("hourly", H100), by("lambda"), expenses=Expenses(engineering_hours_per_month=10.0))

    assert "engineering" not in amounts(found)


ROWS = [
    row("cost_facts", "on-prem", "8x H200 server", value="320000-420000 (typical 370000)"),
    row("cost_facts", "on-prem", "8x H100 node", value="300000-350000"),
    row("cost_facts", "on-prem", "per-GPU street price H100/H200/B200", value="30000/35000/40000 (+-20-40%)"),
    row("cost_facts", "on-prem", "annual support", value="8-12"),
    row("cost_facts", "on-prem", "residual value after 36 months", value="25-35"),
    row(
        "cost_facts",
        "on-prem",
        "depreciation life: CoreWeave 6y, Nebius 4y, Amazon 6->5y (2025-01-01), sceptics 2-3y",
        unit="years",
    ),
    row("cost_facts", "power", "DGX H100/H200 max", value=10.2),
    row("cost_facts", "power", "DGX B200 max", value=14.3),
    row("cost_facts", "power", "US industrial electricity", value=0.0977),
    row("cost_facts", "power", "Global average PUE", value=1.54),
]
"""A range stands for its middle unless it names a typical value: 325,000 USD, 10 %, 30 %."""


@pytest.mark.parametrize("wanted", ROWS, ids=str)
def test_the_facts_of_owning_are_as_the_table_has_them(wanted: Row) -> None:
    look_up(wanted)

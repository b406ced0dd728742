"""Spot and commitments, recomputed by hand from the sellers' rates."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hand_rows import Rent, Row, look_up, only, row
from pricing_builders import bill, deployment, packaged

from llmplan.spec.expenses import Expenses

H100, H200 = "h100-sxm-80gb", "h200-sxm-141gb"
MONTH_H = 730
YEAR_H = 8760


def gpu_row(*cells: str, **rate: float) -> Row:
    return row("gpu_prices", *cells, **rate)


SPOT = {
    "GCP, no bucket is published: none added": Rent(
        gpu_row("gcp", "a3-highgpu-8g", "us-central1", spot_usd_per_hour=50.3153), {"gpu_id": H100, "tp": 8},
        only("gcp", "us-central1", term="spot"), MONTH_H * 50.3153, "2026-10-10",
    ),
    "CoreWeave, three machines": Rent(
        gpu_row("coreweave", "hgx-h200", spot_usd_per_hour=20.93), {"gpu_id": H200, "tp": 8, "replicas": 3},
        only("coreweave", term="spot"), 3 * MONTH_H * 20.93, "2026-10-10",
    ),
    "Hyperstack, four per GPU": Rent(
        gpu_row("hyperstack", "NVIDIA H100 PCIe", spot_usd_per_hour=2.0), {"gpu_id": "h100-pcie-80gb", "tp": 4},
        only("hyperstack", term="spot"), 4 * MONTH_H * 2.0, "2026-10-10",
    ),
    "AWS, undated, as somebody observed it": Rent(
        gpu_row("aws", "p5.48xlarge", "us-east-2", spot_usd_per_hour=15.06), {"gpu_id": H100, "tp": 8},
        only("aws", "us-east-2", term="spot"), MONTH_H * 15.06, None,
    ),
}  # fmt: skip


def committed(item: str, value: float, **case: Any) -> Rent:
    return Rent(row("cost_facts", "commitment", item, value=value), **case)


COMMITTED = {
    "AWS, three years in advance": committed(
        "AWS p5.48xlarge EC2 Instance SP 3y all upfront", 20.695, wanted={"gpu_id": H100, "tp": 8},
        limits=only("aws", term="reserved-3y"), usd=MONTH_H * 20.695, dated="2026-08-07",
    ),
    "AWS, one year in advance": committed(
        "AWS p5.48xlarge EC2 Instance SP 1y all upfront", 32.36, wanted={"gpu_id": H100, "tp": 8, "replicas": 2},
        limits=only("aws", term="reserved-1y"), usd=2 * MONTH_H * 32.36, dated="2026-08-07",
    ),
    "AWS, H200 for three years": committed(
        "AWS p5en.48xlarge (H200) 3y all upfront", 23.8, wanted={"gpu_id": H200, "tp": 4},
        limits=only("aws", term="reserved-3y"), usd=MONTH_H * 23.8, dated="2026-10-03",
        idle="4 GPUs stay unused, $8,687 of it",
    ),
    "Azure, the price of three years over 36 months": committed(
        "Azure ND96isr_H200_v5 3y reservation, East US 2", 1109592, wanted={"gpu_id": H200, "tp": 8},
        limits=only("azure", term="reserved-3y"), usd=1_109_592 / 36, dated="2026-10-01",
    ),
    "OCI, three years": committed(
        "OCI BM.GPU.H200.8 3y commitment", 40, wanted={"gpu_id": H200, "tp": 8, "replicas": 2},
        limits=only("oci", term="reserved-3y"), usd=2 * MONTH_H * 40, dated="2026-10-01",
    ),
}  # fmt: skip
CASES = SPOT | COMMITTED
ALSO = (
    row("cost_facts", "commitment", "AWS p5.48xlarge 3y no upfront", value=23.777),
    row("spot_interruption_aws", "us-east-1", "p5.48xlarge", interruption_bucket=">20%"),
    gpu_row("aws", "p5.48xlarge", "us-east-1", spot_usd_per_hour=14.246),
    gpu_row("coreweave", "hgx-h100", spot_usd_per_hour=19.71),
)
"""rates of the tests further down"""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_terms_are_whole_machines_times_hours(case: Rent) -> None:
    found = bill(deployment("hourly", **case.wanted), case.limits)

    (line,) = found.lines
    assert found.usd_per_month == pytest.approx(case.usd, abs=0.005)
    assert ("stay unused" in line.note) == bool(case.idle)
    assert case.idle in line.note
    assert line.figure is not None
    assert line.figure.term == case.limits.terms[0]
    assert (line.figure.as_of.isoformat() if line.figure.as_of else None) == case.dated


@pytest.mark.parametrize("wanted", [*(case.row for case in CASES.values()), *ALSO], ids=str)
def test_rates_of_terms_are_as_the_tables_have_them(wanted: Row) -> None:
    look_up(wanted)


def test_what_is_paid_in_advance_is_the_whole_term() -> None:
    (line,) = bill(deployment("hourly", H100, tp=8), only("aws", term="reserved-3y")).lines

    owed, months = 20.695 * 3 * YEAR_H, 36 * 20.695 / 55.04
    assert f"${owed:,.0f} in all, paid in advance" in line.note
    assert f"needed for {math.ceil(months * 10) / 10} months or longer" in line.note


def test_three_years_with_nothing_in_advance() -> None:
    prices = replace(packaged(), hourly=tuple(each for each in packaged().hourly if each.upfront == "none"))

    (line,) = bill(deployment("hourly", H100, tp=8), only("aws", term="reserved-3y"), prices).lines

    assert line.usd_per_month == pytest.approx(MONTH_H * 23.777, abs=0.005)
    assert f"${23.777 * 3 * YEAR_H:,.0f} in all" in line.note
    assert "in advance" not in line.note


INTERRUPTED = [
    pytest.param(4, 600, 4, id="ten minutes to replace: none added"),
    pytest.param(4, 3600, 5, id="an hour to replace: one more"),
    pytest.param(1, 3600, 1, id="one alone is there 99.97 % of the time"),
]


@pytest.mark.parametrize(("replicas", "replacement_s", "machines"), INTERRUPTED)
def test_spot_with_a_published_bucket(replicas: int, replacement_s: float, machines: int) -> None:
    """AWS publishes more than 20 % for p5.48xlarge in us-east-1: -ln(0.8) interruptions a month of one machine."""
    there = 1 / (1 - math.log(0.8) * replacement_s / (MONTH_H * 3600))
    assert carried(machines, replicas, there) >= 0.999
    assert machines == replicas or carried(machines - 1, replicas, there) < 0.999

    found = bill(
        deployment("hourly", H100, tp=8, replicas=replicas), only("aws", "us-east-1", term="spot"),
        replacement_s=replacement_s,
    )  # fmt: skip

    assert found.usd_per_month == pytest.approx(machines * MONTH_H * 14.246, abs=0.005)


def test_spot_that_is_taken_away_as_often_as_the_asker_says() -> None:
    """Thirty times a month and five minutes each: four machines of four are there 97 % of the time, of five 99.95 %."""
    there = 1 / (1 + 30 * 300 / (MONTH_H * 3600))
    assert carried(4, 4, there) < 0.999 <= carried(5, 4, there)

    found = bill(
        deployment("hourly", H100, tp=8, replicas=4), only("coreweave", term="spot"), replacement_s=300,
        expenses=Expenses(spot_interruptions_per_month=30),
    )  # fmt: skip

    assert sum(line.usd_per_month or 0 for line in found.serving) == pytest.approx(5 * MONTH_H * 19.71, abs=0.005)


def carried(machines: int, needed: int, there: float) -> float:
    """Share of the time in which enough of the machines are there, by counting every number of them."""
    return sum(
        math.comb(machines, up) * there**up * (1 - there) ** (machines - up) for up in range(needed, machines + 1)
    )

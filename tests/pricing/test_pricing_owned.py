"""Hardware of one's own: every part with its figure, and open where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pricing_builders import HOURS, bill, deployment, packaged

from llmplan.plan.outcome import Quote
from llmplan.spec.expenses import Expenses, Ownership

NOTHING_MORE = {"network_usd_per_gpu": 0.0, "colocation_usd_per_kw_month": 0.0, "people_usd_per_month": 0.0}


def owned(gpu_id: str = "h200-sxm-141gb", gpus: int = 8, tdp_w: float | None = None, **said: Any) -> Quote:
    return bill(deployment("owned", gpu_id, tp=gpus, tdp_w=tdp_w), expenses=Expenses(owned=Ownership(**said)))


def amounts(found: Quote) -> dict[str, float | None]:
    return {line.name: line.usd_per_month for line in found.lines}


def test_three_years_of_a_server_come_to_what_a_study_says() -> None:
    """510,000 USD for eight H200 over three years at 100 % use, people, facilities, tax and network excluded: "public
    TCO appendix", 2026-10. It counts no resale and no PUE."""
    found = owned(life_years=3.0, residual_share=0.0, pue=1.0, **NOTHING_MORE)

    parts = amounts(found)
    assert parts == {
        "servers": pytest.approx(370_000 / 36, abs=0.005),
        "support": pytest.approx(370_000 * 0.10 / 12, abs=0.005),
        "electricity": pytest.approx(10.2 * HOURS * 0.0977, abs=0.005),
    }
    assert found.complete
    assert found.usd_per_month * 36 == pytest.approx(510_000, rel=0.01)
    assert found.usd_per_hour / 8 == pytest.approx(2.43, rel=0.01)


def test_every_part_that_is_stated_is_a_line() -> None:
    found = owned(
        "a10-24gb", 4, purchase_usd_per_gpu=5000.0, life_years=4.0, residual_share=0.2, support_share_per_year=0.08,
        power_w_per_gpu=300.0, pue=1.3, electricity_usd_per_kwh=0.2, colocation_usd_per_kw_month=180.0,
        network_usd_per_gpu=600.0, people_usd_per_month=900.0,
    )  # fmt: skip

    assert amounts(found) == {
        "servers": pytest.approx(4 * 5000 * 0.8 / 48),
        "support": pytest.approx(4 * 5000 * 0.08 / 12),
        "network": pytest.approx(4 * 600 / 48),
        "electricity": pytest.approx(4 * 0.3 * 1.3 * HOURS * 0.2),
        "colocation": pytest.approx(4 * 0.3 * 180),
        "people": pytest.approx(900),
    }
    assert found.complete
    assert {line.figure.quality for line in found.lines if line.figure} == {"stated"}


def test_what_is_not_known_is_open_and_says_how_to_state_it() -> None:
    found = owned("a10-24gb", 4, tdp_w=150.0)

    electricity, unknown = found.lines
    assert electricity.usd_per_month == pytest.approx(4 * 0.15 * 1.54 * HOURS * 0.0977)
    assert "host's own power is not in it" in electricity.note
    assert unknown.name == "hardware, network, hosting and people"
    assert unknown.usd_per_month is None
    for flag in ("--owned-usd-per-gpu", "--owned-network-usd-per-gpu", "--owned-people-usd-per-month"):
        assert flag in unknown.note
    assert not found.complete


def test_the_price_of_a_gpu_is_not_that_of_a_server() -> None:
    """40,000 USD is a B200 on the street, without the server around it."""
    found = owned("b200-180gb", 8, life_years=4.0, **NOTHING_MORE)

    assert amounts(found)["servers"] == pytest.approx(8 * 40_000 / 48)
    assert found.lines[-1].name == "the servers around the GPUs"
    assert not found.complete
    assert "without its server" in found.lines[0].note


def test_a_figure_stands_for_the_very_gpu_it_is_about() -> None:
    """A PCIe H100 is not in an HGX server."""
    assert "servers" not in amounts(owned("h100-pcie-80gb", 8, tdp_w=350.0))
    assert "servers" in amounts(owned("h100-sxm-80gb", 8))


def test_a_life_without_a_figure_has_no_resale() -> None:
    three, four = owned(life_years=3.0), owned(life_years=4.0)
    assert amounts(three)["servers"] == pytest.approx(370_000 * 0.7 / 36)
    assert amounts(four)["servers"] == pytest.approx(370_000 / 48)
    assert "no residual value is known after 4 years" in four.lines[0].note


def test_the_life_is_what_companies_write_off_over() -> None:
    line = owned().lines[0]
    assert line.usd_per_month == pytest.approx(370_000 / 60)
    assert "over 5 years" in line.note
    assert "medium-high" in line.note


def test_nothing_known_of_power_is_an_open_line() -> None:
    found = owned("a10-24gb", 4, tdp_w=None)
    assert amounts(found)["electricity"] is None
    assert found.lines[0].note == "not known: power"


def test_without_a_rate_no_electricity_is_made_up() -> None:
    prices = replace(packaged(), facts={})
    found = bill(deployment("owned", "h200-sxm-141gb", tp=8, tdp_w=700.0), prices=prices, expenses=Expenses())
    assert amounts(found)["electricity"] is None
    assert "PUE, rate" in found.lines[0].note

"""Rows of the cost-facts table as figures: numbers by position, tiers, confidence, commitments."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.prices import load_prices
from llmplan.errors import DataError
from llmplan.pricefeeds import build_documents
from llmplan.pricefeeds.facts import split_confidence, tiers
from llmplan.pricefeeds.tables import COLUMNS
from llmplan.spec.price import PriceBook, PriceTier

TODAY = date(2026, 11, 26)


@pytest.fixture(scope="module")
def packaged() -> PriceBook:
    return load_prices((packaged_profiles(),), TODAY)


def test_egress_as_the_clouds_state_it(packaged: PriceBook) -> None:
    """AWS: 100 GB free, 0.09 to 10 TB, 0.085 to 50 TB, 0.07 to 150 TB, 0.05 beyond. Oracle: 10 TB free, then 0.0085."""
    found = {name: packaged.facts[f"{name}.egress"] for name in ("aws", "azure", "gcp", "oci", "lambda")}
    assert [(tier.up_to, tier.usd) for tier in found["aws"].tiers] == [
        (100, 0), (10_000, 0.09), (50_000, 0.085), (150_000, 0.07), (None, 0.05),
    ]  # fmt: skip
    assert [tier.usd for tier in found["azure"].tiers] == [0, 0.087, 0.083, 0.07, 0.05]
    assert [(tier.up_to, tier.usd) for tier in found["gcp"].tiers] == [(1000, 0.12), (10_000, 0.11), (None, 0.08)]
    assert found["oci"].tiers == (PriceTier(up_to=10_000, usd=0), PriceTier(up_to=None, usd=0.0085))
    assert (found["lambda"].value, found["lambda"].tiers) == (0, ())
    assert all(fact.confidence and "confidence" not in (fact.provenance.note or "") for fact in found.values())


@pytest.mark.parametrize("text", ["100 GB free", "0.09 to 10 TB, 0.085 to 50 TB", "0.087/0.083"])
def test_tiers_that_lack_a_rate_or_a_bound(text: str) -> None:
    with pytest.raises(DataError, match="rates and"):
        tiers(text)


@pytest.mark.parametrize(
    ("text", "word", "remark"),
    [
        ("medium-high", "medium-high", ""), ("low (headline maxima)", "low", "headline maxima"),
        ("high but 17 months old", "high", "but 17 months old"), ("recalled", None, "recalled"),
    ],
)  # fmt: skip
def test_confidence_is_a_word_and_a_remark(text: str, word: str | None, remark: str) -> None:
    assert split_confidence(text) == (word, remark)


def test_figures_that_a_bill_needs_are_there_with_their_spread(packaged: PriceBook) -> None:
    """Straight from the rows: a server 320 to 420 kUSD, lives of 6, 4 and 5 years, support 8 to 12 % a year."""
    facts = packaged.facts
    assert (facts["server-8x-h200"].low, facts["server-8x-h200"].value, facts["server-8x-h200"].high) == (
        320_000, 370_000, 420_000,
    )  # fmt: skip
    life = facts["depreciation-life"]
    assert (life.low, life.value, life.high, life.unit, life.provenance.kind) == (2, 5, 6, "years", "derived")
    assert [facts[f"depreciation-life-{name}"].value for name in ("coreweave", "nebius", "amazon")] == [6, 4, 5]
    assert (facts["support"].low, facts["support"].high) == (8, 12)
    assert (facts["nvidia-ai-enterprise"].value, facts["nvidia-ai-enterprise-cloud"].value) == (4500, 1)
    assert (facts["aws.nat-gateway"].value, facts["aws.nat-gateway-traffic"].value) == (0.045, 0.045)
    assert (facts["aws.control-plane"].value, facts["aws.control-plane-extended"].value) == (0.1, 0.6)
    assert [facts[f"azure.cpu-commitment-{term}"].value for term in ("1y-none", "1y-all", "3y-none", "3y-all")] == [
        0.30, 0.36, 0.50, 0.62,
    ]  # fmt: skip
    assert (facts["gcp.commitment-1y"].value, facts["gcp.commitment-3y"].value) == (0.63, 0.45)


def test_every_fact_says_where_it_is_from_and_how_sure_it_is(packaged: PriceBook) -> None:
    for name, fact in packaged.facts.items():
        assert fact.provenance.source.title, name
        assert fact.provenance.source.retrieved, name
        assert fact.confidence in {"low", "low-medium", "medium", "medium-high", "high"}, name


def test_load_balancers_and_people_are_cited(packaged: PriceBook) -> None:
    """The lines of scripts/price_facts.csv: rates that no table has."""
    balancers = {name: packaged.facts[f"{name}.load-balancer"] for name in ("aws", "gcp", "azure", "oci")}
    assert {name: fact.value for name, fact in balancers.items()} == {
        "aws": 0.0225, "gcp": 0.025, "azure": 0.025, "oci": 0,
    }  # fmt: skip
    people = [packaged.facts[name] for name in ("engineer", "people-per-8-gpu-server", "people-per-1024-gpus")]
    asked = [200_000 / 2080, 225_000 / 2080, 250_000 / 2080]
    assert [people[0].low, people[0].value, people[0].high] == pytest.approx(asked, abs=0.5)
    assert all(fact.provenance.source.url and fact.provenance.note for fact in (*balancers.values(), *people))
    assert all(fact.confidence == "low" for fact in people)


def test_commitments_keep_how_they_are_paid_and_how_sure_they_are(packaged: PriceBook) -> None:
    """The rows: p5 20.695 all upfront and 23.777 without for 3 years, 32.36 for 1; Azure 1,109,592 for 3 years."""
    found = {
        (offer.instance, offer.term, offer.upfront): offer for offer in packaged.hourly if offer.term.startswith("res")
    }
    p5 = "p5.48xlarge"
    assert found[p5, "reserved-3y", "all"].usd_per_hour == 20.695
    assert found[p5, "reserved-3y", "none"].usd_per_hour == 23.777
    assert found[p5, "reserved-1y", "all"].usd_per_hour == 32.36
    azure = found["Standard_ND96isr_H200_v5", "reserved-3y", "all"]
    assert azure.usd_per_hour == pytest.approx(1_109_592 / (3 * 8760), abs=1e-4)
    assert found["BM.GPU.H200.8", "reserved-3y", "none"].confidence == "medium"
    assert all(offer.confidence for offer in found.values())


def test_a_row_that_its_collector_could_not_verify_is_left_out(tmp_path: Path) -> None:
    row = {
        "topic": "storage", "item": "AWS gp3", "value": "0.08", "unit": "USD/GB-month", "source": "a/b prices",
        "as_of": "2026-09-06", "confidence": "UNVERIFIED", "note": "",
    }  # fmt: skip
    assert "aws" not in _documents(tmp_path / "a", row)
    found = _documents(tmp_path / "b", row | {"confidence": "medium (one list)"})["aws"]["facts"]["block-storage"]
    assert (found["value"], found["confidence"], found["note"]) == (0.08, "medium", "one list")


def _documents(folder: Path, row: dict[str, str]) -> dict[str, Any]:
    """With a machine to sell, since a seller's facts stand in the seller's file."""
    machine = {
        "provider": "aws", "instance_type": "g6.xlarge", "gpu": "L4", "gpu_count": "1", "region": "us-east-1",
        "on_demand_usd_per_hour": "0.8", "source": "a/b prices", "as_of": "2026-10-10",
    }  # fmt: skip
    folder.mkdir()
    for name, line in (("cost_facts", row), ("gpu_prices", machine)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS[name], restval="")
            writer.writeheader()
            writer.writerow(line)
    documents = build_documents(folder, retrieved=TODAY)
    return {name: each for name, each in documents.items() if each.get("facts")}

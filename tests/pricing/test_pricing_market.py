"""Medians of the market: each seller first, then across sellers."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pricing_builders import DAY, book, hourly, packaged, per_second

from llmplan.pricing.market import MarketMedian, market_medians, median_fact
from llmplan.spec.price import CostFact, HourlyOffer, PriceBook
from llmplan.spec.provenance import Provenance, Source
from llmplan.spec.workload import Limits
from tests_support import DATA

PRICES = st.floats(min_value=0.1, max_value=50.0)


def only(prices: PriceBook, limits: Limits | None = None) -> MarketMedian:
    (found,) = market_medians(prices, limits=limits) if limits else market_medians(prices)
    return found


def test_a_seller_with_many_rows_counts_once() -> None:
    many = [hourly("big", 10.0, region=f"r{i}") for i in range(9)]
    found = only(book(*many, hourly("a", 2.0), hourly("b", 24.0, gpus=8)))
    assert found.usd_per_gpu_hour == 3.0  # of 2, 24 / 8 and 10
    assert [(each.provider, each.usd_per_gpu_hour, each.rows) for each in found.sellers] == [
        ("a", 2.0, 1), ("b", 3.0, 1), ("big", 10.0, 9),
    ]  # fmt: skip
    assert (found.rows, found.low_usd_per_gpu_hour, found.high_usd_per_gpu_hour) == (11, 2.0, 10.0)


def test_what_is_vague_is_counted_and_does_not_count() -> None:
    rows = [
        hourly("a", 4.0), hourly("a", 1.0, from_date=None, region="r2"), hourly("b", 0.5, quality="average"),
        hourly("c", 3.0, quality="advertised"), hourly("d", 5.0, from_date=None), hourly("e", 0.2, gpus=0.25),
    ]  # fmt: skip
    found = only(book(*rows))
    assert [each.provider for each in found.sellers] == ["c", "a", "d"]
    assert (found.usd_per_gpu_hour, found.rows, found.left_out_rows) == (4.0, 3, 3)
    assert (found.weak_rows, found.undated_rows) == (1, 1)
    alone = only(book(rows[2]))
    assert (alone.usd_per_gpu_hour, alone.weak_rows, alone.left_out_rows) == (0.5, 1, 0)


def test_terms_and_dates_are_kept_apart() -> None:
    early, late = date(2026, 3, 1), date(2026, 9, 1)
    rows = [
        hourly("a", 4.0, from_date=early), hourly("b", 6.0, from_date=late), hourly("a", 2.0, term="spot"),
        hourly("a", 3.0, term="reserved-1y", upfront="none"), per_second("c", 0.001),
        per_second("c", 0.001, max_gpus=5),
    ]  # fmt: skip
    found = {each.term: each for each in market_medians(book(*rows))}
    assert list(found) == ["on-demand", "spot", "reserved-1y", "per-second"]
    assert found["on-demand"].usd_per_gpu_hour == 5.0
    assert (found["on-demand"].oldest, found["on-demand"].newest) == (early, late)
    assert found["per-second"].usd_per_gpu_hour == pytest.approx(3.6)
    assert found["per-second"].rows == 1


def test_marketplaces_count_unless_the_limits_say_otherwise() -> None:
    prices = book(hourly("a", 4.0), hourly("m", 2.0), m="marketplace")
    assert only(prices).usd_per_gpu_hour == 3.0
    assert only(prices, Limits()).usd_per_gpu_hour == 4.0
    assert market_medians(prices, gpu_ids=["l4-24gb"]) == ()


@given(st.lists(PRICES, min_size=1, max_size=9), PRICES)
def test_the_median_is_between_the_extremes_and_linear(prices: list[float], factor: float) -> None:
    rows = [hourly(f"p{i % 4}", price, region=f"r{i}") for i, price in enumerate(prices)]
    found = only(book(*rows))
    assert found.low_usd_per_gpu_hour <= found.usd_per_gpu_hour <= found.high_usd_per_gpu_hour
    scaled = only(book(*(replace(row, usd_per_hour=row.usd_per_hour * factor) for row in rows)))
    assert scaled.usd_per_gpu_hour == pytest.approx(found.usd_per_gpu_hour * factor)


@given(st.lists(PRICES, min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_count(prices: list[float], shuffled: object) -> None:
    rows: list[HourlyOffer] = [hourly(f"p{i % 3}", price, region=f"r{i}") for i, price in enumerate(prices)]
    mixed = list(rows)
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]
    assert only(book(*mixed)) == only(book(*rows))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the data tables are not at {DATA} (set LLMPLAN_DATA)")
def test_the_median_of_an_l40s_is_that_of_its_table() -> None:
    """Worked from the rows as sellers publish them; `median-offer` is somebody's mean and no offer."""
    by_seller: dict[str, list[float]] = {}
    with (DATA / "gpu_prices.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["gpu"] == "L40S" and not row["instance_type"].startswith("median-offer"):
                price = float(row["on_demand_usd_per_hour"]) / float(row["gpu_count"])
                by_seller.setdefault(row["provider"].split()[0], []).append(price)
    expected = {name: median(prices) for name, prices in by_seller.items()}
    (found,) = (each for each in market_medians(packaged(), gpu_ids=["l40s-48gb"]) if each.term == "on-demand")
    assert {each.provider: each.usd_per_gpu_hour for each in found.sellers} == pytest.approx(expected)
    assert found.usd_per_gpu_hour == pytest.approx(median(expected.values()))
    assert found.rows == sum(len(prices) for prices in by_seller.values())
    assert found.left_out_rows == 1


def fact(identity: str, value: float, as_of: date | None = DAY, unit: str = "USD/GB-month") -> CostFact:
    provenance = Provenance(source=Source(id="s", title="A list"), as_of=as_of, kind="published")
    return CostFact(id=identity, value=value, unit=unit, provenance=provenance)


def test_a_rate_of_no_named_seller_is_the_median_of_what_sellers_state() -> None:
    stated = [
        fact("a.block-storage", 0.08), fact("b.block-storage", 0.1, date(2026, 5, 1)),
        fact("c.block-storage", 0.2, None),
    ]  # fmt: skip
    prices = PriceBook(facts={each.id: each for each in (*stated, fact("a.egress", 9.0), fact("pue", 1.2))}, as_of=DAY)
    found = median_fact(prices, "block-storage")
    assert found is not None
    assert (found.value, found.low, found.high, found.unit) == (0.1, 0.08, 0.2, "USD/GB-month")
    assert (found.provenance.kind, found.provenance.as_of) == ("assumed", date(2026, 5, 1))
    assert found.provenance.source.title == "median of what 3 sellers state: a 0.08, b 0.1, c 0.2"
    assert found.provenance.note == "1 of them undated"
    assert median_fact(prices, "pue") is None
    assert median_fact(prices, "nothing") is None


def test_rates_in_two_units_have_no_median() -> None:
    stated = [fact("a.nat", 0.08), fact("b.nat", 0.1, unit="USD/h")]
    assert median_fact(PriceBook(facts={each.id: each for each in stated}, as_of=DAY), "nat") is None

"""Histograms by hand: differences, means and quantiles with the bounds of their bucket."""

from __future__ import annotations

import math

import pytest

from llmplan.plan.served.histogram import Histogram, Quantile

INF = math.inf
EARLY = Histogram(bounds=(0.1, 0.25, 0.5, INF), counts=(10.0, 30.0, 40.0, 40.0), total=8.0)
LATE = Histogram(bounds=(0.1, 0.25, 0.5, INF), counts=(10.0, 40.0, 120.0, 140.0), total=68.0)


def test_what_came_in_between() -> None:
    gained = LATE.since(EARLY)
    assert gained == Histogram(bounds=(0.1, 0.25, 0.5, INF), counts=(0.0, 10.0, 80.0, 100.0), total=60.0)
    assert gained.count == 100.0
    assert gained.mean == 0.6


def test_quantiles_are_linear_within_their_bucket() -> None:
    gained = LATE.since(EARLY)
    assert gained is not None
    # the 45th of 100 is the 35th of the 70 between 0.25 and 0.5
    assert gained.quantile(0.45) == Quantile(low=0.25, mid=0.25 + 0.25 * 35 / 70, high=0.5)
    assert gained.quantile(0.05) == Quantile(low=0.1, mid=0.1 + 0.15 * 5 / 10, high=0.25)
    assert gained.quantile(0.8) == Quantile(low=0.25, mid=0.5, high=0.5)
    # 20 of 100 are above all bounds: nobody knows by how much
    assert gained.quantile(0.95) == Quantile(low=0.5, mid=0.5, high=INF)


def test_the_first_bucket_begins_at_zero() -> None:
    assert EARLY.quantile(0.125) == Quantile(low=0.0, mid=0.05, high=0.1)


def test_nothing_has_neither_mean_nor_quantile() -> None:
    empty = EARLY.since(EARLY)
    assert empty is not None
    assert (empty.count, empty.mean, empty.quantile(0.5)) == (0.0, None, None)
    assert Histogram.of_sums(4.0, 2.0).mean == 0.5
    assert Histogram.of_sums(1e-300, 1e300).mean is None
    assert Histogram.of_sums(4.0, 2.0).quantile(0.5) is None


def test_counts_that_went_back_are_of_another_process() -> None:
    assert EARLY.since(LATE) is None
    assert Histogram.of_sums(10.0, 1.0).since(Histogram.of_sums(5.0, 2.0)) is None


def test_other_bounds_leave_those_that_both_have() -> None:
    other = Histogram(bounds=(0.25, 1.0, INF), counts=(1.0, 2.0, 3.0), total=2.0)
    assert LATE.plus(other) == Histogram(bounds=(0.25, INF), counts=(41.0, 143.0), total=70.0)
    assert LATE.since(Histogram.of_sums(40.0, 8.0)) == Histogram.of_sums(100.0, 60.0)


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [
        ((1.0,), (1.0,)),
        ((), ()),
        ((2.0, 1.0, INF), (1.0, 1.0, 1.0)),
        ((1.0, INF), (2.0, 1.0)),
        ((1.0, INF), (-1.0, 1.0)),
    ],
)
def test_what_is_no_histogram(bounds: tuple[float, ...], counts: tuple[float, ...]) -> None:
    with pytest.raises(ValueError):
        Histogram(bounds=bounds, counts=counts, total=1.0)

"""Two sets of prices side by side, and what is unfit about one."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from llmplan.pricefeeds import differences, findings, moved, sellers_fitness

TODAY = date(2026, 11, 26)


def seller(*offers: tuple[date | None, str, float], name: str = "x") -> dict[str, dict[str, Any]]:
    entries = [
        {"instance": "box", "gpu": "h100-sxm-80gb", "gpus": 8, "offers": [
            {"from": day, "source": "s", "term": "on-demand", "usd_per_hour": {region: price}}]}
        for day, region, price in offers
    ]  # fmt: skip
    return {name: {"id": name, "name": name, "tier": "cloud", "sources": {}, "hourly": entries}}


def day(month: int, number: int = 1) -> date:
    return date(2026, month, number)


def test_what_moved_most_comes_first_then_what_is_gone_then_what_is_new() -> None:
    old = seller((day(1), "a", 30.0), (day(1), "b", 30.0), (day(1), "same", 30.0), (day(1), "gone", 30.0))
    new = seller((day(2), "a", 33.0), (day(2), "b", 15.0), (day(2), "same", 30.0), (day(2), "new", 30.0))
    found = differences(old, new)
    assert [(each.sign, each.key.rsplit(" ", 1)[1]) for each in found] == [
        ("~", "b"), ("~", "a"), ("-", "gone"), ("+", "new"),
    ]  # fmt: skip
    assert [each.change for each in found] == [pytest.approx(-0.5), pytest.approx(0.1), None, None]
    assert (found[0].old_day, found[0].new_day) == (day(1), day(2))
    (group,) = moved(found)
    assert (group.subject, group.moved, group.added, group.gone) == ("h100-sxm-80gb", 2, 1, 1)
    assert group.median_change == pytest.approx((-0.5 + 0.1) / 2)


def test_two_days_of_one_set() -> None:
    known = seller((day(1), "a", 30.0), (day(6), "a", 20.0), (day(8), "a", 25.0))
    (change,) = differences(known, known, old_day=day(2), new_day=day(7))
    assert (change.old_usd, change.new_usd) == (30.0, 20.0)
    assert differences(known, known, old_day=day(9), new_day=day(10)) == []


def test_a_listing_that_ended_is_gone() -> None:
    offer = {
        "model": "m", "listed_as": "m", "from": day(1), "ends": day(6), "source": "s",
        "input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0,
    }  # fmt: skip
    known = {"x": {"id": "x", "tokens": [offer]}}
    assert [each.sign for each in differences(known, known, old_day=day(5), new_day=day(7))] == ["-", "-"]


def texts(documents: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each.severity, each.message) for each in findings(documents, today=TODAY)]


@pytest.mark.parametrize(("age", "stale"), [(45, False), (46, True)])
def test_a_seller_is_stale_after_45_days(age: int, stale: bool) -> None:
    known = seller((date.fromordinal(TODAY.toordinal() - age), "a", 30.0))
    assert bool(texts(known)) is stale


def test_a_seller_whose_old_prices_stand_beside_a_new_one_is_fresh() -> None:
    known = seller((day(1), "a", 30.0), (TODAY, "b", 30.0))
    assert texts(known) == []
    (fitness,) = sellers_fitness(known)
    assert (fitness.newest, fitness.oldest, fitness.age_days(TODAY), fitness.prices) == (TODAY, day(1), 0, 2)


@pytest.mark.parametrize(
    ("offers", "severity", "message"),
    [
        ([(None, "a", 30.0)], "warning", "none of its 1 prices is dated"),
        ([(TODAY, "a", 3000.0)], "error", "3000 USD/h for 8 GPUs: cannot be right"),
        ([(TODAY, "a", 30.0), (date(2026, 12, 1), "b", 30.0)], "error", "dated in the future, 2026-12-01"),
        ([(TODAY, "a", 30.0), (TODAY, "a", 31.0)], "warning", "30 and 31, both of 2026-11-26"),
        ([(day(11), "a", 5.0), (TODAY, "a", 30.0)], "warning", "5 became 30, more than a factor 3"),
    ],
)
def test_what_is_unfit(offers: list[tuple[date | None, str, float]], severity: str, message: str) -> None:
    (found,) = texts(seller(*offers))
    assert found[0] == severity
    assert message in found[1]

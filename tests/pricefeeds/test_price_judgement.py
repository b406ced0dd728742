"""Row by row: what may be used of a new list, what is held back, and when a seller is refused as a whole."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from feed_server import priced
from llmplan.pricefeeds import judge
from llmplan.pricefeeds.atoms import join, newest, split

TODAY = date(2026, 11, 26)
OLD_DAY, NEW_DAY = date(2026, 10, 1), date(2026, 11, 20)


def machines(day: date | None, **prices: float) -> dict[str, Any]:
    """A seller with a machine of eight H100 in a region each."""
    offer = {"from": day, "source": "s", "term": "on-demand", "usd_per_hour": dict(prices)}
    entry = {"instance": "box", "gpu": "h100-sxm-80gb", "gpus": 8, "offers": [offer]}
    return {"id": "x", "name": "X", "tier": "cloud", "sources": {"s": {"title": "a list"}}, "hourly": [entry]}


def tokens(day: date, input_usd: float, output_usd: float) -> dict[str, Any]:
    offer = {
        "model": "openai/gpt-oss-20b", "listed_as": "oss", "from": day, "source": "s",
        "input_usd_per_mtok": input_usd, "output_usd_per_mtok": output_usd,
    }  # fmt: skip
    return {"id": "x", "name": "X", "tier": "api", "sources": {"s": {"title": "a list"}}, "tokens": [offer]}


def name(region: str) -> str:
    return f"box h100-sxm-80gb 8 on-demand {region}"


def test_one_price_that_jumped_is_held_back_and_the_others_go_through() -> None:
    verdict = judge(
        {"x": machines(NEW_DAY, a=3.0, b=28.0, c=32.0)}, {"x": machines(OLD_DAY, a=30.0, b=30.0, c=32.0)}, today=TODAY
    )
    (held,) = verdict.held
    assert (held.name, held.old_usd, held.new_usd) == (f"x: {name('a')}", 30.0, 3.0)
    assert priced(verdict.accepted["x"]) == {name("b"): 28.0, name("c"): 32.0}
    assert [(change.key, change.old_usd, change.new_usd) for change in verdict.changes] == [(name("b"), 30.0, 28.0)]
    assert (verdict.confirmed, verdict.refused) == (1, True)


@pytest.mark.parametrize(("old", "new", "jumps"), [(30, 10, False), (30, 9.9, True), (30, 90, False), (30, 90.1, True)])
def test_a_jump_is_more_than_a_factor_of_three_either_way(old: float, new: float, jumps: bool) -> None:
    verdict = judge({"x": machines(NEW_DAY, a=new)}, {"x": machines(OLD_DAY, a=old)}, today=TODAY)
    assert bool(verdict.held) is jumps


def test_a_jump_that_is_accepted_goes_through() -> None:
    asked: list[str] = []
    verdict = judge(
        {"x": machines(NEW_DAY, a=3.0)},
        {"x": machines(OLD_DAY, a=30.0)},
        today=TODAY,
        accept=lambda text: bool(asked.append(text)) or True,
    )
    assert asked == [f"x: {name('a')}"]
    assert (verdict.held, priced(verdict.accepted["x"])) == ((), {name("a"): 3.0})


def test_a_listing_is_held_back_with_both_its_sides() -> None:
    verdict = judge({"x": tokens(NEW_DAY, 0.1, 10.0)}, {"x": tokens(OLD_DAY, 0.1, 0.5)}, today=TODAY)
    assert [held.key for held in verdict.held] == ["oss output"]
    assert priced(verdict.accepted["x"]) == {}


@pytest.mark.parametrize("price", [-3.0, 0.0, 0.1, 801.0, float("inf")])
def test_a_price_that_cannot_be_right_is_left_out_alone(price: float) -> None:
    regions = {f"r{index}": 30.0 for index in range(9)}
    verdict = judge({"x": machines(NEW_DAY, bad=price, **regions)}, {}, today=TODAY)
    (problem,) = verdict.problems
    assert problem.severity == "error"
    assert problem.message.endswith("USD/h for 8 GPUs: left out")
    assert len(priced(verdict.accepted["x"])) == 9


def test_a_price_of_the_future_is_left_out() -> None:
    document = machines(date(2026, 12, 1), later=30.0)
    document["hourly"] += machines(NEW_DAY, **{f"r{index}": 30.0 for index in range(9)})["hourly"]
    verdict = judge({"x": document}, {}, today=TODAY)
    assert "dated in the future, 2026-12-01: left out" in verdict.problems[0].message
    assert len(priced(verdict.accepted["x"])) == 9


def test_a_list_with_many_bad_rows_is_not_understood_and_not_used() -> None:
    verdict = judge({"x": machines(NEW_DAY, a=-1.0, b=-1.0, c=30.0)}, {}, today=TODAY)
    assert verdict.accepted == {}
    assert verdict.problems[-1].message == "2 of 3 prices cannot be right: none of its prices is used"


def test_rows_may_be_missing_only_from_a_list_that_is_not_complete() -> None:
    known = {"x": machines(OLD_DAY, **{f"r{index}": 30.0 for index in range(10)})}
    found = {"x": machines(NEW_DAY, r0=30.0)}
    assert judge(found, known, today=TODAY, complete=True).accepted == {}
    assert set(judge(found, known, today=TODAY, complete=False).accepted) == {"x"}


def test_a_price_from_before_what_is_known_changes_nothing() -> None:
    verdict = judge({"x": machines(OLD_DAY, a=3.0)}, {"x": machines(NEW_DAY, a=30.0)}, today=TODAY)
    assert (verdict.changes, verdict.held, verdict.older) == ((), (), 1)


def test_an_undated_price_does_not_unseat_a_dated_one() -> None:
    verdict = judge({"x": machines(None, a=25.0)}, {"x": machines(NEW_DAY, a=30.0)}, today=TODAY)
    assert (verdict.changes, verdict.older) == ((), 1)


def test_a_document_comes_apart_and_together_again() -> None:
    document = machines(OLD_DAY, a=1.0, b=2.0)
    document["hourly"][0]["offers"][0]["interruption"] = {"b": "<5%"}
    document["cpu"] = [
        {"region": "a", "architecture": "arm64", "from": OLD_DAY, "source": "s",
         "machines": {"c1": [2, 4, 0.05, 0.02], "c2": [4, 8, 0.1]}}
    ]  # fmt: skip
    document["tokens"] = tokens(OLD_DAY, 1.0, 2.0)["tokens"]
    assert join(split(document)) == {key: document[key] for key in ("hourly", "tokens", "cpu")}


def test_the_newest_price_of_a_day() -> None:
    document = machines(OLD_DAY, a=1.0)
    document["hourly"] += machines(NEW_DAY, a=2.0)["hourly"] + machines(None, a=3.0)["hourly"]
    assert newest(document)[name("a")].usd == {"": 2.0}
    assert newest(document, date(2026, 10, 30))[name("a")].usd == {"": 1.0}
    assert newest(document, date(2026, 1, 1))[name("a")].usd == {"": 3.0}

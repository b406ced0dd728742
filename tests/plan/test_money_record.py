"""The JSON of `cost` read again: the same bills, and one clear complaint where it is something else."""

from __future__ import annotations

import json
from typing import Any

import pytest

import plan_samples as sample
from llmplan.errors import DataError
from llmplan.plan.money.diff import diff
from llmplan.plan.money.record import is_cost, side_from
from llmplan.plan.money.side import side_of
from llmplan.report import json_money
from llmplan.report.cost_answer import CostAnswer

PLAN = sample.plan(sample.option(), sample.token_option())


def printed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(json_money.cost(CostAnswer(plan=PLAN))))
    return found


def test_what_was_printed_is_what_there_was() -> None:
    side = side_from(printed(), "old.json")
    assert side == side_of(PLAN, "old.json")
    assert not diff(side, side_of(PLAN, "now")).changed
    assert diff(side, side_of(PLAN, "now")).moves.question == ()


def test_only_an_answer_of_cost_is_one() -> None:
    assert is_cost({"schema": "llmplan.cost/v99"})
    assert not any(map(is_cost, ({"schema": "llmplan.recommend/v1"}, {"schema": 3}, [], "text", None, {})))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "llmplan.cost/v2"}, "this answer is llmplan.cost/v2, which this version of llmplan does not know"),
        ({"strategies": 3}, "strategies: expected a list"),
        ({"strategies": [3]}, r"strategies\[0\]: expected a mapping"),
        ({"strategies": [{"strategy": "best", "status": "option"}]}, "expected one of serverless"),
        ({"strategies": [{"strategy": "dedicated"}]}, "status: is missing"),
        ({"strategies": [{"strategy": "dedicated", "status": "option", "quote": 1}]}, "quote: expected a mapping"),
        ({"price_date": "yesterday"}, "price_date"),
        ({"recommended": "best"}, "recommended"),
        ({"question": {"a": [1]}}, "question.a: expected a text, a number, true, false or null"),
        ({"figures": {"a": "b"}}, "a: expected float"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        side_from(printed() | change, "old.json")


@pytest.mark.parametrize("key", ["question", "figures", "made_with"])
def test_an_answer_of_an_older_version_is_to_be_printed_again(key: str) -> None:
    document = printed()
    del document[key]
    with pytest.raises(DataError, match=f"{key} is missing") as caught:
        side_from(document, "old.json")
    assert "llmplan cost" in caught.value.hints[0]


def test_a_line_with_a_broken_number_is_refused() -> None:
    document = printed()
    document["strategies"][1]["quote"]["lines"][0]["quantity"] = "many"
    with pytest.raises(DataError, match=r"strategies\[1\].quote.lines\[0\].quantity"):
        side_from(document, "old.json")

"""Every dollar of the six scenarios, of `recommend` and of `cost`, resolves to a row of the price book."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from price_rows import found, same

from llmplan.cli import main
from llmplan.spec.catalog import Catalog

DAY = "2026-11-22"
LLAMA_8B, LLAMA_70B = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
SHORT = ("--isl", "1000", "--osl", "300")
SCENARIOS = {
    "a seed startup's bursty chat": (LLAMA_8B, "--requests-per-minute", "2", *SHORT, "--ttft-p95-ms", "2000"),
    "the same with its own weights": (LLAMA_8B, "--requests-per-minute", "2", *SHORT, "--privacy", "private"),
    "a bank with sixteen A10": (
        LLAMA_70B, "--concurrency", "40", "--isl", "7168", "--osl", "1024", "--have", "4x4xa10-24gb",
        "--privacy", "air-gapped",
    ),
    "one consumer GPU": (
        LLAMA_70B, "--concurrency", "1", *SHORT, "--have", "1x1xrtx-4090-24gb", "--host-ram-gib", "64",
        "--host-memory-gb-per-s", "75",
    ),
    "DeepSeek-R1 on eight H200": (
        "deepseek-ai/DeepSeek-R1", "--concurrency", "16", "--isl", "2000", "--osl", "1000", "--have", "1x8xh200",
        "--owned-people-usd-per-month", "9000", "--colocation-usd-per-kw-month", "200",
    ),
    "a steady product": (
        LLAMA_70B, "--requests-per-second", "15", *SHORT, "--ttft-p95-ms", "1500",
        "--engineering-hours-per-month", "20", "--engineering-usd-per-hour", "108",
    ),
    "a student's T4": (LLAMA_8B, "--concurrency", "1", *SHORT, "--have", "1x1xt4-16gb"),
}  # fmt: skip
ASKED = [
    pytest.param(command, case, id=f"{command}: {case}") for case in SCENARIOS for command in ("recommend", "cost")
]


@cache
def answer(command: str, case: str) -> str:
    """What the command prints, once for all tests of it."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([command, *SCENARIOS[case], "--as-of", DAY, "--explain", "--json"]) == 0
    return out.getvalue()


def quotes(command: str, case: str) -> list[dict[str, Any]]:
    """Every quote of an answer, wherever in it."""
    return [each for each in _dicts(json.loads(answer(command, case))) if {"lines", "alternatives"} <= set(each)]


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _dicts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _dicts(each)


def priced(command: str, case: str) -> list[dict[str, Any]]:
    """Every line with an amount, of bills and of the alternatives to them."""
    lines = (line for quote in quotes(command, case) for line in (*quote["lines"], *quote["alternatives"]))
    return [line for line in lines if line["usd_per_month"] is not None]


@pytest.mark.parametrize(("command", "case"), ASKED)
def test_an_amount_is_quantity_times_price_and_a_total_the_sum(command: str, case: str) -> None:
    assert quotes(command, case)
    for quote in quotes(command, case):
        known = [line["usd_per_month"] for line in quote["lines"] if line["usd_per_month"] is not None]
        assert quote["usd_per_month"] == pytest.approx(sum(known), abs=0.005)
        assert quote["complete"] == (len(known) == len(quote["lines"]))
    for line in priced(command, case):
        assert line["quantity"] * line["unit_price_usd"] == pytest.approx(line["usd_per_month"], abs=0.005), line


@pytest.mark.parametrize(("command", "case"), ASKED)
def test_a_line_names_seller_region_term_source_and_day(command: str, case: str) -> None:
    for line in priced(command, case):
        figure = line["figure"]
        assert figure is not None, line
        assert all(figure[key] for key in ("provider", "region", "term", "instance", "source", "quality")), line
        assert figure["as_of"] is None or re.fullmatch(r"20\d\d-\d\d-\d\d", figure["as_of"]), line
        assert figure["as_of"] is None or figure["as_of"] <= DAY, line


@pytest.mark.parametrize(("command", "case"), ASKED)
def test_the_price_book_has_the_row_at_that_rate(command: str, case: str, catalog: Catalog) -> None:
    lost = [line for line in priced(command, case) if not found(line, catalog.prices)]

    assert not lost, "\n".join(f"{line['name']}: {line['unit_price_usd']} {line['figure']}" for line in lost)


@pytest.mark.parametrize(("command", "case"), ASKED)
def test_rows_of_no_date_say_so(command: str, case: str) -> None:
    """In the figure (`as_of` null) and, for what is bought, in words."""
    for line in priced(command, case):
        bought = line["figure"]["term"] not in ("rate", "stated")
        if bought and line["figure"]["as_of"] is None and line["unit"] in ("GPU-h", "instance-h", "GPU-s", "Mtok"):
            assert "the source carries no date" in line["note"], line


@pytest.mark.parametrize("case", ["DeepSeek-R1 on eight H200", "a steady product"])
def test_what_the_asker_states_is_marked_as_his(case: str) -> None:
    stated = {line["name"]: line["figure"] for line in priced("cost", case) if line["figure"]["quality"] == "stated"}

    assert stated.keys() == ({"people", "colocation"} if "DeepSeek" in case else {"engineering"})
    for figure in stated.values():
        assert (figure["provider"], figure["term"]) == ("you", "stated")
        assert figure["instance"].startswith("--")


def test_a_rate_that_is_not_there_is_noticed(catalog: Catalog) -> None:
    """The search itself: a row whose rate, day or seller is another is not found."""
    line = next(line for line in priced("cost", "a steady product") if line["figure"]["term"] == "on-demand")
    assert found(line, catalog.prices)
    for key, value in (("as_of", "2020-01-01"), ("provider", "nobody"), ("region", "the moon"), ("source", "hearsay")):
        assert not found({**line, "figure": {**line["figure"], key: value}}, catalog.prices), key
    assert not found({**line, "unit_price_usd": line["unit_price_usd"] * 1.001}, catalog.prices)
    assert not same(1.0, 1.0001)

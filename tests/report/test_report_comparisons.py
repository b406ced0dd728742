"""What stands beside the bills, as tables of 80 columns and as JSON."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from llmplan.plan.comparisons import Comparisons
from llmplan.planner import compare, recommend
from llmplan.report import comparisons, json_comparisons
from llmplan.report.blocks import Table
from llmplan.report.table import render
from llmplan.spec.catalog import Catalog
from tests_support import LLAMA_8B, Ask

MOST_LINES = 75


@pytest.fixture(scope="module")
def found(catalog: Catalog, ask: Ask) -> Comparisons:
    plan = recommend(ask(LLAMA_8B, requests_per_s=5, ttft_p95_s=2.0), catalog)
    return compare(plan, catalog, gpu_ids=("h100-sxm-80gb", "a10-24gb"))


def printed(found: Comparisons, *, explained: bool, width: int = 80) -> str:
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as capture:
        for drawable in render(tuple(comparisons.blocks(found, explained=explained))):
            console.print(drawable)
    return capture.get()


def test_a_short_page_by_default_and_everything_with_explain(found: Comparisons) -> None:
    short, long = printed(found, explained=False), printed(found, explained=True)
    assert len(short.splitlines()) <= MOST_LINES
    assert all(len(line) <= 80 for line in short.splitlines())
    sellers = [each.below for each in found.break_evens if each.below.endswith("by the token")]
    assert all(name in long for name in sellers)
    assert not all(name in short for name in sellers)
    for title in ("Break-even", "What moves the answer", "GPUs for this workload", "Terms", "80 % band"):
        assert title in short


def test_the_longest_bar_is_the_widest_swing(found: Comparisons) -> None:
    (table,) = (block for block in comparisons.influences(found.influences, False) if isinstance(block, Table))
    bars = [row.cells[-1].count("█") for row in table.rows if "█" in row.cells[-1]]
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == comparisons.BAR


def test_never_is_said_with_both_prices(found: Comparisons) -> None:
    never = [each for each in found.break_evens if each.requests_per_s is None and each.usd_per_mtok_tokens]
    assert never
    assert "never against" in printed(found, explained=False)


def test_json_has_every_part_and_no_infinity(found: Comparisons) -> None:
    record = json.loads(json.dumps(json_comparisons.record(found), allow_nan=False))
    assert len(record["break_evens"]) == len(found.break_evens)
    assert len(record["curves"]) == len(found.curves)
    assert record["influences"][0]["input"] == found.influences[0].input
    assert record["gpus"][0]["usd_per_million_tokens_full"] == found.gpus[0].usd_per_mtok_full
    assert set(record) == {
        "break_evens", "curves", "influences", "gpus", "terms", "duels", "bands", "notes",
    }  # fmt: skip


def test_nothing_compared_is_nothing_printed() -> None:
    assert list(comparisons.blocks(Comparisons())) == []

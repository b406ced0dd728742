"""Rows of the providers' price tables as the hand-checked quotes write them down, and how to find them again.

The numbers stand in the tests, so that these need no tables. Where the tables are at hand, each is looked up.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from llmplan.spec.workload import Limits
from tests_support import DATA


@dataclass(frozen=True, slots=True)
class Row:
    """A rate `text` in `column` of the one row of `table` that has all of `cells`."""

    table: str
    cells: tuple[str, ...]
    column: str
    text: str


@dataclass(frozen=True, slots=True)
class Rent:
    """`wanted` bought within `limits` comes to `usd` a month, at the rate of `row`."""

    row: Row
    wanted: dict[str, Any]
    limits: Limits
    usd: float
    dated: str | None
    idle: str = ""
    """what the note says of GPUs that are paid and not used"""


def row(table: str, *cells: str, **rate: float | str) -> Row:
    """The row of a table with these cells, and one rate of it by column."""
    ((column, value),) = rate.items()
    return Row(table, cells, column, str(value))


def by(*providers: str, **more: object) -> Limits:
    """Buy from these only."""
    return Limits(provider_ids=providers, **more)  # type: ignore[arg-type]


def only(provider: str, *regions: str, term: str = "on-demand") -> Limits:
    """Buy from this seller on this term only."""
    return by(provider, regions=regions, terms=(term,))


def look_up(wanted: Row) -> None:
    """Assert that the table says so; skip where there are no tables."""
    rows = [each for each in _table(wanted.table) if set(wanted.cells) <= set(each.values())]
    assert len(rows) == 1, f"{wanted.table}: {len(rows)} rows have {wanted.cells}"
    assert _same(rows[0][wanted.column], wanted.text), (rows[0][wanted.column], wanted.text)


@cache
def _table(name: str) -> tuple[dict[str, str], ...]:
    path = DATA / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"no price tables in {DATA}: set LLMPLAN_DATA")
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def _same(cell: str, text: str) -> bool:
    try:
        return float(cell) == float(text)
    except ValueError:
        return cell == text

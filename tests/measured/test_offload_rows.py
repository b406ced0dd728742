"""Published hybrids of CPU and GPU against the shipped figures, where their table is at hand."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest


def script() -> ModuleType:
    folder = str(Path(__file__).resolve().parents[2] / "scripts")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("offload_accuracy")


@pytest.fixture(scope="module")
def rows() -> list[object]:
    found = script().data_folder()
    if found is None or not (found / "offload.csv").is_file():
        pytest.skip("no offload.csv: set LLMPLAN_DATA to the folder that has it")
    return list(script().score(found))


@pytest.mark.parametrize(("quantity", "least", "bound"), [("decode", 20, 0.15), ("prefill", 15, 0.30)])
def test_half_of_the_rows_are_near(quantity: str, least: int, bound: float, rows: list[object]) -> None:
    count, median, _, _ = script().summary(rows, quantity)
    assert count >= least
    assert median < bound


def test_every_row_is_predicted_or_declined_with_a_reason(rows: list[object]) -> None:
    for row in rows:
        assert bool(row.declined) != bool(row.predicted)  # type: ignore[attr-defined]


def test_the_section_names_what_was_declined_and_the_worst() -> None:
    module = script()
    folder = module.data_folder()
    if folder is None or not (folder / "offload.csv").is_file():
        pytest.skip("no offload.csv")
    text = "\n".join(module.markdown_lines(folder))
    assert "| declined because | rows |" in text
    assert "| decode |" in text

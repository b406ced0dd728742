"""Speed of a number format over 16 bit, against ratios that other people published (scripts/format_accuracy.py)."""

from __future__ import annotations

import importlib
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest

from tests_support import DATA

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def ratios() -> list[Any]:
    if not (DATA / "quant_speed.csv").is_file():
        pytest.skip("no quant_speed.csv: set LLMPLAN_DATA to the folder that has it")
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    found, left = importlib.import_module("format_accuracy").read(DATA)
    assert len(found) > 2 * left.total()
    return list(found)


@pytest.mark.parametrize(("method", "rows", "median_error"), [("fp8 weights", 14, 0.15), ("int8 weights", 11, 0.15)])
def test_formats_that_compute_in_8_bit_are_faster_as_measured(
    ratios: list[Any], method: str, rows: int, median_error: float
) -> None:
    mine = [each for each in ratios if each.method == method]
    assert len(mine) >= rows
    signed = [each.sign_right for each in mine if each.sign_right is not None]
    assert sum(signed) >= 0.8 * len(signed)
    assert statistics.median(abs(each.error) for each in mine) < median_error


@pytest.mark.xfail(
    strict=True,
    reason="one factor stands for expanding 4-bit weights in every kernel, and Marlin on Ada needs less of it: at 256 "
    "requests the larger pool gains as much as expansion is said to cost",
)
def test_a_starved_4090_gains_from_4_bit_as_measured(ratios: list[Any]) -> None:
    """Qwen3-8B, 1,000 ShareGPT prompts at once on 24 GB: AWQ 1.46 and 1.43 times BF16 (GPUStack)."""
    mine = [each for each in ratios if each.method == "awq-int4 weights" and each.measured in (1.461, 1.431)]
    assert len(mine) == 2
    assert all(each.predicted == pytest.approx(each.measured, rel=0.25) for each in mine)

"""Figures that moved, as a person reads them."""

from __future__ import annotations

from llmplan.plan.drift import Drift, Reading
from llmplan.report import drift


def moved(path: str, before: float, after: float | None, kind: str = "other") -> Drift:
    return Drift(path=path, kind=kind, planned=Reading(value=before), now=Reading(value=after))  # type: ignore[arg-type]


def test_each_figure_in_its_own_unit() -> None:
    assert drift.line(moved("gpus/a/memory_bandwidth_bytes_per_s", 3e11, 4e11)) == (
        "gpus/a/memory_bandwidth_bytes_per_s: 300 GB/s → 400 GB/s"
    )
    assert drift.line(moved("prices/p/r/t/i/GPU-h", 2.5, None, "price")) == (
        "prices/p/r/t/i/GPU-h: $2.50 → no longer stated"
    )


def test_a_difference_that_rounding_would_hide_is_shown_in_full() -> None:
    assert drift.line(moved("gpus/a/memory_bytes", 2**34, 2**34 + 1)) == (
        "gpus/a/memory_bytes: 17,179,869,184 → 17,179,869,185"
    )


def test_a_refit_is_one_line_and_a_few_figures_are_lines_of_their_own() -> None:
    many = [moved(f"calibration/c/x{index}", 1.0, 2.0) for index in range(4)]
    few = [moved("gpus/a/tdp_w", 300.0, 350.0)]
    assert drift.lines([*many, *few]) == [
        "calibration/c: x0 1 → 2; x1 1 → 2; x2 1 → 2; x3 1 → 2",
        "gpus/a/tdp_w: 300 → 350",
    ]

"""A real engine's loads, predicted from one of them: the requests recorded under benchmarks/real_engine/measured."""

from __future__ import annotations

import importlib
import statistics
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmplan.simulate.engine import Rules

FOLDER = str(Path(__file__).resolve().parents[2] / "benchmarks" / "real_engine")
RULES = Rules(max_num_seqs=8, blocks=364, block_tokens=128, longest_tokens=2048)
KNOWN = (0.015, 0.003, 0.0008, 3e-6, 1.5e-6, 0.007)


def script(name: str) -> Any:
    if FOLDER not in sys.path:
        sys.path.insert(0, FOLDER)
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def recording() -> Any:
    recorded = script("recorded")
    return recorded.read(recorded.recordings()[-1])


@pytest.fixture(scope="module")
def rows(recording: Any) -> list[Any]:
    predict = script("predict")
    calibration = recording.about["calibration"]
    return list(predict.others(predict.predicted(recording, predict.calibrated(recording, calibration)), calibration))


def made_up(coefficients: Any) -> tuple[Any, Any]:
    """An open loop as an engine with these step times would serve it, and what its steps held."""
    dice = np.random.default_rng(7)
    blank = np.zeros(120)
    sent = script("recorded").Run(
        load="made up", run="a", clients=None, arrival_s=np.cumsum(dice.exponential(0.7, 120)),
        input_tokens=dice.integers(32, 385, 120), output_tokens=dice.integers(16, 129, 120), ttft_s=blank, e2e_s=blank,
    )  # fmt: skip
    steps = script("steps")
    walked = steps.WalkedTimes(steps.LinearTimes(of=coefficients, budget_tokens=256))
    return script("replay").replay(sent, walked, RULES), walked


@pytest.mark.parametrize(
    ("measure", "bound"),
    [("TPOT mean, ms", 0.15), ("TPOT p50, ms", 0.15), ("output tokens/s", 0.15), ("TTFT mean, ms", 0.3),
     ("TTFT p50, ms", 0.3), ("TTFT p95, ms", 0.3)],
)  # fmt: skip
def test_every_load_that_calibration_has_not_seen_is_near(measure: str, bound: float, rows: list[Any]) -> None:
    errors = [abs(row.error(script("predict").MEASURES[measure])) for row in rows]
    assert len(errors) >= 3
    assert max(errors) < bound


def test_requests_are_preempted_as_often_as_by_the_engine(recording: Any, rows: list[Any]) -> None:
    counted = {row.load: recording.about["loads"][row.load].get("preemptions", [0]) for row in rows}
    assert max(map(max, counted.values())) > 0
    for row in rows:
        assert row.simulated.preemptions == pytest.approx(statistics.fmean(counted[row.load]), abs=2), row.load


def test_the_fit_finds_the_step_times_that_made_a_load() -> None:
    served, _ = made_up(script("steps").Coefficients(*KNOWN))
    found = script("fit").fit(served, RULES, 256)
    *of_steps, request_s = astuple(found)
    assert of_steps == pytest.approx(KNOWN[:-1], rel=0.1)
    assert request_s == pytest.approx(KNOWN[-1], abs=0.003)


def test_each_time_is_the_sum_of_the_terms_that_the_steps_held() -> None:
    served, walked = made_up(script("steps").Coefficients(*KNOWN))
    matrix = script("fit").terms(served, served, walked)
    assert matrix @ np.array(KNOWN) == pytest.approx(np.concatenate([served.ttft_s, served.e2e_s - served.ttft_s]))


def test_a_closed_loop_takes_nothing_but_lengths_from_the_recording(recording: Any) -> None:
    predict, replay = script("predict"), script("replay").replay
    times = script("steps").LinearTimes(of=script("steps").Coefficients(*KNOWN), budget_tokens=256)
    run = next(run for run in recording.runs if run.clients == 4)
    simulated = replay(run, times, predict.rules_of(recording.about, run.load))
    ends = np.sort(simulated.arrival_s + simulated.e2e_s)
    assert simulated.arrival_s[:4].tolist() == [0.0] * 4
    assert simulated.arrival_s[4:] == pytest.approx(ends[:-4])

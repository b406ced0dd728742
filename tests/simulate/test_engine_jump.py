"""Jumping over equal steps gives what walking them one by one gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from engine_builders import PlainTimes, played, poisson, rules
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_builders import LLAMA_8B, build_model, coefficients, dense_ffn, gqa, replica

from llmplan.perf.step import StepModel
from llmplan.perf.step_times import ModelledTimes
from llmplan.simulate.engine.jump import ticks_before, ticks_s
from llmplan.simulate.engine.log import RequestLog
from llmplan.spec.model import ModelSpec


@given(first=st.floats(1e-4, 1.0), growth=st.floats(0.0, 0.1), ticks=st.integers(1, 300))
def test_a_run_takes_as_long_as_its_steps_one_after_the_other(first: float, growth: float, ticks: int) -> None:
    walked = math.fsum(first + growth * step for step in range(ticks))
    assert ticks_s(first, growth, ticks) == pytest.approx(walked, rel=1e-12)


@given(first=st.floats(1e-3, 1.0), growth=st.floats(0.0, 0.1), within=st.floats(0.0, 50.0), most=st.integers(1, 500))
def test_the_steps_that_start_before_a_time_are_counted_as_by_walking(
    first: float, growth: float, within: float, most: int
) -> None:
    started, now = 1, first
    while now < within * (1 - 1e-9) and started < most:
        now += first + growth * started
        started += 1
    assert abs(ticks_before(within, first, growth, most) - started) <= (1 if abs(now - within) < 1e-6 else 0)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rate=st.floats(0.5, 30.0),
    blocks=st.sampled_from([1 << 40, 120, 60]),
    seqs=st.sampled_from([1, 3, 64]),
    kink=st.sampled_from([math.inf, 500.0, 90.5]),
    budget_tokens=st.sampled_from([1 << 30, 64]),
    reserves=st.booleans(),
)
def test_jumping_is_walking(
    seed: int, rate: float, blocks: int, seqs: int, kink: float, budget_tokens: int, reserves: bool
) -> None:
    times = PlainTimes(
        sequence_s=3e-4, context_s=1e-6, prompt_s=1e-5, request_s=0.003, budget_tokens=budget_tokens, kink_tokens=kink,
        late_context_s=2e-6,
    )  # fmt: skip
    limits = rules(blocks=blocks, max_num_seqs=seqs, reserves_output=reserves)
    traffic = poisson(80, rate, seed=seed, prompt=60, output=40, spread=0.7)
    jumped, there = played(traffic, times, limits)
    walked, by_foot = played(traffic, times, limits, longest_jump=1)
    assert jumped.tick == walked.tick
    assert there.preemptions == by_foot.preemptions
    assert _all_times(there) == pytest.approx(_all_times(by_foot), rel=1e-9, abs=1e-9)
    assert jumped.busy_s == pytest.approx(walked.busy_s, rel=1e-9)
    assert jumped.batch_s == pytest.approx(walked.batch_s, rel=1e-9)


FEED_FORWARD = dense_ffn(4096, 14336)
WINDOWED = build_model(
    "windowed",
    4096,
    128256,
    [(16, gqa(4096, 32, 8, 128, window=256), FEED_FORWARD), (16, gqa(4096, 32, 8, 128), FEED_FORWARD)],
)


@pytest.mark.parametrize("model", [LLAMA_8B, WINDOWED], ids=lambda model: model.id)
def test_jumping_is_walking_with_the_step_times_of_a_model(model: ModelSpec) -> None:
    times = ModelledTimes(StepModel(replica(model), coefficients(), 1e6))
    traffic = poisson(150, 12.0, seed=3, prompt=300, output=120, spread=0.6)
    jumped, there = played(traffic, times, rules(blocks=1 << 20))
    walked, by_foot = played(traffic, times, rules(blocks=1 << 20), longest_jump=1)
    assert jumped.tick == walked.tick > 1000
    assert _all_times(there) == pytest.approx(_all_times(by_foot), rel=1e-9)


def _all_times(log: RequestLog) -> list[float]:
    return [*np.asarray(log.column("first_s")).tolist(), *np.asarray(log.column("done_s")).tolist()]

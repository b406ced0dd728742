"""What the scheduler asks for is what the step model says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_builders import LLAMA_70B, MIXTRAL, build_model, coefficients, dense_ffn, gqa, replica

from llmplan.perf.speculative import SpeculativeModel
from llmplan.perf.step import StepModel
from llmplan.perf.step_times import ModelledTimes
from llmplan.plan.deployment import Offload, Parallelism
from llmplan.plan.speculation import Speculation

FEED_FORWARD = dense_ffn(4096, 14336)
WINDOWED = build_model(
    "windowed",
    4096,
    128256,
    [(16, gqa(4096, 32, 8, 128, window=1000), FEED_FORWARD), (16, gqa(4096, 32, 8, 128), FEED_FORWARD)],
)
MODELS = {
    "8b": StepModel(replica(), coefficients(), 4e5),
    "70b tp4": StepModel(replica(LLAMA_70B, parallel=Parallelism(tp=4)), coefficients(), 4e5),
    "70b tp2 pp2": StepModel(replica(LLAMA_70B, parallel=Parallelism(tp=2, pp=2)), coefficients(), 4e5),
    "experts dp4": StepModel(replica(MIXTRAL, parallel=Parallelism(dp=4, ep=True)), coefficients(), 4e5),
    "windowed": StepModel(replica(WINDOWED), coefficients(), 4e5),
    "host pool": StepModel(replica(offload=Offload(kind="kv", host_kv_bytes=10**11)), coefficients(), 2e5),
}


def decode_s(times: ModelledTimes, batch: int, context_tokens: float) -> float:
    line = next(line for line in times.decode(batch) if context_tokens < line.until_tokens)
    return line.at_zero_s + line.per_token_s * context_tokens


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=30, deadline=None)
@given(batch=st.integers(1, 300), context=st.floats(1.0, 8000.0))
def test_steps_without_prompts_are_the_models_own(name: str, batch: int, context: float) -> None:
    model = MODELS[name]
    expected = model.decode_s(batch, context)
    assert decode_s(ModelledTimes(model), batch, batch * context) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["8b", "70b tp4", "windowed"])
@pytest.mark.parametrize("prompt", [10, 700, 5000])
def test_one_prompt_among_decodes_costs_what_the_pace_says(name: str, prompt: int) -> None:
    model, batch, context = MODELS[name], 16, 1200.0
    pace = model.pace(batch, context, prompt)
    period_s, lag_s = ModelledTimes(model).mixed(batch, batch * context, [(0, prompt)])
    assert period_s == pytest.approx(pace.decode_s + pace.extra_s, rel=1e-3)
    assert lag_s == 0.0


@pytest.mark.parametrize("name", ["8b", "70b tp2 pp2", "experts dp4"])
def test_a_prompt_alone_takes_its_prefill(name: str) -> None:
    model = MODELS[name]
    period_s, lag_s = ModelledTimes(model).mixed(0, 0, [(0, 1000)])
    assert period_s + lag_s == pytest.approx(model.prefill_s(1000), rel=1e-3)


def test_the_prompts_of_a_group_do_not_wait_for_those_of_another() -> None:
    times = ModelledTimes(MODELS["experts dp4"])
    one, four = times.mixed(64, 64_000, [(0, 500)]), times.mixed(64, 64_000, [(0, 500)] * 4)
    eight = times.mixed(64, 64_000, [(0, 500)] * 8)
    assert one.period_s == pytest.approx(four.period_s, rel=1e-6)
    assert eight.period_s > 1.05 * four.period_s


def test_pieces_of_a_prompt_attend_to_what_came_before() -> None:
    times = ModelledTimes(MODELS["8b"])
    early, late = times.mixed(0, 0, [(0, 2000)]), times.mixed(0, 0, [(30_000, 32_000)])
    pairs = MODELS["8b"].pairs(30_000, 32_000)
    assert pairs == ((32_000**2 - 30_000**2) / 2,)
    assert late.period_s > 1.3 * early.period_s


def test_a_step_that_yields_more_tokens_is_as_many_shorter_ones() -> None:
    asked = replica(speculation=Speculation(tokens=3, acceptance_rate=0.7, drafter="ngram"))
    assert asked.speculation is not None
    model = SpeculativeModel(asked, asked.speculation, coefficients(), 4e5)
    times = ModelledTimes(model)
    expected = model.decode_s(8, 1000.0) / model.tokens_per_step
    assert model.tokens_per_step == pytest.approx(1 + 0.7 + 0.49 + 0.343)
    assert decode_s(times, 8, 8000.0) == pytest.approx(expected)


def test_the_last_line_has_no_end_and_lines_meet() -> None:
    lines = ModelledTimes(MODELS["windowed"]).decode(10)
    assert [line.until_tokens for line in lines] == [10_000.0, math.inf]
    below, above = (line.at_zero_s + line.per_token_s * 10_000.0 for line in lines)
    assert below == pytest.approx(above)
    assert lines[0].per_token_s == pytest.approx(2.0 * lines[1].per_token_s)

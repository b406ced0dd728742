"""How steps absorb prompts: from none to as many as fit, alone and in bunches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from perf_builders import LLAMA_70B, TYPICAL, coefficients, engine, replica

from llmplan.perf.pace import Pace
from llmplan.perf.steady_state import Engine, Shape
from llmplan.perf.step import StepModel
from llmplan.plan.deployment import Parallelism
from llmplan.spec.weight_format import WeightFormat

PACE = Pace(decode_s=0.010, extra_s=0.006, chunks=1.0, absorbed_s=0.010, further_s=0.004, most=4.0)
"""a prompt adds 6 ms to a step, three more 4 ms each, and then it is full"""


def test_a_prompt_in_every_second_step_costs_half_of_what_it_adds() -> None:
    assert PACE.step_s(0.0) == PACE.decode_s
    assert PACE.step_s(0.5) == pytest.approx(0.010 + 0.5 * 0.006)
    assert PACE.step_s(1.0) == pytest.approx(0.016)
    assert PACE.step_s(4.0) == pytest.approx(0.016 + 3 * 0.004)


def test_prompts_that_come_together_share_what_a_step_with_prompts_costs_once() -> None:
    """Two at once in every fourth step: 6 + 4 ms a quarter of the time, not 6 ms half of it."""
    assert PACE.bunch_s(2.0) == pytest.approx(0.010)
    assert PACE.step_s(0.5, 2.0) == pytest.approx(0.010 + 0.25 * 0.010)
    assert PACE.step_s(4.0, 2.0) == PACE.step_s(4.0)


@pytest.mark.parametrize("per_s", [0.0, 10.0, 50.0, 62.5, 80.0, 120.0])
def test_a_rate_in_time_is_the_fixed_point_of_a_rate_in_steps(per_s: float) -> None:
    step_s = PACE.step_at_rate_s(per_s)
    assert PACE.step_s(per_s * step_s) == pytest.approx(step_s)


def model(**changes: float) -> StepModel:
    return StepModel(replica(), coefficients(TYPICAL, **changes), 1e6)


@pytest.mark.parametrize("prompt", [100.0, 1000.0, 5000.0, 20000.0])
def test_a_full_step_is_what_the_budget_makes_it(prompt: float) -> None:
    """As many prompts per step as its tokens allow, whole ones or parts."""
    of, batch = model(), 64.0
    room = of.chunk_tokens - batch
    pace = of.pace(batch, 500.0, prompt)
    assert pace.step_s(room / prompt) == pytest.approx(pace.absorbed_s * room / prompt, rel=1e-9)


def test_a_batch_of_nearly_nothing_leaves_a_prompt_its_whole_step() -> None:
    of = model()
    assert of.prefill_chunks(of.chunk_tokens, 0.0) == (1.0, of.chunk_tokens)
    assert of.prefill_chunks(of.chunk_tokens, 0.25)[0] == pytest.approx(1.25)
    assert of.prefill_chunks(of.chunk_tokens, 1.0)[0] == 2.0


def tpot_s(bunching: float, *, unequal: bool = False, prompt: float = 500.0) -> float:
    of = model(bunching_share=bunching, prefill_launch_s=1e-4)
    shape = Shape(prompt=prompt, cached=0.0, output=100.0, cv2_service=1.0 if unequal else 0.0)
    return Engine(of, shape, max_num_seqs=256, kv_slots=1e6).closed(32.0).tpot_s


def test_bunches_save_answers_of_equal_length_an_interruption_each() -> None:
    assert tpot_s(0.8) < 0.9 * tpot_s(0.0)
    assert tpot_s(0.8, unequal=True) == pytest.approx(tpot_s(0.0, unequal=True))


def test_prompts_that_fill_a_step_cannot_share_one() -> None:
    assert tpot_s(0.8, prompt=8000.0) == pytest.approx(tpot_s(0.0, prompt=8000.0), rel=0.01)


GGUF = WeightFormat(id="q4-mix", bits=4.85, compute="bf16", weight_only=True, family="gguf", head_bits=6.56)


def test_a_pipeline_that_drains_after_each_batch_is_slower_and_no_slower_than_stages_in_turn() -> None:
    """llama.cpp, four GPUs: batches of 2,048 in passes of 512, so seven passes' time for four."""
    llama_cpp = engine("llama-cpp", kv_pool_rule="explicit_context")
    flat = coefficients(dict.fromkeys(TYPICAL, 0.0) | {n: v for n, v in TYPICAL.items() if not n.endswith("_s")})
    of = replica(LLAMA_70B, weights=GGUF, engine=llama_cpp, parallel=Parallelism(pp=4), max_num_batched_tokens=2048)
    staged = StepModel(of, flat, 1e6)
    endless = StepModel(replace(of, settings=replace(of.settings, max_num_batched_tokens=512)), flat, 1e6)
    assert staged.prefill_s(8192) == pytest.approx(endless.prefill_s(8192) * (16 + 4 * 3) / (16 + 3), rel=0.01)
    assert staged.prefill_s(512) == pytest.approx(endless.prefill_s(512), rel=0.01)

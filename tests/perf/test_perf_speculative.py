"""Speculative decoding: its limits, and gains that others measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_builders import (
    DEEPSEEK_V3,
    IDEAL,
    LLAMA_8B,
    LLAMA_70B,
    MIXTRAL,
    TYPICAL,
    budget,
    calibration,
    coefficients,
    load,
    replica,
)

from llmplan.perf import estimate
from llmplan.perf.speculative import DRAFT_STEP_SHARE, SpeculativeModel, drafting_replica
from llmplan.perf.step import StepModel
from llmplan.perf.work import work_of
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.plan.outcome import Estimate
from llmplan.plan.speculation import Drafter, Speculation, acceptance_of, drafting_model, expected_tokens

REPLICAS = [replica(), replica(MIXTRAL, parallel=Parallelism(tp=2)), replica(LLAMA_70B, parallel=Parallelism(pp=4))]


def drafted(tokens: int, rate: float, drafter: Drafter = "eagle") -> Speculation:
    return Speculation(tokens=tokens, acceptance_rate=rate, drafter=drafter)


def ask(of: Replica, speculation: Speculation | None, users: float = 1.0, **shape: float) -> Estimate:
    asked = load("concurrency", users, **shape)
    return estimate(replace(of, speculation=speculation), budget(), asked, calibration())


@pytest.mark.parametrize("of", REPLICAS)
def test_no_drafts_is_decoding_as_it_is(of: Replica) -> None:
    plain, none = ask(of, None, 16), ask(of, drafted(0, 0.9), 16)
    assert none.tpot_s == plain.tpot_s
    assert none.ttft_s == plain.ttft_s
    assert none.requests_per_s == plain.requests_per_s


@given(tokens=st.integers(1, 8), users=st.sampled_from([1.0, 7.0, 64.0, 400.0]), of=st.sampled_from(REPLICAS))
@settings(max_examples=40, deadline=None)
def test_drafts_that_are_never_accepted_only_cost(tokens: int, users: float, of: Replica) -> None:
    plain, wasted = ask(of, None, users), ask(of, drafted(tokens, 0.0), users)
    assert wasted.tpot_s.mid >= plain.tpot_s.mid * (1 - 1e-9)
    assert wasted.requests_per_s.mid <= plain.requests_per_s.mid * (1 + 1e-9)


@given(tokens=st.integers(1, 8), users=st.sampled_from([1.0, 16.0, 256.0]), of=st.sampled_from(REPLICAS))
@settings(max_examples=30, deadline=None)
def test_all_accepted_gains_no_more_than_the_tokens_of_a_step(tokens: int, users: float, of: Replica) -> None:
    plain, all_taken = ask(of, None, users), ask(of, drafted(tokens, 1.0, "ngram"), users)
    assert plain.tpot_s.mid / all_taken.tpot_s.mid <= (tokens + 1) * 1.001


@pytest.mark.parametrize("of", [*REPLICAS, replica(DEEPSEEK_V3, parallel=Parallelism(tp=8))])
def test_the_gain_falls_with_the_load(of: Replica) -> None:
    """Until the step is nothing but mathematics, where it has fallen as far as it can."""
    gains = []
    for users in (1.0, 8.0, 64.0, 128.0, 250.0):
        plain, fast = (ask(of, how, users, isl=100, osl=1000) for how in (None, drafted(4, 0.7)))
        gains.append(plain.tpot_s.mid / fast.tpot_s.mid)
    if of.model.is_moe:  # one token's experts are few: the first drafts add others, which a full batch has read anyway
        assert gains[-1] < max(gains)
    else:
        assert gains == sorted(gains, reverse=True)
        assert gains[-1] < 0.75 * gains[0]


def test_a_step_reads_the_weights_and_the_cache_once_and_computes_every_draft() -> None:
    """With every peak reached and nothing fixed, at one sequence: max(bytes / bandwidth, FLOP / peak)."""
    of = replica()
    work = work_of(of.model, of.weights, of.kv, of.parallel)
    model = SpeculativeModel(of, drafted(3, 0.5, "ngram"), coefficients(IDEAL), 4e5)
    plain = StepModel(of, coefficients(IDEAL), 4e5)
    assert model.decode_s(1, 1000) == pytest.approx(plain.decode_s(1, 1000))
    wide = SpeculativeModel(
        replace(of, speculation=drafted(3, 0.5, "ngram")), drafted(3, 0.5, "ngram"), coefficients(IDEAL), 4e5
    )
    assert wide.decode_s(1, 1000) == pytest.approx(plain.decode_s(1, 1000))
    terms = wide.terms(400, 1)
    flop_s = 2 * work.dense_weights * 400 * 4 / of.gpu.peak_flop_per_s["bf16"]
    assert terms.weights + terms.weight_math == pytest.approx(flop_s, rel=1e-3)
    assert terms.kv == plain.terms(400, 1).kv


def test_drafting_passes_are_steps_of_what_drafts() -> None:
    of, how = replica(LLAMA_70B, parallel=Parallelism(tp=4)), drafted(5, 0.6)
    drafting = drafting_replica(of, how)
    assert drafting is not None
    model = SpeculativeModel(of, how, coefficients(TYPICAL), 4e5)
    alone = StepModel(drafting, coefficients(TYPICAL, step_s=DRAFT_STEP_SHARE * TYPICAL["step_s"]), 4e5)
    assert model.drafts_s(8, 500) == pytest.approx(5 * alone.decode_s(8, 500))
    layer = 8192 * (8192 + 1024 + 1024 + 8192 + 3 * 28672)
    whole = 2 * (layer + 2 * 8192 * 8192 + 2 * 8192)  # with the projection of two hidden vectors, and norms
    work = work_of(drafting.model, drafting.weights, drafting.kv, Parallelism())
    assert work.dense_bytes == pytest.approx(whole)
    assert work.head_bytes == 2 * 128256 * 8192


def test_a_model_without_draft_layers_has_none_to_draft_with() -> None:
    assert drafting_model(LLAMA_8B, drafted(1, 0.5, "mtp")) is None
    assert drafting_model(LLAMA_8B, drafted(1, 0.5, "ngram")) is None


def test_latency_targets_and_the_ledger_are_per_token() -> None:
    plain, fast = ask(replica(), None), ask(replica(), drafted(3, 0.8))
    assert fast.step_ledger.total == pytest.approx(fast.tpot_s.mid, rel=0.01)
    assert fast.tpot_p95_s < plain.tpot_p95_s
    steps = 300 - 1
    assert fast.e2e_s.mid == pytest.approx(fast.ttft_s.mid + steps * fast.tpot_s.mid)
    assert "drafting passes" in {line.name for line in fast.step_ledger.lines}


@given(tokens=st.integers(1, 16), rate=st.floats(0.0, 1.0))
def test_the_acceptance_rate_follows_from_the_acceptance_length(tokens: int, rate: float) -> None:
    length = expected_tokens(tokens, rate)
    assert expected_tokens(tokens, acceptance_of(tokens, length)) == pytest.approx(length, abs=1e-6)

"""What holds of every prediction of speed, whatever the coefficients: limits of physics, limits of load, monotony.

Numbers may differ by what the fixed point of the traffic model is solved to.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from speed_questions import Setup, set_up, setups

from llmplan.perf.calibration import Coefficients
from llmplan.perf.step import StepModel
from llmplan.plan.deployment import Parallelism
from llmplan.plan.outcome import Estimate

NOISE = 2e-3
"""share by which a solved fixed point may be off"""
often = settings(
    max_examples=150, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip

users = st.integers(1, 600)
shares = st.floats(0.02, 0.97)
loads = st.one_of(
    st.tuples(st.just("concurrency"), users),
    st.tuples(st.just("burst"), users),
    st.tuples(st.just("saturation"), st.just(0)),
    st.tuples(st.just("share of the capacity"), shares),
)


def ask(setup: Setup, load: tuple[str, float]) -> Estimate:
    kind, value = load
    if kind == "share of the capacity":
        return setup.ask("rate", value * capacity(setup))
    return setup.ask(kind, value)


def capacity(setup: Setup) -> float:
    return setup.ask("saturation", 0).capacity_requests_per_s


def step_model(setup: Setup, parallel: Parallelism | None = None) -> StepModel:
    replica = setup.replica if parallel is None else replace(setup.replica, parallel=parallel)
    return StepModel(replica, Coefficients.of(setup.calibration), float(setup.memory.capacity_tokens))


def peak_flop_per_s(setup: Setup) -> float:
    """The highest figure that the card's maker states for any format."""
    return max(setup.replica.gpu.peak_flop_per_s.values())


@often
@given(setup=setups(), load=loads)
def test_no_token_faster_than_its_weights_and_cache_can_be_read(setup: Setup, load: tuple[str, float]) -> None:
    """Not even the lower edge of the band."""
    found, work, parallel = ask(setup, load), setup.work, setup.replica.parallel
    experts = sum(each.resident_bytes * min(each.chosen / each.experts, 1.0) for each in work.experts)
    if parallel.dp > 1 or parallel.ep:
        experts = 0.0  # the rank may hold none of the experts that one token needs
    per_group = max(1.0, found.batch_size) / parallel.dp if parallel.dp > 1 else max(1.0, found.batch_size)
    cache = sum(
        each.cache_bytes_per_context_token * min(setup.context, each.window_tokens) for each in work.attention
    )  # fmt: skip
    least_s = (work.dense_bytes + work.head_bytes + experts) / setup.replica.gpu.memory_bandwidth_bytes_per_s
    cached_s = cache * per_group / setup.replica.gpu.memory_bandwidth_bytes_per_s
    assert found.tpot_s.mid >= (least_s + cached_s) * (1 - NOISE)
    assert found.tpot_s.low >= least_s * (1 - NOISE)


@often
@given(setup=setups(), load=loads)
def test_no_step_faster_than_its_products(setup: Setup, load: tuple[str, float]) -> None:
    found, work, parallel = ask(setup, load), setup.work, setup.replica.parallel
    active = work.dense_weights
    if parallel.dp == 1 and not parallel.ep:
        active += sum(each.resident_weights * each.chosen / each.experts for each in work.experts)
    batch = max(1.0, found.batch_size) / parallel.dp
    gain = 2.0 if setup.replica.weights.family == "gguf" else 1.0
    assert found.tpot_s.low >= 2.0 * active * batch / (gain * peak_flop_per_s(setup)) * (1 - NOISE)
    if math.isfinite(found.ttft_s.mid):
        assert found.ttft_s.low >= 2.0 * active * setup.isl / (gain * peak_flop_per_s(setup)) * (1 - NOISE)


@often
@given(setup=setups(), load=loads)
def test_a_prediction_agrees_with_itself(setup: Setup, load: tuple[str, float]) -> None:
    """Bands around middles, tails above means, and by Little's law no more in flight than there are clients."""
    found = ask(setup, load)
    assert found.ttft_p95_s >= found.ttft_s.mid * (1 - NOISE)
    assert found.tpot_p95_s >= found.tpot_s.mid * (1 - NOISE)
    if load[0] != "burst" and 4 * setup.osl >= setup.isl:  # beyond, throughput has a peak: see below
        assert found.requests_per_s.mid <= found.capacity_requests_per_s * (1 + NOISE)
    assert found.step_ledger.total == pytest.approx(found.tpot_s.mid, rel=NOISE)
    if load[0] == "concurrency":
        held = found.requests_per_s.mid * (found.ttft_s.mid + (setup.osl - 1) * found.tpot_s.mid)
        assert held == pytest.approx(load[1], rel=0.02)


@often
@given(setup=setups(), first=users, second=users)
def test_more_clients_never_lower_a_latency(setup: Setup, first: int, second: int) -> None:
    fewer, more = (setup.ask("concurrency", count) for count in sorted((first, second)))
    assert more.ttft_s.mid >= fewer.ttft_s.mid * (1 - NOISE)
    assert more.tpot_s.mid >= fewer.tpot_s.mid * (1 - NOISE)


@often
@given(setup=setups(), first=users, second=users)
def test_more_clients_never_lower_the_throughput(setup: Setup, first: int, second: int) -> None:
    """Of answers at least a quarter as long as their prompts; beyond, see below."""
    assume(4 * setup.osl >= setup.isl)
    fewer, more = (setup.ask("concurrency", count) for count in sorted((first, second)))
    assert more.requests_per_s.mid >= fewer.requests_per_s.mid * (1 - NOISE)


CUT_IN_EQUAL_PARTS = pytest.mark.xfail(
    strict=True,
    reason="a prompt longer than a step is cut into equal chunks, so that its last one shares its step with no other: "
    "beyond its peak, throughput falls by 7 %",
)


@pytest.mark.parametrize(
    ("model", "gpu", "isl", "osl", "fewer", "more"),
    [
        ("Qwen/Qwen2.5-0.5B", "rtx-pro-6000-96gb", 8192, 248, 114, 523),
        pytest.param("meta-llama/Llama-3.1-8B-Instruct", "a100-sxm-80gb", 9281, 35, 6, 145, marks=CUT_IN_EQUAL_PARTS),
        ("EleutherAI/gpt-j-6b", "h200-sxm-141gb", 512, 47, 152, 591),
    ],
)
def test_more_clients_with_long_prompts_never_lower_the_throughput(
    model: str, gpu: str, isl: int, osl: int, fewer: int, more: int
) -> None:
    found = set_up(model, gpu, "vllm", (("tp", 1), ("max_model_len", min(16896, 2 * (isl + osl)))), isl + osl)
    assert found is not None
    setup = replace(found, isl=isl, osl=osl)
    first, second = (setup.ask("concurrency", count).requests_per_s.mid for count in (fewer, more))
    assert second >= first * (1 - NOISE)


@often
@given(setup=setups(), first=shares, second=shares)
def test_a_higher_rate_never_lowers_a_latency(setup: Setup, first: float, second: float) -> None:
    most = capacity(setup)
    slower, faster = (setup.ask("rate", share * most) for share in sorted((first, second)))
    assert faster.ttft_s.mid >= slower.ttft_s.mid * (1 - NOISE)
    assert faster.tpot_s.mid >= slower.tpot_s.mid * (1 - NOISE)
    assert faster.ttft_p95_s >= slower.ttft_p95_s * (1 - NOISE)


@often
@given(setup=setups(), first=users, second=users)
def test_a_larger_burst_never_lowers_a_latency(setup: Setup, first: int, second: int) -> None:
    smaller, larger = (setup.ask("burst", count) for count in sorted((first, second)))
    assert larger.ttft_s.mid >= smaller.ttft_s.mid * (1 - NOISE)


@often
@given(setup=setups(), load=loads, longer=st.integers(1, 12_000))
def test_a_longer_prompt_never_has_an_earlier_first_token(setup: Setup, load: tuple[str, float], longer: int) -> None:
    """Under the same load, not under the same share of a capacity that is less for longer prompts."""
    kind, value = load if load[0] in ("concurrency", "burst") else ("concurrency", 1)
    isl = min(setup.isl + longer, setup.replica.settings.max_model_len - setup.osl)
    short, long = setup.ask(kind, value), setup.ask(kind, value, isl=isl)
    assert long.ttft_s.mid >= short.ttft_s.mid * (1 - NOISE)


@often
@given(setup=setups())
def test_one_client_is_the_single_stream(setup: Setup) -> None:
    """Nothing shares its steps: TPOT is one decode step, and requests follow each other."""
    found = setup.ask("concurrency", 1)
    assert found.tpot_s.mid == pytest.approx(step_model(setup).decode_s(1.0, setup.context), rel=NOISE)
    alone_s = found.ttft_s.mid + (setup.osl - 1) * found.tpot_s.mid
    assert found.requests_per_s.mid == pytest.approx(1.0 / alone_s, rel=NOISE)
    assert not found.saturated


@often
@given(setup=setups())
def test_without_load_all_kinds_of_load_are_the_same(setup: Setup) -> None:
    """A rate of nothing, a burst of one and one client all find the replica idle."""
    alone = setup.ask("concurrency", 1)
    for found in (setup.ask("rate", 0.0), setup.ask("rate", 1e-9), setup.ask("burst", 1)):
        assert found.ttft_s.mid == pytest.approx(alone.ttft_s.mid, rel=NOISE)
        assert found.tpot_s.mid == pytest.approx(alone.tpot_s.mid, rel=NOISE)


def test_a_rate_of_almost_nothing_is_no_load_for_a_prompt_of_one_chunk() -> None:
    found = set_up("meta-llama/Llama-3.1-8B-Instruct", "h100-sxm-80gb", "vllm", (("tp", 1),), 8195)
    assert found is not None
    setup = replace(found, isl=found.replica.settings.max_num_batched_tokens, osl=3)
    assert setup.ask("rate", 1e-9).ttft_s.mid == pytest.approx(setup.ask("rate", 0.0).ttft_s.mid, rel=NOISE)


@often
@given(setup=setups())
def test_just_below_its_capacity_a_replica_still_answers(setup: Setup) -> None:
    most = capacity(setup)
    easy, hard, over = (setup.ask("rate", share * most) for share in (0.5, 0.999, 1.001))
    assert math.isfinite(hard.ttft_s.mid)
    assert not hard.saturated
    assert hard.ttft_s.mid >= easy.ttft_s.mid * (1 - NOISE)
    assert over.saturated
    assert math.isinf(over.ttft_s.mid)
    assert over.requests_per_s.mid == pytest.approx(most, rel=NOISE)


@often
@given(setup=setups(), batch=st.integers(1, 256))
def test_tensor_parallelism_never_saves_work(setup: Setup, batch: int) -> None:
    """Over all ranks at least the bytes, the FLOP and, without messages, the time of one."""
    parallel = setup.replica.parallel
    tp = parallel.tp
    one = Parallelism(tp=1, pp=parallel.pp, dp=parallel.dp, ep=parallel.ep)
    alone = replace(setup, replica=replace(setup.replica, parallel=one))
    for name in ("dense_weights", "dense_bytes", "head_weights", "head_bytes", "resident_bytes"):
        assert tp * getattr(setup.work, name) >= getattr(alone.work, name) * (1 - 1e-9), name
    cache, cache_alone = (each.work.cache_bytes_per_context_token for each in (setup, alone))
    assert tp * cache >= cache_alone * (1 - 1e-9)
    rank_s, alone_s = (_without_messages_s(step_model(each), batch, setup.context) for each in (setup, alone))
    assert tp * rank_s >= alone_s * (1 - NOISE)


def _without_messages_s(model: StepModel, batch: int, context: float) -> float:
    terms = model.terms(float(batch), context)
    messages = terms.collectives + terms.all_to_all + terms.pipeline_send
    return model.decode_s(float(batch), context) - messages

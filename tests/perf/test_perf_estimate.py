"""Loads: what the steady state must do at its limits, and in which direction it may move."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_builders import DEEPSEEK_V3, FORMATS, H100, LLAMA_70B, MIXTRAL, budget, calibration, load, replica

from llmplan.errors import DataError, UsageError
from llmplan.perf import capacity, estimate, select_calibration
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate
from llmplan.spec.workload import Lengths, Slo

REPLICAS = [
    replica(),
    replica(MIXTRAL, parallel=Parallelism(tp=2)),
    replica(LLAMA_70B, weights=FORMATS["fp8"], parallel=Parallelism(tp=4)),
    replica(DEEPSEEK_V3, parallel=Parallelism(tp=1, dp=8, ep=True)),
    replica(LLAMA_70B, parallel=Parallelism(pp=4)),
]


def ask(of: Replica, what: Load, tokens: int = 400_000) -> Estimate:
    return estimate(of, budget(tokens), what, calibration())


@pytest.mark.parametrize("of", REPLICAS)
def test_no_traffic_is_one_request_alone(of: Replica) -> None:
    idle, alone = ask(of, load("rate", 0.0)), ask(of, load("concurrency", 1))
    assert idle.ttft_s.mid == pytest.approx(alone.ttft_s.mid)
    assert idle.tpot_s.mid == pytest.approx(alone.tpot_s.mid)
    assert idle.requests_per_s.mid == 0.0
    assert idle.utilization == 0.0


@pytest.mark.parametrize("of", REPLICAS)
def test_one_stream_completes_as_its_latency_says(of: Replica) -> None:
    alone = ask(of, load("concurrency", 1))
    assert alone.requests_per_s.mid == pytest.approx(1 / alone.e2e_s.mid, rel=1e-3)
    assert alone.e2e_s.mid == pytest.approx(alone.ttft_s.mid + 299 * alone.tpot_s.mid)


@pytest.mark.parametrize("users", [1, 7, 64, 256, 1000])
def test_littles_law_holds_in_a_closed_loop(users: int) -> None:
    found = ask(replica(), load("concurrency", users))
    assert found.requests_per_s.mid * found.e2e_s.mid == pytest.approx(users, rel=0.01)


def test_open_and_closed_loops_agree_below_saturation() -> None:
    opened = ask(replica(), load("rate", 8.0))
    closed = ask(replica(), load("concurrency", 8.0 * opened.e2e_s.mid))
    assert closed.requests_per_s.mid == pytest.approx(8.0, rel=0.05)
    assert closed.tpot_s.mid == pytest.approx(opened.tpot_s.mid, rel=0.05)


def test_the_cache_limits_the_batch() -> None:
    """Twenty requests of 1000 + 300/2 tokens fit in 23,000; the rest wait."""
    found = ask(replica(), load("concurrency", 100), 23_000)
    assert found.batch_size <= 20
    assert found.kv_limited
    assert found.saturated
    assert found.ttft_s.mid > 3 * ask(replica(), load("concurrency", 100)).ttft_s.mid
    assert not ask(replica(), load("concurrency", 100)).kv_limited


def test_more_traffic_than_capacity_saturates() -> None:
    full = ask(replica(), load("saturation", 0))
    over = ask(replica(), load("rate", 2 * full.requests_per_s.mid))
    assert over.saturated
    assert math.isinf(over.ttft_s.mid)
    assert over.utilization == 1.0
    assert over.requests_per_s.mid == pytest.approx(full.requests_per_s.mid)


def test_served_traffic_is_known_and_its_latency_is_not() -> None:
    found = ask(replica(), load("rate", 5.0))
    assert found.requests_per_s.is_exact
    assert found.output_tokens_per_s.mid == pytest.approx(1500)
    assert not found.tpot_s.is_exact
    assert found.tpot_s.low == pytest.approx(0.8 * found.tpot_s.mid)


def test_the_ledger_sums_to_the_time_per_token_and_names_the_largest() -> None:
    for of in REPLICAS:
        found = ask(of, load("concurrency", 48))
        assert found.step_ledger.total == pytest.approx(found.tpot_s.mid, rel=1e-6)
        assert found.step_ledger[found.bottleneck].amount == max(line.amount or 0 for line in found.step_ledger.lines)


def test_a_burst_takes_as_long_as_its_waves() -> None:
    small, large = ask(replica(), load("burst", 256)), ask(replica(), load("burst", 1024))
    assert large.ttft_s.mid > 2 * small.ttft_s.mid
    assert large.requests_per_s.mid == pytest.approx(ask(replica(), load("saturation", 0)).requests_per_s.mid, rel=0.2)


rates = st.floats(min_value=0.0, max_value=0.95)
replicas = st.sampled_from(REPLICAS)


@settings(max_examples=60, deadline=None)
@given(of=replicas, low=rates, high=rates, isl=st.integers(50, 4000), osl=st.integers(2, 800))
def test_more_load_never_lowers_a_latency(of, low, high, isl, osl) -> None:  # type: ignore[no-untyped-def]
    low, high = sorted((low, high))
    top = ask(of, load("saturation", 0, isl, osl)).capacity_requests_per_s
    less, more = (ask(of, load("rate", share * top, isl, osl)) for share in (low, high))
    for quantity in ("ttft_p95_s", "tpot_p95_s"):
        assert getattr(more, quantity) >= getattr(less, quantity) * (1 - 2e-3), quantity
    assert more.ttft_s.mid >= less.ttft_s.mid * (1 - 2e-3)
    assert more.tpot_s.mid >= less.tpot_s.mid * (1 - 2e-3)


@settings(max_examples=60, deadline=None)
@given(of=replicas, users=st.integers(1, 400), isl=st.integers(50, 4000), more=st.integers(1, 4000))
def test_longer_prompts_are_never_faster(of, users, isl, more) -> None:  # type: ignore[no-untyped-def]
    less, longer = (ask(of, load("concurrency", users, n)) for n in (isl, isl + more))
    assert longer.requests_per_s.mid <= less.requests_per_s.mid * (1 + 2e-3)


@settings(max_examples=60, deadline=None)
@given(of=replicas, users=st.integers(1, 400), faster=st.floats(1.0, 4.0))
def test_more_bandwidth_never_lowers_throughput(of, users, faster) -> None:  # type: ignore[no-untyped-def]
    better = replace(of.gpu, memory_bandwidth_bytes_per_s=faster * of.gpu.memory_bandwidth_bytes_per_s)
    before, after = ask(of, load("concurrency", users)), ask(replace(of, gpu=better), load("concurrency", users))
    assert after.requests_per_s.mid >= before.requests_per_s.mid * (1 - 2e-3)


@settings(max_examples=40, deadline=None)
@given(of=replicas, share=rates)
def test_percentiles_are_above_means_and_everything_is_finite(of, share) -> None:  # type: ignore[no-untyped-def]
    top = ask(of, load("saturation", 0)).capacity_requests_per_s
    found = ask(of, load("rate", share * top))
    assert found.ttft_s.mid <= found.ttft_p95_s < math.inf
    assert found.tpot_s.mid <= found.tpot_p95_s < math.inf
    assert 0 <= found.utilization <= 1


def test_a_prefix_cache_shortens_prefill_only() -> None:
    cold, warm = (ask(replica(), load("concurrency", 1, 8000, prefix_share=share)) for share in (0.0, 0.9))
    assert warm.ttft_s.mid < 0.5 * cold.ttft_s.mid
    assert warm.tpot_s.mid == pytest.approx(cold.tpot_s.mid)


def test_bursty_arrivals_wait_longer() -> None:
    calm, bursty = (ask(replica(), load("rate", 14.0, cv_interarrival=cv)) for cv in (1.0, 4.0))
    assert bursty.ttft_p95_s > calm.ttft_p95_s


@pytest.mark.parametrize("what", [load("rate", -1.0), load("rate", math.nan), load("concurrency", 1, isl=0)])
def test_senseless_loads_are_refused(what: Load) -> None:
    with pytest.raises(UsageError):
        ask(replica(), what)


def test_capacity_keeps_its_promises_and_is_tight() -> None:
    slo = Slo(ttft_p95_s=0.5, tpot_p95_s=0.012)
    found = capacity(replica(), budget(), load("rate", 0), calibration(), slo, 0.9)
    assert found.limited_by == "tpot"
    assert found.estimate is not None
    assert found.estimate.tpot_p95_s <= 0.012
    assert ask(replica(), load("rate", found.requests_per_s * 1.02)).tpot_p95_s > 0.012


def test_capacity_without_promises_is_the_share_of_saturation() -> None:
    found = capacity(replica(), budget(), load("rate", 0), calibration(), Slo(), 0.7)
    assert found.limited_by == "utilization"
    assert found.estimate is not None
    assert found.requests_per_s == pytest.approx(0.7 * found.estimate.capacity_requests_per_s)


def test_an_impossible_promise_says_what_an_idle_replica_does() -> None:
    found = capacity(replica(), budget(), load("rate", 0), calibration(), Slo(ttft_p95_s=0.001), 0.7)
    assert found.requests_per_s == 0
    assert found.estimate is None
    assert found.reason.startswith("TTFT unloaded is ")
    assert found.reason.endswith(" > 1 ms")


def test_a_pool_smaller_than_one_request_has_no_capacity() -> None:
    found = capacity(replica(), budget(1000), load("rate", 0), calibration(), Slo(), 0.7)
    assert found.limited_by == "kv"
    assert "1,300 tokens" in found.reason


def test_stricter_promises_never_raise_capacity() -> None:
    rates = [
        capacity(replica(), budget(), load("rate", 0), calibration(), Slo(ttft_p95_s=t), 0.95).requests_per_s
        for t in (0.03, 0.05, 0.1, 0.5, 5.0)
    ]
    assert rates == sorted(rates)


def test_spread_of_lengths_makes_the_tail() -> None:
    fixed = load("rate", 5.0)
    spread = replace(fixed, input_tokens=Lengths(mean=1000, p50=600, p90=2200, p99=5000))
    assert ask(replica(), spread).ttft_p95_s > 1.5 * ask(replica(), fixed).ttft_p95_s


def test_calibration_falls_back_from_generation_to_engine_to_anything() -> None:
    hopper = calibration()
    general = calibration(id="vllm-any", generation="any")
    anything = calibration(id="any-any", engine="any", generation="any")
    of = replica()
    assert select_calibration([general, hopper, anything], of.engine, H100) is hopper
    ada = replace(H100, architecture="Ada")
    fallback = select_calibration([anything, hopper, general], of.engine, ada)
    assert fallback.id == "vllm-any"
    assert fallback.rows == 0
    assert fallback.bands["tpot"].low_ratio == pytest.approx(0.8**1.5)
    assert estimate(of, budget(), load("rate", 1), fallback).extrapolated
    other = replace(of.engine, id="sglang")
    assert select_calibration([hopper, anything], other, ada).id == "any-any"
    with pytest.raises(DataError, match="no calibration"):
        select_calibration([hopper], other, ada)

"""Prefill and decode on pools of their own: limits, and what either pool does not see."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_builders import H100, LLAMA_8B, LLAMA_70B, TYPICAL, budget, calibration, coefficients, load, replica

from llmplan.errors import DataError
from llmplan.perf import estimate, estimate_disaggregated
from llmplan.perf.disaggregation import prompt_bytes
from llmplan.perf.step import StepModel
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.plan.disaggregation import Pools, PoolState
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate

FREE = TYPICAL | {"allreduce_fast_efficiency": 1e12, "allreduce_fast_latency_s": 0.0}
"""a link that takes no time"""


def ask(
    of: Replica, what: Load, prefill: int = 1, decode: int = 1, values: dict[str, float] = TYPICAL
) -> tuple[Estimate, PoolState]:
    pools = Pools(prefill=prefill, decode=decode)
    return estimate_disaggregated(of, budget(), what, calibration(values), pools)


def test_over_an_infinite_link_the_first_token_takes_prefill_alone() -> None:
    of = replica()
    model = StepModel(of, coefficients(FREE), 4e5)
    found, state = ask(of, load("concurrency", 1, isl=3000), values=FREE)
    assert found.ttft_s.mid == pytest.approx(model.request_s + model.prefill_s(3000), rel=1e-6)
    assert state.transfer_s == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("isl", [500, 1000, 8000])
def test_the_cache_of_the_prompt_takes_its_bytes_over_the_link(isl: int) -> None:
    of = replica(parallel=Parallelism(tp=2))
    _, state = ask(of, load("concurrency", 1, isl=isl))
    size = -(-isl // 16) * 16 * 131072.0  # whole blocks of the sample budget, whose tokens take 128 KiB a GPU
    assert prompt_bytes(budget(), isl) == size
    assert state.transfer_s == pytest.approx(size / (450e9 * 0.6) + 5e-6)
    assert state.link == "NVLink"


def test_replicas_on_several_hosts_send_over_the_network() -> None:
    of = replica(LLAMA_70B, parallel=Parallelism(tp=8))
    _, state = ask(of, load("concurrency", 1))
    assert state.link == "network"
    assert state.transfer_s > 1008 * 131072.0 / (400e9 / 8 * 0.6)
    alone = replace(of, host=replace(of.host, network_bytes_per_s=None))
    with pytest.raises(DataError, match="network"):
        ask(alone, load("concurrency", 1))


def test_a_prompt_that_is_cached_whole_needs_no_prefill_pool() -> None:
    found, state = ask(replica(), load("rate", 20.0, prefix_share=1.0))
    assert state.prefill_utilization == 0.0
    assert state.bottleneck == "decode"
    assert found.ttft_s.mid == pytest.approx(TYPICAL["request_s"] + state.transfer_s, rel=1e-2)


@given(rate=st.floats(0.1, 8.0), isl=st.sampled_from([500.0, 4000.0]), osl=st.sampled_from([50.0, 500.0]))
@settings(max_examples=30, deadline=None)
def test_answers_are_never_interrupted(rate: float, isl: float, osl: float) -> None:
    """One replica for both shares its steps with prompts; one for each does not."""
    what = load("rate", rate, isl=isl, osl=osl)
    together = estimate(replica(), budget(), what, calibration())
    apart, _ = ask(replica(), what)
    assert apart.tpot_s.mid <= together.tpot_s.mid * (1 + 1e-6)
    assert "prefill of other requests" not in {line.name for line in apart.step_ledger.lines}


def test_throughput_is_that_of_the_slower_pool() -> None:
    long_prompts = load("saturation", 0, isl=4000, osl=50)
    one, state = ask(replica(), long_prompts)
    assert state.bottleneck == "prefill"
    two, _ = ask(replica(), long_prompts, prefill=2)
    more, _ = ask(replica(), long_prompts, decode=2)
    assert two.requests_per_s.mid == pytest.approx(2 * one.requests_per_s.mid, rel=0.05)
    assert more.requests_per_s.mid == pytest.approx(one.requests_per_s.mid, rel=0.05)
    model = StepModel(replica(), coefficients(TYPICAL), 4e5)
    assert one.requests_per_s.mid == pytest.approx(1 / model.pace(0, 0, 4000).absorbed_s, rel=0.05)


def test_a_slow_link_is_the_bottleneck_and_says_so() -> None:
    of = replica(LLAMA_8B, replace(H100, link="none", link_bytes_per_s=0.0, pcie_bytes_per_s=1e9))
    found, state = ask(of, load("saturation", 0, isl=4000, osl=50))
    assert state.bottleneck == "transfer"
    assert found.requests_per_s.mid <= 1 / state.transfer_s * (1 + 1e-9)


@given(users=st.floats(1.0, 2000.0), prefill=st.integers(1, 4), decode=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_little_holds_and_no_pool_is_overfull(users: float, prefill: int, decode: int) -> None:
    found, state = ask(replica(), load("concurrency", users), prefill, decode)
    assert found.requests_per_s.mid * found.e2e_s.mid == pytest.approx(users, rel=0.02)
    assert max(state.prefill_utilization, state.decode_utilization, state.transfer_utilization) <= 1.0
    assert found.requests_per_s.mid <= found.capacity_requests_per_s * 1.01


def test_more_load_never_lowers_the_time_to_the_first_token() -> None:
    rates = [ask(replica(), load("rate", rate))[0].ttft_s.mid for rate in (0.0, 1.0, 5.0, 10.0, 14.0)]
    users = [ask(replica(), load("concurrency", count))[0].ttft_s.mid for count in (1, 4, 16, 64, 256, 1024)]
    assert rates == sorted(rates)
    assert users == sorted(users)


def test_an_arrival_rate_beyond_the_slower_pool_waits_without_end() -> None:
    found, state = ask(replica(), load("rate", 1e4))
    assert found.saturated
    assert found.ttft_s.mid == float("inf")
    assert max(state.prefill_utilization, state.decode_utilization) == pytest.approx(1.0, abs=0.05)


def test_a_burst_is_worked_off_in_the_order_of_the_pools() -> None:
    few, many = (ask(replica(), load("burst", count))[0] for count in (1, 2000))
    assert few.ttft_s.mid < many.ttft_s.mid
    assert many.requests_per_s.mid <= many.capacity_requests_per_s

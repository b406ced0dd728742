"""What a run comes to: counts that add up, integrals that agree, promises held against every request."""

import math

import numpy as np
import pytest
from engine_builders import PlainTimes
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.plan.simulated import Simulated
from llmplan.simulate.engine import Rules
from llmplan.simulate.fleet import (
    Autoscaler,
    Faults,
    Fleet,
    FleetSpec,
    Keda,
    Knative,
    RouterId,
    Users,
    Workers,
    summarize,
)
from llmplan.spec.workload import Slo
from simulate.fleet_samples import ROOMY, columns, poisson, requests, served

TIMES = PlainTimes(step_s=0.01, prompt_s=2e-5, context_s=1e-6, request_s=0.002)
NOTHING = Slo()

routers = st.sampled_from(["round-robin", "least-loaded", "prefix-affine"])
autoscalers = st.sampled_from(
    [
        None,
        Workers(target_concurrency=3, idle_window_s=5.0, max_replicas=6),
        Workers(target_concurrency=4, most_concurrency=9, idle_window_s=20.0, min_replicas=1),
        Knative(target_concurrency=4.0, max_replicas=6),
        Keda(metric="in_flight", target=4.0, max_replicas=6),
    ]
)
faults = st.builds(
    Faults,
    mtbf_s=st.sampled_from([None, 15.0, 100.0]),
    notice_s=st.sampled_from([0.0, 2.0]),
    restarts_s=st.sampled_from([(), (20.0,)]),
)
pools = st.sampled_from([ROOMY, Rules(max_num_seqs=6, blocks=150, block_tokens=16, longest_tokens=900)])


def agrees(run: Simulated, fleet: Fleet) -> None:
    """What must be so of any run, finished or not."""
    log = fleet.log
    assert run.requests == len(log) == run.answered + run.refused_count + run.unfinished
    arrival_s, done_s = log.column("arrival_s"), log.column("done_s")
    known = (done_s >= 0) & (done_s <= (math.inf if fleet.finished else fleet.now_s))
    assert run.answered == known.sum()
    assert run.output_tokens == log.column("output_tokens")[known].sum()
    there = np.array(fleet.replica_of) != -2
    ends = np.where(known, done_s, run.span_s)[there]
    total_s = math.fsum((ends - arrival_s[there]).tolist())
    assert run.mean_in_system * run.span_s == pytest.approx(total_s, rel=1e-9, abs=1e-9)
    series = run.series
    assert len(series) <= 500
    if len(series):
        lengths = np.diff(np.minimum(np.arange(len(series) + 1) * series.bin_s, run.span_s))
        in_flight = np.array(series.waiting) + np.array(series.running)
        assert (in_flight * lengths).sum() == pytest.approx(total_s, rel=1e-9, abs=1e-9)
        assert (np.array(series.arrivals_per_s) * lengths).sum() == pytest.approx(run.requests)
        assert 0 <= max(series.kv_share) <= 1 + 1e-9
    assert 0.0 <= run.kv_peak <= 1.0
    ready_s = sum(
        max(0.0, (run.span_s if life.stopped_s is None else life.stopped_s) - life.ready_s)
        for life in run.lives
        if life.ready_s is not None
    )
    assert run.utilization * ready_s == pytest.approx(sum(life.busy_s for life in run.lives))
    assert run.utilization <= 1.0 + 1e-9


@settings(max_examples=60, deadline=None)
@given(
    router=routers, autoscaler=autoscalers, fault=faults, rules=pools, seed=st.integers(0, 50),
    rate=st.sampled_from([0.3, 3.0, 12.0]), stop=st.integers(0, 6), think=st.sampled_from([None, 0.0, 1.0]),
)  # fmt: skip
def test_nothing_is_lost_and_integrals_agree(
    router: RouterId, autoscaler: Autoscaler | None, fault: Faults, rules: Rules, seed: int, rate: float, stop: int,
    think: float | None,
) -> None:  # fmt: skip
    spec = FleetSpec(router=router, autoscaler=autoscaler, faults=fault, start_s=4.0, seed=seed)
    users = None if think is None else Users(count=7, think_s=think)
    fleet = Fleet(spec, TIMES, rules)
    agrees(summarize(fleet, NOTHING), fleet)
    for taken, _ in enumerate(fleet.run([poisson(150, rate, seed)], users)):
        if taken >= stop:
            agrees(summarize(fleet, NOTHING), fleet)
    run = summarize(fleet, NOTHING)
    agrees(run, fleet)
    assert fleet.finished
    assert run.unfinished == 0
    for each in fleet.crew.all:
        if each.run is not None:
            assert (each.run.in_flight, each.run.used_blocks) == (0, 0)
    again = served(spec, poisson(150, rate, seed), times=TIMES, rules=rules, users=users)
    for name in ("arrival_s", "slot_s", "first_s", "done_s"):
        assert getattr(again.log, name).tobytes() == getattr(fleet.log, name).tobytes()


def test_promises_are_held_against_every_request() -> None:
    """Steps of 10 ms: TTFT 10 ms alone; 20 tokens take 200 ms, 50 take 500 ms. One request is refused."""
    rules = Rules(max_num_seqs=1, blocks=1 << 20, block_tokens=16, longest_tokens=100)
    traffic = requests([0.0, 0.1, 5.0, 10.0], output_tokens=[20, 50, 1, 95])
    fleet = served(FleetSpec(), traffic, rules=rules)
    run = summarize(fleet, Slo(ttft_p95_s=0.05, e2e_p95_s=0.4))
    assert run.refused == {"longer than max_model_len": 1}
    assert columns(fleet)[1][:3] - columns(fleet)[0][:3] == pytest.approx([0.01, 0.11, 0.01])
    assert (run.attainment.ttft, run.attainment.tpot, run.attainment.e2e) == (0.5, None, 0.5)
    assert run.attainment.joint == 0.5
    assert run.keeps(Slo(ttft_p95_s=0.05)) is False
    assert run.keeps(NOTHING) is None
    assert run.goodput_requests_per_s * run.span_s == pytest.approx(2.0)
    assert run.wait_s is not None
    assert run.wait_s.mean == pytest.approx(0.1 / 3.0)
    assert run.tpot_s is not None
    assert (run.tpot_s.mean, run.tpot_s.p99) == (pytest.approx(0.01), pytest.approx(0.01))


def test_percentiles_interpolate_between_order_statistics() -> None:
    """Requests one after the other with 1 to 101 tokens: E2E 10 to 1010 ms, p95 is the 96th of 101."""
    traffic = requests((2.0 * np.arange(101)).tolist(), output_tokens=list(range(1, 102)))
    run = summarize(served(FleetSpec(), traffic), NOTHING)
    assert run.e2e_s is not None
    assert (run.e2e_s.p50, run.e2e_s.p95, run.e2e_s.p99) == pytest.approx((0.51, 0.96, 1.0))


def test_tenants_are_told_apart() -> None:
    """Of two tenants on one slot, the second comes when the first is being served."""
    rules = Rules(max_num_seqs=1, blocks=1 << 20, block_tokens=16)
    traffic = requests([0.0, 0.1, 10.0, 10.1], output_tokens=100, tenant=[3, 8, 3, 8])
    first, second = summarize(served(FleetSpec(), traffic, rules=rules), Slo(ttft_p95_s=0.5)).tenants
    assert (first.tenant, first.requests, first.attainment) == (3, 2, 1.0)
    assert (second.tenant, second.attainment) == (8, 0.0)
    assert second.ttft_p95_s == pytest.approx(0.91)


def test_the_series_has_the_replicas_the_queue_and_the_seconds() -> None:
    """A worker starts at 0 and is ready at 10 s; two requests wait for it, then run for 2 s; it stops at 17 s."""
    policy = Workers(target_concurrency=2, idle_window_s=5.0)
    fleet = served(FleetSpec(start_s=10.0, autoscaler=policy), requests([0.0, 0.0], output_tokens=200))
    run = summarize(fleet, NOTHING, gpus=4, period_s=20.0)
    series = run.series
    ends = np.minimum(np.arange(1, len(series) + 1) * series.bin_s, 20.0)
    lengths = np.diff(np.concatenate(([0.0], ends)))
    assert run.span_s == 20.0
    for values, total in (
        (series.starting, 10.0), (series.ready, 7.0), (series.waiting, 20.0), (series.running, 4.0),
    ):  # fmt: skip
        assert (np.array(values) * lengths).sum() == pytest.approx(total)
    assert series.billed_gpu_s[-1] == pytest.approx(4 * 17.0)
    at_ten = int(10.0 / series.bin_s)
    assert series.waiting[at_ten - 1] == pytest.approx(2.0)
    assert series.waiting[at_ten + 1] == 0.0
    assert run.peak_replicas == 1
    assert (run.cold, run.cold_share) == (2, 1.0)


def test_pools_over_time_never_pass_the_pool() -> None:
    """A run long enough for bins to become coarser while the pool is nearly full."""
    rules = Rules(max_num_seqs=64, blocks=200, block_tokens=16)
    run = summarize(served(FleetSpec(replicas=2), poisson(4000, 40.0), times=TIMES, rules=rules), NOTHING)
    assert 0.5 < max(run.series.kv_share) <= 1.0
    assert 0.9 < run.kv_peak <= 1.0


def test_no_requests_at_all() -> None:
    run = summarize(served(FleetSpec(), []), NOTHING, period_s=100.0)
    assert (run.requests, run.answered, run.ttft_s, run.mean_in_system, run.utilization) == (0, 0, None, 0.0, 0.0)
    assert summarize(served(FleetSpec(), []), NOTHING).series.bin_s > 0


def test_a_run_that_was_stopped_stands_for_its_own_time() -> None:
    """Ten requests a second, stopped after the first of two runs of a hundred, on the way to a million seconds."""
    fleet = Fleet(FleetSpec(), PlainTimes(), ROOMY)
    first, second = (requests((begin + np.arange(100) / 10).tolist()) for begin in (0.0, 10.0))
    progress = next(iter(fleet.run([first, second])))
    run = summarize(fleet, NOTHING, period_s=1e6)
    assert not run.finished
    assert progress.requests == run.requests == 100
    assert 9.0 < run.span_s < 11.0
    assert run.requests_per_s == pytest.approx(10.0, rel=0.15)


def test_infinitely_fast_engines_answer_at_once() -> None:
    traffic = poisson(300, 5.0)
    for router in ("round-robin", "least-loaded"):
        fleet = served(FleetSpec(router=router, replicas=2), traffic, times=PlainTimes(step_s=0.0))
        assert columns(fleet)[2] == pytest.approx(traffic.arrival_s)
        run = summarize(fleet, Slo(ttft_p95_s=1e-9))
        assert (run.attainment.joint, run.utilization) == (1.0, 0.0)

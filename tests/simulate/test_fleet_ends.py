"""Every run comes to its end, however long the front end takes beside the bins in which the fleet looks at itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engine_builders import PlainTimes
from fleet_samples import ROOMY, requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmplan.simulate.fleet import Autoscaler, Fleet, FleetSpec, Keda, Knative, Users, Workers

MOST_REPORTS = 20_000
"""far more than any of these runs makes; an endless one would pass it in a second"""
SCALING: dict[str, Autoscaler | None] = {
    "none": None,
    "workers": Workers(target_concurrency=3, idle_window_s=5.0),
    "warm workers": Workers(target_concurrency=3, most_concurrency=20, idle_window_s=5.0, min_replicas=1),
    "knative": Knative(target_concurrency=3),
    "keda": Keda(metric="in_flight", target=3, min_replicas=1),
}


def ended(fleet: Fleet, traffic: Any, users: Users | None = None) -> None:
    for reports, _ in enumerate(fleet.run(traffic, users)):
        assert reports < MOST_REPORTS, f"no end at {fleet.now_s} s with {fleet.in_flight} in flight"
    assert fleet.finished
    assert fleet.in_flight == 0


@settings(max_examples=60, deadline=None)
@example(users=64, count=200, request_s=0.002, step_s=0.01, think_s=0.0, replicas=1, seqs=64)
@given(
    users=st.integers(1, 150),
    count=st.integers(1, 400),
    request_s=st.sampled_from([0.0, 1e-6, 0.002, 0.05, 3.0]),
    step_s=st.sampled_from([1e-5, 0.01, 2.0]),
    think_s=st.sampled_from([0.0, 0.0, 0.7]),
    replicas=st.integers(1, 3),
    seqs=st.sampled_from([1, 5, 64]),
)
def test_users_are_all_served(
    users: int, count: int, request_s: float, step_s: float, think_s: float, replicas: int, seqs: int
) -> None:
    times, rules = PlainTimes(step_s=step_s, request_s=request_s), replace(ROOMY, max_num_seqs=seqs)
    fleet = Fleet(FleetSpec(replicas=replicas, router="least-loaded"), times, rules)
    ended(fleet, [requests([0.0] * count, output_tokens=7)], Users(count=users, think_s=think_s))
    assert (np.array(fleet.log.done_s) > 0).all()
    assert len(fleet.log) == count


@pytest.mark.parametrize("name", SCALING)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    rate=st.floats(0.02, 40.0),
    request_s=st.sampled_from([0.0, 0.002, 0.4]),
    start_s=st.sampled_from([0.0, 20.0]),
    seqs=st.sampled_from([1, 64]),
)
def test_open_arrivals_are_all_served(
    name: str, seed: int, rate: float, request_s: float, start_s: float, seqs: int
) -> None:
    arrival_s = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, 80))
    policy = SCALING[name]
    spec = FleetSpec(router="least-loaded", autoscaler=policy, start_s=start_s)
    times, rules = PlainTimes(request_s=request_s), replace(ROOMY, max_num_seqs=seqs)
    fleet = Fleet(spec, times, rules)
    ended(fleet, [requests(arrival_s.tolist(), output_tokens=20)])
    done_s = np.array(fleet.log.done_s)
    assert (done_s >= arrival_s + request_s + 20 * 0.01 - 1e-9).all()
    assert math.isfinite(fleet.now_s)

"""Replicas that come, go and fail, with times worked out by hand: a step takes 10 ms, a request of n tokens n steps."""

import math

import numpy as np
import pytest

from llmplan.simulate.fleet import Faults, Fleet, FleetSpec, Keda, Knative, Workers
from simulate.fleet_samples import columns, poisson, requests, served


def lives(fleet: Fleet) -> list[tuple[float, float | None, float | None, str]]:
    """Launch, readiness, end and its cause, of each replica."""
    return [(each.launched_s, each.ready_s, each.stopped_s, each.cause) for each in fleet.crew.all]


def test_a_failed_replica_loses_no_request() -> None:
    """At 0.505 s the step to 0.51 s is under way; 10 s later the successor serves both from the beginning."""
    traffic = requests([0.0, 0.2], output_tokens=100)
    fleet = served(FleetSpec(start_s=10.0, faults=Faults(at=((0.505, 0),))), traffic)
    assert lives(fleet) == [(0.0, 0.0, 0.505, "failed"), (0.505, 10.505, None, "")]
    assert fleet.retries == 2
    assert list(fleet.cold) == [1, 1]
    assert columns(fleet)[2] == pytest.approx([11.505, 11.505])
    assert columns(fleet)[1] == pytest.approx([10.515, 10.515])


def test_the_others_take_over_while_the_successor_starts() -> None:
    traffic = requests([0.0, 0.0, 1.0, 1.0], output_tokens=200)
    fleet = served(FleetSpec(replicas=2, start_s=100.0, faults=Faults(at=((0.5, 1),))), traffic)
    assert fleet.replica_of.tolist() == [0, 0, 0, 0]
    assert not any(fleet.cold)
    assert columns(fleet)[2] == pytest.approx([2.0, 2.5, 3.0, 3.0])


def test_failures_come_as_often_as_said_and_all_requests_are_answered() -> None:
    spec = FleetSpec(replicas=5, start_s=3.0, faults=Faults(mtbf_s=40.0), router="least-loaded", seed=7)
    traffic = poisson(2000, 5.0)
    fleet = served(spec, traffic)
    failed = sum(each.cause == "failed" for each in fleet.crew.all)
    expected = 5 * 400 / 43.0
    assert abs(failed - expected) < 3 * math.sqrt(expected)
    assert (columns(fleet)[2] > columns(fleet)[1]).all() or (traffic.output_tokens == 1).any()
    assert (columns(fleet)[2] > 0).all()
    again = served(spec, traffic)
    assert again.log.done_s.tobytes() == fleet.log.done_s.tobytes()


def test_a_replica_with_notice_finishes_what_it_can() -> None:
    """Told at 1.0 s that it goes at 3.0 s: 200 tokens are done at 2.5 s, 400 are not and start again where the
    successor, launched at 1.0 s, has been since 2.2 s; a request at 2.0 s waits for that one."""
    traffic = requests([0.0, 1.0 - 0.5, 2.0], output_tokens=[400, 200, 10])
    fleet = served(FleetSpec(start_s=1.2, faults=Faults(at=((1.0, 0),), notice_s=2.0)), traffic)
    assert lives(fleet) == [(0.0, 0.0, 3.0, "preempted"), (1.0, 2.2, None, "")]
    assert fleet.crew.all[0].draining_s == 1.0
    assert columns(fleet)[2] == pytest.approx([7.0, 2.5, 2.3])
    assert (fleet.retries, list(fleet.cold)) == (1, [0, 0, 1])


def test_a_replica_with_notice_is_gone_when_it_is_done() -> None:
    fleet = served(FleetSpec(start_s=1.0, faults=Faults(at=((1.0, 0),), notice_s=60.0)), requests([0.5, 4.0]))
    assert lives(fleet)[0] == (0.0, 0.0, 1.0, "preempted")


def test_a_rolling_restart_takes_one_replica_at_a_time() -> None:
    """Idle at 10 s: replica 0 stops at once, its successor is ready at 12 s, then replica 1."""
    traffic = requests([0.0, 30.0, 30.0], output_tokens=10)
    fleet = served(FleetSpec(replicas=2, start_s=2.0, faults=Faults(restarts_s=(10.0,))), traffic)
    assert lives(fleet) == [
        (0.0, 0.0, 10.0, "restarted"), (0.0, 0.0, 12.0, "restarted"), (10.0, 12.0, None, ""), (12.0, 14.0, None, ""),
    ]  # fmt: skip


def test_a_restart_waits_for_what_is_being_served() -> None:
    fleet = served(FleetSpec(start_s=2.0, faults=Faults(restarts_s=(1.0,))), requests([0.0, 1.5], output_tokens=300))
    assert lives(fleet)[:2] == [
        (0.0, 0.0, pytest.approx(3.0), "restarted"),
        (pytest.approx(3.0), pytest.approx(5.0), None, ""),
    ]
    assert columns(fleet)[2] == pytest.approx([3.0, 8.0])


def test_workers_start_at_the_first_request_and_stop_after_their_window() -> None:
    """Two places a worker: the third request at once asks for a second worker."""
    traffic = requests([100.0, 100.0, 100.0, 200.0], output_tokens=100)
    policy = Workers(target_concurrency=2, idle_window_s=30.0)
    fleet = served(FleetSpec(start_s=20.0, autoscaler=policy), traffic)
    assert lives(fleet) == [
        (100.0, 120.0, pytest.approx(151.0), "idle"),
        (100.0, 120.0, pytest.approx(151.0), "idle"),
        (200.0, 220.0, pytest.approx(251.0), "idle"),
    ]
    assert list(fleet.cold) == [1, 1, 1, 1]


def test_a_request_that_found_a_place_before_the_new_worker_was_ready_did_not_wait_for_it() -> None:
    """One place, 1 s a request, 10 s a start: the second and third are served by the first worker."""
    policy = Workers(target_concurrency=1, min_replicas=1)
    fleet = served(FleetSpec(start_s=10.0, autoscaler=policy), requests([0.0, 0.1, 0.2], output_tokens=100))
    assert list(fleet.cold) == [0, 0, 0]
    assert columns(fleet)[2] == pytest.approx([1.0, 2.0, 3.0])
    assert len(fleet.crew.all) == 3


def test_kept_workers_never_stop() -> None:
    policy = Workers(target_concurrency=1, min_replicas=2, idle_window_s=5.0)
    fleet = served(FleetSpec(autoscaler=policy), requests([0.0, 1000.0]))
    assert [each.stopped_s for each in fleet.crew.all] == [None, None]


def test_knative_scales_with_the_mean_of_its_window() -> None:
    """One long request in flight all the time at a target of 1 x 0.7: 2 replicas (1 / 0.7 = 1.4), after the first
    which a request at a fleet of none starts; 60 s and a grace of 30 s after the last request none is left."""
    traffic = requests([0.0, 400.0], output_tokens=[20_000, 10])
    fleet = served(FleetSpec(start_s=5.0, autoscaler=Knative(target_concurrency=1.0)), traffic)
    ends = [each.stopped_s for each in fleet.crew.all if each.stopped_s is not None]
    assert sum(each.launched_s == 0.0 for each in fleet.crew.all) == 1
    done_s = columns(fleet)[2][0]
    assert done_s == pytest.approx(205.0)
    assert max(ends) == pytest.approx(done_s + 60.0 + 30.0, abs=4.0)
    assert list(fleet.cold) == [1, 1]


def test_knative_panics_in_a_burst() -> None:
    """20 at once at a target of 1: within one look after the 6 s window sees twice what is ready, all are launched."""
    calm = Knative(target_concurrency=1.0, target_utilization=1.0, panic_threshold=1e9, min_replicas=1)
    quick = Knative(target_concurrency=1.0, target_utilization=1.0, min_replicas=1)
    traffic = requests([0.0] + [100.0] * 20, output_tokens=[1] + [3000] * 20)
    first = {}
    for name, policy in (("calm", calm), ("quick", quick)):
        fleet = served(FleetSpec(start_s=1.0, autoscaler=policy), traffic)
        launches = sorted(each.launched_s for each in fleet.crew.all)
        first[name] = sum(100.0 < at <= 108.0 for at in launches)
    assert first["quick"] >= 18
    assert first["calm"] <= 3


def test_keda_wakes_at_a_poll_and_sleeps_after_its_cooldown() -> None:
    """Polls at 30 s: a request at 31 s starts a replica at 60 s."""
    fleet = served(FleetSpec(start_s=4.0, autoscaler=Keda()), requests([31.0, 1000.0], output_tokens=100))
    assert lives(fleet)[0][:2] == (60.0, 64.0)
    assert lives(fleet)[0][3] == "scaled down"
    assert 65.0 + 300.0 - 15.0 <= lives(fleet)[0][2] <= 65.0 + 300.0 + 15.0


def test_keda_holds_its_replicas_for_the_stabilization_window() -> None:
    """40 in flight at a target of 10: 4; they are answered after 20 s, and stay for 300 s more."""
    policy = Keda(metric="in_flight", target=10.0, min_replicas=1)
    arrivals = [0.0] * 40 + np.arange(30.0, 900.0, 5.0).tolist()
    traffic = requests(arrivals, output_tokens=[2000] * 40 + [10] * (len(arrivals) - 40))
    fleet = served(FleetSpec(start_s=1.0, autoscaler=policy), traffic)
    assert [each.launched_s for each in fleet.crew.all] == [0.0, 15.0, 15.0, 15.0]
    ends = [each.stopped_s for each in fleet.crew.all if each.stopped_s]
    assert ends == [330.0, 330.0, 330.0]


def test_idle_time_after_the_last_request_is_not_run() -> None:
    fleet = served(FleetSpec(replicas=2), requests([0.0, 5.0]))
    assert fleet.finished
    assert lives(fleet) == [(0.0, 0.0, None, ""), (0.0, 0.0, None, "")]
    assert fleet.now_s < 7.0

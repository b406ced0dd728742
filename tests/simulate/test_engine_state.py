"""What a fleet may ask of an engine: when it will be free, who has to go elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from engine_builders import PlainTimes, played, poisson, rules, started
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.simulate.engine import Job
from llmplan.spec.requests import Requests


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), rate=st.floats(1.0, 50.0), kink=st.sampled_from([math.inf, 300.0]))
def test_nothing_ends_before_the_horizon(seed: int, rate: float, kink: float) -> None:
    times = PlainTimes(sequence_s=1e-4, context_s=1e-5, kink_tokens=kink, late_context_s=-0.5e-5)
    run, log = started(poisson(60, rate, seed=seed, spread=0.6), times, rules(max_num_seqs=8))
    for until_s in np.linspace(0.1, 20.0, 40):
        run.advance(float(until_s))
        horizon_s, gone = run.horizon_s, 60 - run.in_flight
        if horizon_s > run.now_s:
            run.advance(min(horizon_s, 1e9))
            ended = [end for end in log.column("done_s") if end >= 0]
            assert all(end >= horizon_s * (1 - 1e-12) for end in sorted(ended)[gone:])


def test_an_empty_engine_is_never_done() -> None:
    run, _ = started(poisson(1, 1.0, seed=1), PlainTimes(), rules())
    run.advance(math.inf)
    assert run.horizon_s == math.inf


def test_an_engine_that_stops_gives_back_everybody_in_order() -> None:
    """Two run and have 11 tokens each after 0.1 s for the prompts and ten steps; the third waits for a slot, the
    fourth is still to come."""
    traffic = Requests(
        arrival_s=np.array([0.0, 0.0, 0.0, 50.0]),
        input_tokens=np.array([10, 20, 30, 40]),
        output_tokens=np.array([100, 100, 100, 100]),
    )
    run, log = started(traffic, PlainTimes(step_s=0.1), rules(max_num_seqs=2))
    run.advance(1.1)
    left = run.stop()
    assert [job.index for job in left] == [0, 1, 2, 3]
    assert [job.generated for job in left] == [11, 11, 0, 0]
    assert [job.prompt for job in left] == [10 + 11, 20 + 11, 30, 40]
    assert run.in_flight == run.used_blocks == run.running == 0
    for job in left:
        run.submit(job, at_s=10.0)
    run.advance(math.inf)
    assert (log.column("done_s") > 0).all()
    # one step computes prompt and token 12, then 88 more
    assert log.column("done_s")[0] == pytest.approx(10.0 + 0.1 + 88 * 0.1)


def test_who_waits_can_go_elsewhere() -> None:
    traffic = Requests(arrival_s=np.zeros(5), input_tokens=np.full(5, 10), output_tokens=np.full(5, 50))
    run, log = started(traffic, PlainTimes(), rules(max_num_seqs=2))
    run.advance(0.02)
    assert [job.index for job in run.take_waiting()] == [2, 3, 4]
    run.advance(math.inf)
    assert (log.column("done_s") > 0).tolist() == [True, True, False, False, False]


def test_the_wait_for_a_slot_is_told() -> None:
    """Two slots: the third request takes its slot when the first is done. The front end takes 0.05 s for each."""
    traffic = Requests(
        arrival_s=np.array([0.0, 0.1, 0.2]), input_tokens=np.full(3, 10), output_tokens=np.array([10, 20, 10])
    )
    _, log = played(traffic, PlainTimes(step_s=0.1, request_s=0.05), rules(max_num_seqs=2))
    assert log.column("slot_s").tolist() == pytest.approx([0.05, 0.15, 0.05 + 1.0])


def test_a_closed_loop_keeps_its_users_busy() -> None:
    """Three users with ten requests each of ten steps: one after the other, all at once."""
    left = [27]
    traffic = Requests(arrival_s=np.zeros(3), input_tokens=np.full(3, 10), output_tokens=np.full(3, 10))
    run, log = started(traffic, PlainTimes(step_s=0.1), rules())

    def following(now_s: float) -> Job | None:
        if not left[0]:
            return None
        left[0] -= 1
        return Job(log.add(now_s, 10, 10), now_s, 10, 10)

    run.next_job = following
    run.advance(math.inf)
    assert len(log) == 30
    assert run.now_s == pytest.approx(10 * 10 * 0.1)

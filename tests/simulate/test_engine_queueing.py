"""What queueing theory knows exactly, the engine reproduces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from engine_builders import PlainTimes, played, poisson, rules
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.spec.requests import Floats, Requests

STEP_S = 0.01


def single_server(count: int, load: float, spread: float) -> tuple[Requests, Floats]:
    """Poisson requests of log-normal length for one slot, and the time that each of them needs [s]."""
    rng = np.random.default_rng(11)
    output = np.maximum(1, np.rint(rng.lognormal(np.log(20), spread, count))).astype(np.int64)
    service_s = output * STEP_S
    arrival_s = np.cumsum(rng.exponential(service_s.mean() / load, count))
    return Requests(arrival_s=arrival_s, input_tokens=np.full(count, 7), output_tokens=output), service_s


def waits_s(traffic: Requests) -> Floats:
    run, log = played(traffic, PlainTimes(step_s=STEP_S), rules(max_num_seqs=1))
    assert run.busy_s == pytest.approx(float(np.sum(traffic.output_tokens)) * STEP_S, rel=1e-9)
    return np.asarray(log.column("first_s")) - STEP_S - traffic.arrival_s


@pytest.mark.parametrize("load", [0.3, 0.9])
def test_one_at_a_time_waits_as_lindley_says(load: float) -> None:
    """W' = max(0, W + S - gap), request by request."""
    traffic, service_s = single_server(5000, load, spread=0.8)
    expected, wait = [], 0.0
    for service, gap in zip(service_s, np.diff(traffic.arrival_s, append=np.inf), strict=True):
        expected.append(wait)
        wait = max(0.0, wait + service - gap)
    assert waits_s(traffic) == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("load", "count"), [(0.3, 150_000), (0.6, 80_000), pytest.param(0.85, 1_000_000, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("spread", [0.0, 0.8])
def test_one_at_a_time_waits_as_pollaczek_and_khinchine_say(load: float, count: int, spread: float) -> None:
    """M/G/1: W = rate x E[S^2] / 2 (1 - rho); a request takes one step for its prompt and one for each further one."""
    traffic, service_s = single_server(count, load, spread)
    rate = count / float(traffic.arrival_s[-1])
    expected_s = rate * (service_s**2).mean() / (2 * (1 - rate * service_s.mean()))
    assert waits_s(traffic).mean() == pytest.approx(expected_s, rel=0.03)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), rate=st.floats(0.5, 60.0), seqs=st.integers(1, 32))
def test_littles_law_holds_to_rounding(seed: int, rate: float, seqs: int) -> None:
    """With a step for each token of all in a slot, the number in a slot over time is the steps that requests stay:
    one for the prompt and one for each further one."""
    traffic = poisson(200, rate, seed=seed, spread=0.5)
    run, log = played(traffic, PlainTimes(step_s=STEP_S), rules(max_num_seqs=seqs))
    stays_s = STEP_S * log.column("output_tokens").sum()
    assert run.batch_s == pytest.approx(stays_s, rel=1e-9)
    assert run.busy_s == pytest.approx(run.tick * STEP_S, rel=1e-9)
    in_slot_s = (log.column("done_s") - log.column("first_s")).sum() + STEP_S * len(traffic)
    assert run.batch_s == pytest.approx(in_slot_s, rel=1e-9)


def test_no_load_waits_for_nothing() -> None:
    traffic = Requests(
        arrival_s=np.array([0.0, 100.0]), input_tokens=np.array([50, 50]), output_tokens=np.array([11, 1])
    )
    times = PlainTimes(step_s=0.02, prompt_s=1e-3, request_s=0.5)
    _, log = played(traffic, times, rules())
    assert log.column("first_s").tolist() == pytest.approx([0.5 + 0.07, 100.5 + 0.07])
    assert log.column("done_s").tolist() == pytest.approx([0.57 + 10 * 0.02, 100.57])


def test_an_infinitely_fast_engine_answers_at_once() -> None:
    traffic = poisson(500, 100.0, seed=1)
    _, log = played(traffic, PlainTimes(step_s=1e-15), rules())
    assert np.abs(log.column("done_s") - traffic.arrival_s).max() < 1e-9


def test_at_saturation_the_engine_completes_what_its_steps_allow() -> None:
    """With 8 slots and one step a token: 8 answers of 20 tokens in 20 steps."""
    count = 4000
    traffic = Requests(arrival_s=np.zeros(count), input_tokens=np.full(count, 5), output_tokens=np.full(count, 20))
    run, _ = played(traffic, PlainTimes(step_s=STEP_S), rules(max_num_seqs=8))
    assert run.now_s == pytest.approx(count / 8 * 20 * STEP_S)
    assert math.isclose(run.busy_s, run.now_s)

"""Two looks and what lies between them, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

import served_samples as samples
from llmplan.measurements.served.reading import read_look
from llmplan.plan.served.seen import see, steps
from llmplan.plan.served.snapshot import Snapshot
from served_samples import Served

START = Served(requests=1000.0, failed=5.0, input_tokens=500.0, hits=0.5, running=10.0)


def look(served: Served, at_s: float | None, engine: str = "vllm") -> Snapshot:
    return read_look(getattr(samples, engine)(served), {}, at_s=at_s)


def test_the_difference_is_of_the_requests_in_between() -> None:
    after = START.after(60.0, input_tokens=2000.0, output_tokens=100.0, ttft_s=0.4, tpot_s=0.02, e2e_s=2.5,
                        failed=7.0, running=14.0)  # fmt: skip
    seen = see([look(START, 0.0), look(after, 30.0)])
    assert seen.span_s == 30.0
    assert not seen.since_start
    assert seen.requests == 60.0
    assert seen.total("failed") == 2.0
    assert seen.per_s("requests") == 2.0
    assert seen.input_tokens == pytest.approx(2000.0)
    assert seen.output_tokens == pytest.approx(100.0)
    assert seen.mean("ttft") == pytest.approx(0.4)
    assert seen.tpot_s == pytest.approx(0.02)
    assert seen.per_s("output_tokens") == pytest.approx(200.0)
    # Little's law: 60 requests of 2.5 s in 30 s
    assert seen.in_flight == pytest.approx(5.0)
    assert seen.gauge("running") == 12.0
    load = seen.load
    assert load is not None
    assert (load.kind, load.value, load.input_tokens.mean) == ("concurrency", pytest.approx(5.0), pytest.approx(2000.0))


def test_one_look_is_everything_since_the_start() -> None:
    seen = see([look(START, 0.0)])
    assert seen.since_start
    assert (seen.requests, seen.span_s, seen.per_s("requests"), seen.in_flight, seen.load) == (
        1000.0,
        None,
        None,
        None,
        None,
    )
    assert seen.mean("ttft") == pytest.approx(0.15)
    assert seen.prefix_share == 0.5


def test_files_without_a_clock_have_means_and_no_rates() -> None:
    seen = see([look(START, None), look(START.after(60.0, ttft_s=0.4), None)])
    assert (seen.requests, seen.per_s("requests")) == (60.0, None)
    assert seen.mean("ttft") == pytest.approx(0.4)


def test_fewer_than_one_in_flight_counts_as_one() -> None:
    seen = see([look(START, 0.0), look(START.after(6.0, e2e_s=1.0), 60.0)])
    assert seen.in_flight == pytest.approx(0.1)
    assert seen.load is not None
    assert seen.load.value == 1.0


def test_a_server_that_started_anew_is_another_one() -> None:
    fresh = Served(requests=30.0, started=START.started + 500.0)
    seen = see([look(START, 0.0), look(fresh, 10.0), look(fresh.after(20.0), 20.0)])
    assert (len(seen.looks), seen.asked) == (2, 3)
    assert (seen.requests, seen.span_s) == (20.0, 10.0)


def test_replicas_behind_one_address_are_told_apart_even_where_counts_only_grow() -> None:
    other = Served(requests=50_000.0, started=START.started + 3.0)
    found = [look(START, 0.0), look(other, 10.0), look(START.after(40.0), 20.0), look(other.after(10.0), 30.0)]
    seen = see(found)
    assert (len(seen.looks), seen.asked) == (2, 4)
    assert (seen.requests, seen.span_s) == (10.0, 20.0)
    assert steps(found) == ()


def test_counters_that_went_back_tell_where_no_start_is_said() -> None:
    seen = see([look(START, 0.0, "sglang"), look(Served(requests=3.0), 10.0, "sglang")])
    assert (len(seen.looks), seen.requests) == (1, 3.0)


def test_every_interval_on_its_own() -> None:
    found = [look(START, 0.0), look(START.after(10.0), 10.0), look(START.after(50.0), 20.0)]
    assert [(step.requests, step.span_s) for step in steps(found)] == [(10.0, 10.0), (40.0, 10.0)]


def test_sglang_has_lengths_from_its_counters_and_gaps_for_tpot() -> None:
    seen = see([look(START, 0.0, "sglang"), look(START.after(100.0), 50.0, "sglang")])
    assert (seen.input_tokens, seen.output_tokens) == (500.0, 300.0)
    assert seen.tpot_s == pytest.approx(0.012)
    assert seen.prefix_share == pytest.approx(0.5)
    assert seen.in_flight == pytest.approx(100 * 4.0 / 50.0)


def test_llama_cpp_has_a_time_per_token_and_no_requests() -> None:
    seen = see([look(START, 0.0, "llama_cpp"), look(START.after(10.0), 10.0, "llama_cpp")])
    assert (seen.requests, seen.input_tokens, seen.load) == (None, None, None)
    assert seen.tpot_s == pytest.approx(0.012)
    assert seen.per_s("output_tokens") == pytest.approx(300.0)
    # 10 requests generated 300 tokens of 12 ms each in 10 s, and their 5,000 prompt tokens took 0.1 ms each
    assert seen.least_in_flight == pytest.approx((10 * 300 * 0.012 + 5000 * 1e-4) / 10.0)
    assert seen.in_flight == 10.0  # as many ran at the looks
    idle = replace(START, running=0.0)
    between = see([look(idle, 0.0, "llama_cpp"), look(idle.after(10.0), 10.0, "llama_cpp")])
    assert between.in_flight == seen.least_in_flight
    # half as many prompt tokens in the cache as were computed: a third of all
    assert seen.prefix_share == pytest.approx(1 / 3)


def test_a_process_that_answers_again_is_one_of_several_and_one_that_does_not_was_restarted() -> None:
    one = [look(START.after(float(n)), float(n)) for n in range(3)]
    other = [look(replace(START, started=START.started + 9.0).after(float(n)), float(n)) for n in range(3)]
    assert not see(one).in_turns
    assert not see([one[0], one[1], other[2]]).in_turns
    assert see([one[0], other[1], one[2]]).in_turns

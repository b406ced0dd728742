"""The closed form against an event-by-event walk of the same fleet, and its limits."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.simulate import cold_start, scale_to_zero_usage
from llmplan.units import SECONDS_PER_MONTH


def walk_one_worker(
    rate_per_s: float, service_s: float, window_s: float, start_s: float, requests: int
) -> dict[str, float]:
    """One worker with room for every request: it starts, serves those that waited for it, and is on until the window
    after its last request has passed."""
    rng = random.Random(7)
    clock = on_until = ready = on_s = 0.0
    cold = starts = 0
    for _ in range(requests):
        clock += rng.expovariate(rate_per_s)
        if clock > on_until:
            cold, starts = cold + 1, starts + 1
            on_s += service_s + window_s
            ready = clock + start_s
            on_until = ready + service_s + window_s
        elif clock <= ready:
            cold += 1
        else:
            until = max(on_until, clock + service_s + window_s)
            on_s += until - on_until
            on_until = until
    return {"cold": cold / requests, "starts_per_s": starts / clock, "on_share": on_s / clock}


@pytest.mark.parametrize("start_s", [0.0, 76.0, 163.0])
@pytest.mark.parametrize(
    ("rate_per_s", "service_s", "window_s"), [(2 / 60, 5.0, 5.0), (0.2, 3.0, 10.0), (0.01, 8.0, 60.0)]
)
def test_closed_form_equals_the_walk(rate_per_s: float, service_s: float, window_s: float, start_s: float) -> None:
    walked = walk_one_worker(rate_per_s, service_s, window_s, start_s, 200_000)
    usage = scale_to_zero_usage(
        requests_per_s=rate_per_s, service_s=service_s, slots_per_replica=1e9, capacity_requests_per_s=1e9,
        idle_window_s=window_s, cold_start_s=start_s,
    )  # fmt: skip
    assert usage.cold_request_share == pytest.approx(walked["cold"], rel=0.03)
    assert usage.starts_per_month / SECONDS_PER_MONTH == pytest.approx(walked["starts_per_s"], rel=0.03)
    on_s = usage.billed_replica_s_per_month - usage.starting_replica_s_per_month
    assert on_s / SECONDS_PER_MONTH == pytest.approx(walked["on_share"], rel=0.03)


def test_two_a_minute_with_a_five_second_window_is_mostly_cold() -> None:
    """P(gap > 5 s) at two requests a minute is exp(-1/6) = 0.85; a five-minute window practically never goes cold."""
    short = scale_to_zero_usage(
        requests_per_s=2 / 60, service_s=0.0, slots_per_replica=8, capacity_requests_per_s=1,
        idle_window_s=5, cold_start_s=0,
    )  # fmt: skip
    long = scale_to_zero_usage(
        requests_per_s=2 / 60, service_s=0.0, slots_per_replica=8, capacity_requests_per_s=1,
        idle_window_s=300, cold_start_s=0,
    )  # fmt: skip
    assert short.cold_request_share == pytest.approx(math.exp(-5 / 30))
    assert long.cold_request_share == pytest.approx(math.exp(-10), rel=1e-6)
    assert long.mean_running_replicas > 0.99


@given(
    rate=st.floats(1e-5, 50), service=st.floats(0.01, 60), window=st.floats(0, 900), start=st.floats(0, 600),
    warm=st.integers(0, 2),
)  # fmt: skip
def test_seconds_add_up(rate: float, service: float, window: float, start: float, warm: int) -> None:
    usage = scale_to_zero_usage(
        requests_per_s=rate, service_s=service, slots_per_replica=4, capacity_requests_per_s=4 / service,
        idle_window_s=window, cold_start_s=start, keep_warm=warm,
    )  # fmt: skip
    on = usage.busy_replica_s_per_month + usage.idle_replica_s_per_month
    assert usage.billed_replica_s_per_month == pytest.approx(on + usage.starting_replica_s_per_month)
    assert 0 <= usage.cold_request_share <= 1
    assert usage.idle_replica_s_per_month >= -1e-6
    if warm:
        assert usage.cold_request_share == 0
        assert on >= warm * SECONDS_PER_MONTH * (1 - 1e-12)


@given(window=st.floats(0, 600), longer=st.floats(0, 600))
def test_a_longer_window_never_makes_more_requests_cold(window: float, longer: float) -> None:
    def at(seconds: float) -> float:
        return scale_to_zero_usage(
            requests_per_s=0.05, service_s=4, slots_per_replica=4, capacity_requests_per_s=1,
            idle_window_s=seconds, cold_start_s=60,
        ).cold_request_share  # fmt: skip

    assert at(window + longer) <= at(window) + 1e-12


def test_no_traffic_bills_only_what_is_kept_warm() -> None:
    off = scale_to_zero_usage(
        requests_per_s=0, service_s=1, slots_per_replica=1, capacity_requests_per_s=1, idle_window_s=60, cold_start_s=60
    )
    assert off.billed_replica_s_per_month == 0


def test_cold_start_is_the_sum_of_its_lines() -> None:
    """16 GB over 1 GB/s, 40 s of engine and 5 s of container: 61 s."""
    start = cold_start(weight_bytes=16e9, storage_bytes_per_s=1e9, engine_start_s=40.0, provision_s=5.0)
    assert start.total_s == pytest.approx(16 + 40 + 5)
    assert [line.name for line in start.ledger.lines] == ["provisioning", "load weights", "engine start"]


def test_hours_without_traffic_are_in_the_peak_once() -> None:
    """One request a second over all time, in 8 of 24 hours: 3 a second there, whatever smaller peak is stated."""
    words = {"requests_per_s": 1.0, "service_s": 1.0, "slots_per_replica": 1.0, "capacity_requests_per_s": 1.0,
             "idle_window_s": 60.0, "cold_start_s": 30.0, "active_share": 8 / 24}  # fmt: skip
    assert scale_to_zero_usage(**words).peak_replicas == 3
    assert scale_to_zero_usage(**words, peak_to_mean=6.0).peak_replicas == 6


def walk_in_periods(
    rate_per_s: float,
    service_s: float,
    window_s: float,
    start_s: float,
    period_s: float,
    silence_s: float,
    periods: int,
) -> dict[str, float]:
    """Exponential periods of Poisson traffic, exponential silences; one worker with room for every request."""
    rng = random.Random(11)
    clock = on_until = ready = on_s = 0.0
    requests = cold = starts = 0
    for _ in range(periods):
        clock += rng.expovariate(1 / silence_s)
        end = clock + rng.expovariate(1 / period_s)
        arrival = clock + rng.expovariate(rate_per_s)
        while arrival < end:
            requests += 1
            if arrival > on_until:
                cold, starts = cold + 1, starts + 1
                ready = arrival + start_s
                on_s += service_s + window_s
                on_until = ready + service_s + window_s
            elif arrival <= ready:
                cold += 1
            else:
                on_s += max(0.0, arrival + service_s + window_s - on_until)
                on_until = max(on_until, arrival + service_s + window_s)
            arrival += rng.expovariate(rate_per_s)
        clock = end
    return {"cold": cold / requests, "starts_per_s": starts / clock, "on_share": on_s / clock}


@pytest.mark.parametrize("start_s", [0.0, 30.0, 76.0])
@pytest.mark.parametrize(
    ("period_s", "silence_s"), [(66.7, 600.0), (600.0, 5400.0), pytest.param(3600.0, 10800.0, marks=pytest.mark.slow)]
)
def test_periods_of_traffic_equal_the_walk(period_s: float, silence_s: float, start_s: float) -> None:
    rate_per_s, service_s, window_s = 0.3, 5.0, 60.0
    walked = walk_in_periods(rate_per_s, service_s, window_s, start_s, period_s, silence_s, 40_000)
    share = period_s / (period_s + silence_s)
    usage = scale_to_zero_usage(
        requests_per_s=rate_per_s * share, service_s=service_s, slots_per_replica=1e9, capacity_requests_per_s=1e9,
        idle_window_s=window_s, cold_start_s=start_s, active_share=share, active_period_s=period_s,
    )  # fmt: skip
    assert usage.starts_per_month / SECONDS_PER_MONTH == pytest.approx(walked["starts_per_s"], rel=0.1)
    assert usage.cold_request_share == pytest.approx(walked["cold"], rel=0.1)
    assert usage.starting_replica_s_per_month == pytest.approx(usage.starts_per_month * start_s)
    on_s = usage.billed_replica_s_per_month - usage.starting_replica_s_per_month
    assert on_s / SECONDS_PER_MONTH == pytest.approx(walked["on_share"], rel=0.1)


def test_short_clusters_are_mostly_cold() -> None:
    """90 % of minutes idle: runs of 67 s, a start of 76 s at the head of each; most requests wait for one."""
    usage = scale_to_zero_usage(
        requests_per_s=2 / 60, service_s=5.0, slots_per_replica=8, capacity_requests_per_s=2, idle_window_s=60,
        cold_start_s=76.0, active_share=0.1, active_period_s=60 / 0.9,
    )  # fmt: skip
    assert usage.cold_request_share > 0.5

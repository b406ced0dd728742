"""Generated traffic has the statistics that were asked for, and only the seed decides which traffic it is."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmplan.errors import UsageError
from llmplan.simulate.traffic import generate, shape_of
from llmplan.spec.traffic import (
    Arrivals,
    Bursts,
    Histogram,
    Pauses,
    RateSeries,
    Sessions,
    SharedPrefix,
    TrafficShape,
)
from llmplan.spec.workload import Lengths, Workload
from simulate.traffic_columns import made, whole

DAY_S = 86_400.0
CODE_IN = Lengths(mean=2047.8, p50=1469, p90=5187, p99=7436)
CODE_OUT = Lengths(mean=27.9, p50=13, p90=55, p99=251)
PLAIN = Workload(requests_per_s=2.0, input_tokens=CODE_IN, output_tokens=CODE_OUT)


def shaped(**arrivals: object) -> Workload:
    return replace(PLAIN, traffic=TrafficShape(arrivals=Arrivals(**arrivals)))  # type: ignore[arg-type]


@settings(max_examples=10, deadline=None)
@given(rate=st.floats(0.05, 50), cv=st.floats(0.2, 4), seed=st.integers(0, 10**6))
def test_rate_and_variation_of_gaps(rate: float, cv: float, seed: int) -> None:
    requests = 60_000
    found = made(replace(PLAIN, requests_per_s=rate, cv_interarrival=cv), seed=seed, requests=requests)
    assert len(found.arrival_s) == requests
    assert (np.diff(found.arrival_s) >= 0).all()
    # the mean of n gaps has the standard deviation cv / sqrt(n): five of them
    assert requests / found.arrival_s[-1] == pytest.approx(rate, rel=5 * cv / math.sqrt(requests))
    assert found.gap_cv() == pytest.approx(cv, rel=0.15 if cv > 2 else 0.05)


def test_lengths_meet_their_percentiles_and_their_mean() -> None:
    found = made(PLAIN, requests=400_000)
    assert np.percentile(found.input_tokens, [50, 90, 99]) == pytest.approx([1469, 5187, 7436], rel=0.01)
    assert np.percentile(found.output_tokens, [50, 90, 99]) == pytest.approx([13, 55, 251], rel=0.03)
    assert found.input_tokens.mean() == pytest.approx(2047.8, rel=0.01)
    assert found.output_tokens.mean() == pytest.approx(27.9, rel=0.02)


def test_lengths_that_are_fixed_or_known_by_mean_and_median() -> None:
    found = made(replace(PLAIN, input_tokens=Lengths.fixed(1000), output_tokens=Lengths(mean=300)), requests=1000)
    assert set(found.input_tokens) == {1000}
    assert set(found.output_tokens) == {300}
    lognormal = Lengths(mean=1000 * math.exp(0.5), p50=1000)  # sigma 1
    spread = made(replace(PLAIN, input_tokens=lognormal), requests=400_000).input_tokens
    assert spread.mean() == pytest.approx(1648.7, rel=0.01)
    assert np.log(spread).std() == pytest.approx(1.0, rel=0.01)


def test_a_histogram_fills_its_bins_evenly() -> None:
    bins = Histogram(edges=(1, 2, 10, 100), shares=(0.5, 0.3, 0.2))
    found = made(replace(PLAIN, traffic=TrafficShape(output_tokens=bins)), requests=200_000).output_tokens
    shares = np.histogram(found, bins=bins.edges)[0] / len(found)
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.005)
    counts = np.bincount(found)[2:10]
    assert counts == pytest.approx(np.full(8, len(found) * 0.3 / 8), rel=0.06)
    assert found.mean() == pytest.approx(bins.mean, rel=0.01)


@settings(max_examples=6, deadline=None)
@given(idle=st.floats(0.05, 0.8), rate=st.floats(0.05, 1), seed=st.integers(0, 1000))
def test_idle_bins(idle: float, rate: float, seed: int) -> None:
    """Those that chance leaves without a request count as idle too, and are all that there is at a low rate."""
    days = 20
    found = made(replace(PLAIN, requests_per_s=rate, idle_share=idle), seed=seed, duration_s=days * DAY_S)
    empty = (found.counts(60, days * DAY_S) == 0).mean()
    by_chance = math.exp(-60 * rate)
    assert empty == pytest.approx(max(idle, by_chance), abs=0.02)
    assert len(found.arrival_s) / (days * DAY_S) == pytest.approx(rate, rel=0.05)


def test_steady_figures_of_a_bursty_trace_come_out_together() -> None:
    """The four figures of the Azure code trace: an interrupted Poisson process has them all but the peak minute."""
    stated = replace(PLAIN, requests_per_s=2.567, cv_interarrival=13.15, idle_share=0.2105)
    found = made(stated, duration_s=30 * DAY_S)
    assert found.gap_cv() == pytest.approx(13.15, rel=0.05)
    assert (found.counts(60, 30 * DAY_S) == 0).mean() == pytest.approx(0.2105, rel=0.06)
    assert len(found.arrival_s) / (30 * DAY_S) == pytest.approx(2.567, rel=0.03)


def test_bursts_have_their_ratio_and_their_stays() -> None:
    bursts = Bursts(ratio=4.0, busy_s=600.0, quiet_s=5400.0)
    found = made(replace(shaped(bursts=bursts), requests_per_s=5.0), duration_s=30 * DAY_S)
    per_minute = found.counts(60, 30 * DAY_S)
    busy = per_minute > 600  # quiet: 300 x (6000 - 4 x 600) / 5400 = 200 a minute; busy: 1200
    assert bursts.quiet_ratio == pytest.approx(2 / 3)
    assert busy.mean() == pytest.approx(0.1, abs=0.015)
    assert np.median(per_minute[busy]) == pytest.approx(1200, rel=0.03)
    assert np.median(per_minute[~busy]) == pytest.approx(200, rel=0.03)
    switches = np.diff(busy.astype(int)) == 1
    assert busy.sum() / switches.sum() == pytest.approx(10, rel=0.2)  # minutes of a burst


def test_pauses_off_the_grid() -> None:
    found = made(replace(shaped(pauses=Pauses(share=0.4, mean_s=120.0)), requests_per_s=20.0), duration_s=20 * DAY_S)
    gaps = np.diff(found.arrival_s)
    pauses = gaps[gaps > 2.0]  # at 33 a second while active, no gap of 2 s is by chance
    assert pauses.sum() / (20 * DAY_S) == pytest.approx(0.4, rel=0.05)
    assert (pauses - 2.0).mean() == pytest.approx(120.0, rel=0.05)  # the exponential forgets


def test_a_day_and_a_week() -> None:
    hours = RateSeries(bin_s=3600.0, rates=tuple(1.0 + hour for hour in range(24)))
    days = RateSeries(bin_s=DAY_S, rates=(1, 1, 1, 1, 1, 0, 0))
    found = made(replace(shaped(profiles=(hours, days)), requests_per_s=3.0), duration_s=7 * DAY_S)
    by_hour = found.counts(3600, 7 * DAY_S).reshape(7, 24)
    assert by_hour[5:].sum() == 0
    expected = np.arange(1, 25) / np.arange(1, 25).mean() * 3.0 * 3600 * 7 / 5
    assert by_hour[:5].mean(axis=0) == pytest.approx(expected, rel=0.05)


@settings(max_examples=8, deadline=None)
@given(peak=st.floats(1.05, 100), hours=st.sampled_from([24.0, 12.0, 8.0]))
@example(peak=2.0, hours=12.0)
@example(peak=7.0, hours=24.0)
@example(peak=5.0, hours=9.0)
def test_stated_peaks_and_office_hours(peak: float, hours: float) -> None:
    stated = replace(PLAIN, requests_per_s=10.0, peak_to_mean=peak, hours_per_day=hours)
    found = made(stated, duration_s=7 * DAY_S)
    by_hour = found.counts(3600, 7 * DAY_S)
    expected = max(peak, 24 / hours)
    assert by_hour.max() / by_hour.mean() == pytest.approx(expected, rel=0.06)
    assert by_hour.mean() == pytest.approx(10.0 * 3600, rel=0.02)
    if hours < 24:
        # they may begin and end within an hour
        assert (by_hour == 0).mean() >= 1 - hours / 24 - 1 / 24 - 0.01


def test_a_rate_series_repeats_and_keeps_the_mean() -> None:
    series = RateSeries(bin_s=100.0, rates=(0.0, 1.0, 3.0))
    found = made(replace(shaped(profiles=(series,)), requests_per_s=10.0), duration_s=30_000)
    counts = found.counts(100, 30_000).reshape(100, 3).sum(axis=0)
    assert counts == pytest.approx([0, 75_000, 225_000], rel=0.02)


@settings(max_examples=5, deadline=None)
@given(share=st.floats(0.05, 0.8), prefixes=st.integers(1, 50))
def test_shared_prefixes(share: float, prefixes: int) -> None:
    found = made(replace(PLAIN, prefix_share=share, prefixes=prefixes), requests=10_000)
    assert found.prefix_hit_share() == pytest.approx(share, rel=0.05, abs=0.005)
    first = {run.prefixes.of(row)[:1] for run in found.runs if run.prefixes for row in range(len(run))}
    assert len(first - {()}) == prefixes


@settings(max_examples=5, deadline=None)
@given(share=st.floats(0.1, 0.7))
def test_conversations_hold_their_history(share: float) -> None:
    stated = replace(PLAIN, requests_per_s=1.0, prefix_share=share, prefixes=0)
    found = made(stated, requests=40_000)
    assert found.prefix_hit_share() == pytest.approx(share, rel=0.08)
    assert found.input_tokens.mean() == pytest.approx(2047.8, rel=0.06)
    assert 40_000 / found.arrival_s[-1] == pytest.approx(1.0, rel=0.04)
    assert (np.diff(found.arrival_s) >= 0).all()


def test_a_conversation_turn_by_turn() -> None:
    """First prompts of 1,000 tokens, 200 more each turn after answers of 100: 1000, 1300, 1600, ..."""
    talk = Sessions(turns=4.0, think_s=50.0, first=Lengths.fixed(1000), added=Lengths.fixed(200))
    stated = Workload(
        requests_per_s=2.0,
        input_tokens=Lengths(mean=1900),
        output_tokens=Lengths.fixed(100),
        traffic=TrafficShape(sessions=talk, prefix=SharedPrefix(prefixes=1, tokens=512)),
    )
    found = made(stated, duration_s=40_000)
    assert ((found.input_tokens - 1000) % 300 == 0).all()
    turn = (found.input_tokens - 1000) // 300 + 1
    assert (turn == 1).mean() == pytest.approx(1 / 4, abs=0.01)
    assert turn.mean() == pytest.approx(4.0, rel=0.05)  # of requests, not of conversations
    assert found.input_tokens.mean() == pytest.approx(1900, rel=0.05)
    times: dict[int, list[tuple[float, int]]] = {}
    for run in found.runs:
        assert run.prefixes is not None
        blocks = 512 // run.prefixes.block_tokens
        for row in range(len(run)):
            ids = run.prefixes.of(row)
            assert ids[:blocks] == found.runs[0].prefixes.of(0)[:blocks]  # type: ignore[union-attr]
            if len(ids) > blocks:
                times.setdefault(ids[blocks], []).append((float(run.arrival_s[row]), int(run.input_tokens[row])))
    assert all([tokens for _, tokens in talk] == sorted(tokens for _, tokens in talk) for talk in times.values())
    thinks = [b[0] - a[0] for talk in times.values() for a, b in pairwise(talk)]
    assert np.mean(thinks) == pytest.approx(50.0, rel=0.05)


def test_conversations_are_under_way_when_the_traffic_starts() -> None:
    talk = Sessions(turns=8.0, think_s=300.0, first=Lengths.fixed(10), added=Lengths.fixed(10))
    found = made(replace(PLAIN, requests_per_s=10.0, traffic=TrafficShape(sessions=talk)), duration_s=20_000)
    counts = found.counts(2_000, 20_000)
    assert counts == pytest.approx(np.full(10, 20_000), rel=0.15)


def test_late_turns_are_there_from_the_start() -> None:
    """Few turns far apart: the first minutes have as many second and third turns as later ones, 1 - 1 / 1.5 in all."""
    talk = Sessions(turns=1.5, think_s=300.0, first=Lengths.fixed(1000), added=Lengths.fixed(1000))
    found = made(replace(PLAIN, requests_per_s=50.0, traffic=TrafficShape(sessions=talk)), duration_s=2_000)
    later = found.input_tokens > 1000
    assert later[found.arrival_s < 100].mean() == pytest.approx(1 / 3, rel=0.06)
    assert later.mean() == pytest.approx(1 / 3, rel=0.03)
    assert (found.input_tokens > 3000).mean() == pytest.approx(1 / 9, rel=0.12)  # the third turn or a later one


def test_tenants_have_their_weights_and_a_prefix_each() -> None:
    shape = TrafficShape(tenant_weights=(6, 3, 1))
    found = made(replace(PLAIN, tenants=3, prefix_share=0.3, traffic=shape), requests=50_000)
    tenants = np.concatenate([run.tenant for run in found.runs if run.tenant is not None])
    assert np.bincount(tenants) / 50_000 == pytest.approx([0.6, 0.3, 0.1], abs=0.01)
    first = {
        (int(run.tenant[row]), run.prefixes.of(row)[0])
        for run in found.runs
        for row in range(len(run))
        if run.tenant is not None and run.prefixes is not None and run.prefixes.of(row)
    }
    assert len(first) == 3
    alike = made(replace(PLAIN, tenants=4), requests=50_000)
    assert np.bincount(np.concatenate([run.tenant for run in alike.runs])) == pytest.approx([12_500] * 4, rel=0.05)


EVERYTHING = Workload(
    requests_per_s=3.0,
    input_tokens=CODE_IN,
    output_tokens=CODE_OUT,
    tenants=3,
    traffic=TrafficShape(
        arrivals=Arrivals(
            gap_cv=2.0,
            profiles=(RateSeries(bin_s=3600.0, rates=(1.0, 2.0, 3.0)),),
            bursts=Bursts(ratio=3.0, busy_s=60.0, quiet_s=240.0),
            pauses=Pauses(share=0.2, mean_s=100.0),
        ),
        sessions=Sessions(turns=3.0, think_s=30.0),
        prefix=SharedPrefix(prefixes=5, tokens=100),
    ),
)


@pytest.mark.parametrize("workload", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_the_seed_alone_decides(workload: Workload) -> None:
    found = made(workload, seed=5, requests=150_000)
    assert found.bytes == made(workload, seed=5, requests=150_000).bytes
    assert found.bytes != made(workload, seed=6, requests=150_000).bytes
    assert all(len(run) <= 65_536 for run in found.runs)
    fewer = made(workload, seed=5, requests=40_000)
    assert (fewer.arrival_s == found.arrival_s[:40_000]).all()
    assert (fewer.input_tokens == found.input_tokens[:40_000]).all()
    until = float(found.arrival_s[100_000])
    assert len(made(workload, seed=5, requests=150_000, duration_s=until).arrival_s) == 100_000


def test_scaling_the_rate_changes_nothing_else() -> None:
    arrivals = replace(EVERYTHING.traffic.arrivals, gap_cv=1.0)  # type: ignore[union-attr, type-var]
    stated = replace(PLAIN, traffic=TrafficShape(arrivals=arrivals))
    slow, fast = (made(stated, seed=3, duration_s=5 * DAY_S, rate_scale=scale) for scale in (1.0, 4.0))
    assert len(fast.arrival_s) / len(slow.arrival_s) == pytest.approx(4.0, rel=0.01)
    shared = min(len(slow.arrival_s), len(fast.arrival_s))
    assert (slow.input_tokens[:shared] == fast.input_tokens[:shared]).all()
    assert (slow.output_tokens[:shared] == fast.output_tokens[:shared]).all()
    hours = [found.counts(3600, 5 * DAY_S) / len(found.arrival_s) for found in (slow, fast)]
    assert hours[0] == pytest.approx(hours[1], rel=0.1)  # busy at the same times


def test_a_context_that_is_stated_is_the_longest_request() -> None:
    found = made(replace(PLAIN, context_tokens=3000), requests=50_000)
    assert (found.input_tokens + found.output_tokens).max() == 3000
    assert found.output_tokens.min() == 1


def test_what_cannot_be_generated_is_said() -> None:
    with pytest.raises(UsageError, match="neither a number of requests nor a duration"):
        generate(PLAIN, seed=1)
    with pytest.raises(UsageError, match="states no rate"):
        generate(replace(PLAIN, requests_per_s=None, concurrency=4), seed=1, requests=1)
    with pytest.raises(UsageError, match="factor above 0"):
        generate(PLAIN, seed=1, requests=1, rate_scale=0.0)
    answers = Lengths.fixed(5000)
    with pytest.raises(UsageError, match="cannot hold a history"):
        generate(replace(PLAIN, output_tokens=answers, prefix_share=0.5, prefixes=0), seed=1, requests=1)
    with pytest.raises(UsageError, match="busiest hour"):
        shape_of(replace(PLAIN, peak_to_mean=167.0))


def test_no_requests_in_no_time() -> None:
    assert sum(map(len, generate(PLAIN, seed=1, duration_s=0.0))) == 0
    assert sum(map(len, generate(EVERYTHING, seed=1, requests=0))) == 0
    assert whole(generate(PLAIN, seed=1, requests=1)).arrival_s.shape == (1,)

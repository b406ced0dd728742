"""Workloads fitted to traces generate traffic that looks like them; the packaged ones against published figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmplan.simulate.traffic import describe, fitted, generate
from llmplan.simulate.traffic.dispersion import Swing, bursts_of, dispersion, fitted_swing
from llmplan.spec.catalog import Catalog
from llmplan.spec.traffic import Arrivals, Bursts, Pauses, RateSeries, TrafficShape
from llmplan.spec.traffic_statistics import TrafficStatistics
from llmplan.spec.workload import Lengths, Workload
from simulate.traffic_columns import made

HOUR_S, DAY_S = 3600.0, 86_400.0
PLAIN = Workload(requests_per_s=3.0, input_tokens=Lengths.fixed(100), output_tokens=Lengths.fixed(10))


def test_dispersion_is_that_of_generated_traffic() -> None:
    """The closed form against counts: pauses and bursts, alone and together."""
    pauses, bursts = Pauses(share=0.4, mean_s=80.0), Bursts(ratio=3.0, busy_s=10.0, quiet_s=40.0)
    for arrivals, swings in (
        (Arrivals(pauses=pauses), (Swing.of_pauses(pauses),)),
        (Arrivals(bursts=bursts), (Swing.of_bursts(bursts),)),
        (Arrivals(pauses=pauses, bursts=bursts), (Swing.of_pauses(pauses), Swing.of_bursts(bursts))),
    ):
        found = made(replace(PLAIN, traffic=TrafficShape(arrivals=arrivals)), duration_s=20 * DAY_S)
        for bin_s in (1.0, 10.0, 60.0):
            counts = found.counts(bin_s, 20 * DAY_S)
            assert counts.var() / counts.mean() == pytest.approx(dispersion(3.0, bin_s, swings), rel=0.08)


def test_a_swing_is_found_again() -> None:
    swing = Swing(variance=0.8, decay_per_s=0.05)
    found = fitted_swing(2.0, {t: dispersion(2.0, t, (swing,)) for t in (10.0, 60.0)}, ())
    assert found is not None
    assert found.variance == pytest.approx(0.8, rel=0.15)
    assert found.decay_per_s == pytest.approx(0.05, rel=0.3)
    assert fitted_swing(2.0, {60.0: 1.01}, ()) is None
    for ratio in (1.0, 2.0, 5.0):
        again = Swing.of_bursts(bursts_of(swing, ratio))
        assert (again.variance, again.decay_per_s) == (pytest.approx(0.8), pytest.approx(0.05))


def of_seeds(workload: Workload, duration_s: float, seeds: int = 12) -> list[TrafficStatistics]:
    return [describe(generate(workload, seed=seed, duration_s=duration_s)) for seed in range(seeds)]


def peak_minute(found: list[TrafficStatistics]) -> float:
    return float(np.mean([each.bins[60.0].peak_to_mean for each in found]))


def test_azure_code_generates_traffic_like_its_trace(catalog: Catalog) -> None:
    """The trace has 2.567 requests/s, CV 13.15, 21.05 % idle minutes, dispersion 13.2, 71.6 and 164 in 1, 10 and 60 s,
    and in its 57 minutes a peak of 4.18; prompts 1469/5187/7303/7436, answers 13/55/90/251."""
    found = describe(generate(catalog.workloads["azure-code"], seed=1, duration_s=20 * DAY_S))
    assert found.requests_per_s == pytest.approx(2.567, rel=0.03)
    assert found.gap_cv == pytest.approx(13.15, rel=0.06)
    assert found.bins[60.0].idle_share == pytest.approx(0.2105, abs=0.02)
    for bin_s, stated in ((1.0, 13.2), (10.0, 71.6), (60.0, 164.0)):
        assert found.bins[bin_s].dispersion == pytest.approx(stated, rel=0.1)
    assert peak_minute(of_seeds(catalog.workloads["azure-code"], 3436.0)) == pytest.approx(4.18, rel=0.12)
    prompts, answers = found.input_tokens, found.output_tokens
    assert [prompts.p50, prompts.p90, prompts.p95, prompts.p99] == pytest.approx([1469, 5187, 7303, 7436], rel=0.02)
    assert [answers.p50, answers.p90, answers.p95, answers.p99] == pytest.approx([13, 55, 90, 251], rel=0.04)
    assert (prompts.mean, answers.mean) == (pytest.approx(2047.8, rel=0.01), pytest.approx(27.9, rel=0.03))


def test_azure_conversation_generates_traffic_like_its_trace(catalog: Catalog) -> None:
    """The trace: 5.53 requests/s, CV 1.094, no idle minute, dispersion 16.1 in a minute, a peak minute of 1.52."""
    workload = catalog.workloads["azure-conversation"]
    found = describe(generate(workload, seed=1, duration_s=10 * DAY_S))
    assert found.requests_per_s == pytest.approx(5.53, rel=0.02)
    assert found.gap_cv == pytest.approx(1.094, rel=0.02)
    assert found.bins[60.0].idle_share == 0
    assert found.bins[60.0].dispersion == pytest.approx(16.1, rel=0.1)
    assert peak_minute(of_seeds(workload, 3502.0)) == pytest.approx(1.52, rel=0.06)
    prompts, answers = found.input_tokens, found.output_tokens
    assert [prompts.p50, prompts.p90, prompts.p95, prompts.p99] == pytest.approx([1020, 2734, 4083, 4142], rel=0.01)
    assert [answers.p50, answers.p90, answers.p95, answers.p99] == pytest.approx([129, 424, 451, 601], rel=0.01)


def test_mooncake_generates_conversations_like_its_trace(catalog: Catalog) -> None:
    """The trace: 3.40 requests/s, 37.4 % of the input cached, prompts 6909/27367/85400 with mean 12035."""
    found = describe(generate(catalog.workloads["mooncake-conversation"], seed=1, duration_s=8 * HOUR_S))
    assert found.requests_per_s == pytest.approx(3.40, rel=0.03)
    assert found.prefixes is not None
    assert found.prefixes.hit_share == pytest.approx(0.3736, rel=0.05)
    prompts, answers = found.input_tokens, found.output_tokens
    assert [prompts.p50, prompts.p90, prompts.p99] == pytest.approx([6909, 27367, 85400], rel=0.12)
    assert prompts.mean == pytest.approx(12035, rel=0.06)
    assert [answers.p50, answers.p90, answers.p99] == pytest.approx([350, 597, 1118], rel=0.02)


def test_burstgpt_is_idle_two_hours_in_five(catalog: Catalog) -> None:
    """Its 1,461 hours: 0.2718 requests/s, 40 % of the hours idle, the busiest 34.07 times the mean."""
    found = describe(generate(catalog.workloads["burstgpt-hourly"], seed=1, duration_s=1461 * HOUR_S))
    hours = found.bins[HOUR_S]
    assert found.requests_per_s == pytest.approx(0.2718, rel=0.01)
    assert hours.idle_share == pytest.approx(0.40, abs=0.01)
    assert hours.peak_to_mean == pytest.approx(34.07, rel=0.02)


def test_servegen_follows_the_hours_of_its_trace(catalog: Catalog) -> None:
    """Two weeks at a two-hundredth of the rate: 195.84 requests/s, busiest hour 1.86, prompts 601/2371/5452."""
    found = describe(generate(catalog.workloads["servegen-large"], seed=1, duration_s=14 * DAY_S, rate_scale=1 / 200))
    assert 200 * found.requests_per_s == pytest.approx(195.84, rel=0.01)
    assert found.bins[HOUR_S].peak_to_mean == pytest.approx(1.86, rel=0.08)
    prompts = found.input_tokens
    assert [prompts.p50, prompts.p90, prompts.p99] == pytest.approx([601, 2371, 5452], rel=0.03)


@pytest.mark.parametrize(
    "arrivals",
    [
        Arrivals(),
        Arrivals(gap_cv=0.5),
        Arrivals(gap_cv=2.0),
        Arrivals(pauses=Pauses(share=0.3, mean_s=150.0)),
        Arrivals(bursts=Bursts(ratio=2.5, busy_s=60.0, quiet_s=300.0)),
    ],
    ids=["poisson", "regular", "gamma", "pauses", "bursts"],
)
def test_what_was_generated_is_fitted_and_generated_again(arrivals: Arrivals) -> None:
    shape = TrafficShape(arrivals=arrivals)
    first = describe(generate(replace(PLAIN, traffic=shape), seed=1, duration_s=0.9 * DAY_S))
    workload = fitted(first, workload_id="again", name="again")
    again = describe(generate(workload, seed=2, duration_s=10 * DAY_S))
    assert again.requests_per_s == pytest.approx(first.requests_per_s, rel=0.05)
    assert again.gap_cv == pytest.approx(first.gap_cv, rel=0.15)
    assert again.bins[60.0].idle_share == pytest.approx(first.bins[60.0].idle_share, abs=0.04)
    assert again.bins[60.0].dispersion == pytest.approx(first.bins[60.0].dispersion, rel=0.3)


def test_a_long_trace_keeps_its_hours_and_a_very_long_one_its_week() -> None:
    day = RateSeries(bin_s=HOUR_S, rates=tuple(1.0 + (hour in (9, 10, 11)) * 5 for hour in range(24)))
    stated = replace(PLAIN, requests_per_s=0.5, traffic=TrafficShape(arrivals=Arrivals(profiles=(day,))))
    for days, bins in ((5, 119), (70, 168)):
        first = describe(generate(stated, seed=1, duration_s=days * DAY_S))
        workload = fitted(first, workload_id="long", name="long")
        assert workload.traffic is not None
        assert workload.traffic.arrivals is not None
        (profile,) = workload.traffic.arrivals.profiles
        assert len(profile.rates) == pytest.approx(bins, abs=1)
        busy = np.array(profile.rates[:24])
        assert busy[9:12].min() > 3 * busy[:9].max()
        assert workload.peak_to_mean == pytest.approx(day.peak_to_mean, rel=0.1)

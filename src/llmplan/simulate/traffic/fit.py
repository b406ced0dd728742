"""From the figures of a trace to a workload that generates traffic like it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from llmplan.simulate.traffic.dispersion import Swing, bursts_of, fitted_swing
from llmplan.simulate.traffic.generate import generate
from llmplan.simulate.traffic.shape import pauses_of_gaps
from llmplan.simulate.traffic.statistics import describe
from llmplan.spec.traffic import Arrivals, RateSeries, TrafficShape
from llmplan.spec.traffic_statistics import LengthStatistics, TrafficStatistics
from llmplan.spec.workload import Lengths, Workload
from llmplan.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE

PROFILE_HOURS = 48
"""from which on the hours of a trace are a profile, and not chance"""
MOST_HOURS = 1_500
"""of a profile hour by hour: two months; a longer trace is folded into a week"""
HOURS_PER_WEEK = 168
MOST_TENANTS = 1_000
_TRIED_RATIOS = (1.0, 1.15, 1.3, 1.5, 2.0, 3.0)
"""rates of a burst that are tried, over the least that makes the dispersion"""
_TRIED_REQUESTS = 40_000
_SEEDS = 8
_STEADY_VARIANCE = 0.02
_FORGETS_NEVER_PER_S = 1e-9


def fitted(measured: TrafficStatistics, *, workload_id: str, name: str, rounded_stamps: bool = False) -> Workload:
    """The workload whose steady figures are those measured, and whose traffic through time comes near them.

    `rounded_stamps`: the trace's times are rounded, so that gaps and counts of seconds say nothing about it.
    """
    plain = steady_figures(measured, workload_id=workload_id, name=name, rounded_stamps=rounded_stamps)
    weights = sorted(measured.tenants, key=lambda each: each.tenant)
    shape = TrafficShape(
        input_tokens=measured.input_tokens.histogram,
        output_tokens=measured.output_tokens.histogram,
        tenant_weights=tuple(each.request_share for each in weights) if plain.tenants > 1 else (),
    )
    return replace(plain, traffic=replace(shape, arrivals=fitted_arrivals(plain, measured, rounded_stamps)))


def steady_figures(
    measured: TrafficStatistics, *, workload_id: str, name: str, rounded_stamps: bool = False
) -> Workload:
    """The workload whose steady figures are those measured, and of whose traffic through time no more is known."""
    minutes, hours = measured.bins.get(SECONDS_PER_MINUTE), measured.bins.get(SECONDS_PER_HOUR)
    busiest = hours if hours is not None and hours.bins > 1 else minutes
    prefixes = measured.prefixes
    return Workload(
        id=workload_id,
        name=name,
        requests_per_s=measured.requests_per_s,
        input_tokens=_lengths(measured.input_tokens),
        output_tokens=_lengths(measured.output_tokens),
        peak_to_mean=max(1.0, busiest.peak_to_mean) if busiest is not None else 1.0,
        cv_interarrival=1.0 if rounded_stamps or measured.gap_cv is None else measured.gap_cv,
        idle_share=None if minutes is None else minutes.idle_share,
        prefix_share=0.0 if prefixes is None else prefixes.hit_share,
        prefixes=None if prefixes is None else 0,
        tenants=len(measured.tenants) if 1 < len(measured.tenants) <= MOST_TENANTS else 1,
    )


def fitted_arrivals(plain: Workload, measured: TrafficStatistics, rounded_stamps: bool = False) -> Arrivals:
    """Hours of a long trace as a profile; pauses from idle minutes and gaps; bursts for what dispersion is left.

    The dispersion fixes how strongly and how fast the rate swings, not how high a burst is: of several heights, each
    tried with a few seeds, that is taken whose gaps, idle minutes and peak minute come nearest.
    """
    profile = hourly_profile(measured.hourly_requests)
    arrivals = Arrivals(profiles=() if profile is None else (profile,))
    swings = [] if profile is None else [Swing(variance=_variance(profile), decay_per_s=_FORGETS_NEVER_PER_S)]
    pauses = None if profile is not None or rounded_stamps else pauses_of_gaps(plain)
    if pauses is not None:
        arrivals = replace(arrivals, pauses=pauses)
        swings.append(Swing.of_pauses(pauses))
    wanted = (SECONDS_PER_MINUTE, 600.0) if rounded_stamps else (10.0, SECONDS_PER_MINUTE)
    dispersions = {t: each.dispersion for t, each in measured.bins.items() if t in wanted and each.bins > 4}
    swing = fitted_swing(measured.requests_per_s, dispersions, tuple(swings))
    if swing is not None and swing.variance > _STEADY_VARIANCE:
        arrivals = _with_bursts(plain, measured, arrivals, swing)
    if pauses is None and profile is None and not rounded_stamps and measured.gap_cv is not None:
        cvs = [each.gap_cv or 1.0 for each in _tries(plain, arrivals, measured.duration_s)]
        if cvs:
            arrivals = replace(arrivals, gap_cv=min(5.0, max(0.05, measured.gap_cv / (sum(cvs) / len(cvs)))))
    return arrivals


def hourly_profile(requests: tuple[int, ...]) -> RateSeries | None:
    """Requests of each hour as a profile, those of more than two months as a mean week; None if the trace is short."""
    if len(requests) < PROFILE_HOURS or not any(requests):
        return None
    if len(requests) <= MOST_HOURS:
        return RateSeries(bin_s=SECONDS_PER_HOUR, rates=tuple(map(float, requests)))
    weeks = [requests[hour::HOURS_PER_WEEK] for hour in range(HOURS_PER_WEEK)]
    return RateSeries(bin_s=SECONDS_PER_HOUR, rates=tuple(sum(each) / len(each) for each in weeks))


def _with_bursts(plain: Workload, measured: TrafficStatistics, arrivals: Arrivals, swing: Swing) -> Arrivals:
    tried = [replace(arrivals, bursts=bursts_of(swing, (1 + swing.variance) * over)) for over in _TRIED_RATIOS]
    if arrivals.profiles:
        return tried[len(tried) // 2]
    return min(tried, key=lambda each: _misfit(plain, each, measured))


def _misfit(plain: Workload, arrivals: Arrivals, measured: TrafficStatistics) -> float:
    """How far the peak minute, idle minutes and gaps of generated traffic are from those measured."""
    made = list(_tries(plain, arrivals, measured.duration_s))
    if not made:
        return math.inf
    minute = SECONDS_PER_MINUTE
    found = 0.0
    if minute in measured.bins and all(minute in each.bins for each in made):
        peak = sum(each.bins[minute].peak_to_mean for each in made) / len(made)
        idle = sum(each.bins[minute].idle_share for each in made) / len(made)
        found += math.log(peak / measured.bins[minute].peak_to_mean) ** 2
        found += (5 * (idle - measured.bins[minute].idle_share)) ** 2
    if plain.cv_interarrival > 0:
        cv = sum(each.gap_cv or 1.0 for each in made) / len(made)
        found += math.log(cv / plain.cv_interarrival) ** 2
    return found


def _tries(plain: Workload, arrivals: Arrivals, duration_s: float) -> Iterator[TrafficStatistics]:
    """Figures of a few short pieces of traffic, as long as the trace where that is not too many requests."""
    bare = replace(
        plain,
        input_tokens=Lengths.fixed(1),
        output_tokens=Lengths.fixed(1),
        prefix_share=0.0,
        tenants=1,
        traffic=TrafficShape(arrivals=arrivals),
    )
    long_s = min(duration_s, _TRIED_REQUESTS / (plain.requests_per_s or 1.0))
    for seed in range(_SEEDS):
        runs = [run for run in generate(bare, seed=seed, duration_s=long_s) if len(run)]
        if sum(map(len, runs)) > 2:
            yield describe(runs)


def _variance(profile: RateSeries) -> float:
    mean = profile.mean
    return math.fsum((rate / mean - 1) ** 2 for rate in profile.rates) / len(profile.rates)


def _lengths(measured: LengthStatistics) -> Lengths:
    return Lengths(mean=measured.mean, p50=measured.p50, p90=measured.p90, p99=measured.p99)

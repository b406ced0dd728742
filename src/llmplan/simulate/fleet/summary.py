"""What a run came to: latencies, promises, counts, replicas."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from llmplan.plan.simulated import ReplicaLife, Simulated, Spread, TenantOutcome
from llmplan.simulate.fleet.columns import Columns, Flags, Kept
from llmplan.simulate.fleet.fleet import Fleet
from llmplan.simulate.fleet.series import between_s, series_of
from llmplan.spec.requests import Floats, Integers
from llmplan.spec.workload import Slo

MOST_TENANTS = 1000


def summarize(fleet: Fleet, slo: Slo, *, gpus: int = 1, period_s: float | None = None) -> Simulated:
    """What a fleet's run came to, be it finished or stopped.

    fleet: as it is now; slo: promises, against which each request is held; gpus: of one replica; period_s [s]: the time
    that the traffic stands for, where that is longer than it took to serve; a run that was stopped stands for its own.
    """
    columns = Columns.of(fleet.log, np.array(fleet.replica_of, dtype=np.int64), _known_until_s(fleet))
    answered, kept = columns.answered, Kept.of(columns, slo)
    span_s = max(_span_s(fleet, columns), period_s or 0.0) if fleet.finished else _span_s(fleet, columns)
    per_s = 1.0 / span_s if span_s > 0 else 0.0
    lives = tuple(_lives(fleet))
    return Simulated(
        span_s=span_s,
        finished=fleet.finished,
        requests=len(columns.arrival_s),
        answered=int(answered.sum()),
        refused=dict(fleet.refusals),
        unfinished=int((~answered & ~columns.refused).sum()),
        input_tokens=int(columns.input_tokens[answered].sum()),
        output_tokens=int(columns.output_tokens[answered].sum()),
        ttft_s=spread(columns.ttft_s[answered]),
        tpot_s=spread(columns.tpot_s[answered & ~np.isnan(columns.tpot_s)]),
        e2e_s=spread(columns.e2e_s[answered]),
        wait_s=spread(columns.slot_s[answered] - columns.arrival_s[answered]),
        attainment=kept.attainment(max(1, int(answered.sum() + columns.refused.sum()))),
        goodput_requests_per_s=int(kept.joint.sum()) * per_s,
        requests_per_s=int(answered.sum()) * per_s,
        output_tokens_per_s=int(columns.output_tokens[answered].sum()) * per_s,
        mean_in_system=_in_flight_s(columns, span_s) * per_s,
        utilization=_utilization(lives, span_s),
        kv_peak=fleet.crew.sampler.kv_peak,
        prefix_hit_share=_hit_share(fleet.log.cached_tokens, fleet.log.computed_tokens),
        cold=sum(fleet.cold),
        retries=fleet.retries,
        preemptions=fleet.log.preemptions,
        lives=lives,
        series=series_of(fleet.crew.sampler, lives, span_s, gpus, columns, kept.joint),
        tenants=tuple(_tenants(columns, kept.joint)),
    )


def spread(values: Floats) -> Spread | None:
    """Mean and percentiles; None of nothing.

    values [s]: by request.
    Percentiles interpolate linearly between order statistics (R. Hyndman, Y. Fan, Sample Quantiles (1996), type 7).

    >>> spread(np.array([1.0, 2.0, 3.0, 4.0])).p50
    2.5
    """
    if not len(values):
        return None
    p50, p95, p99 = np.percentile(values, (50.0, 95.0, 99.0)).tolist()
    return Spread(mean=float(values.mean()), p50=p50, p95=p95, p99=p99)


def _known_until_s(fleet: Fleet) -> float:
    """A run that was stopped knows no later ends, though some may be computed already."""
    return math.inf if fleet.finished else fleet.now_s


def _span_s(fleet: Fleet, columns: Columns) -> float:
    """From the start to the last arrival or end, or to where a run was stopped."""
    latest = [columns.arrival_s, columns.done_s[columns.answered]]
    return max(0.0 if fleet.finished else fleet.now_s, *(float(times.max(initial=0.0)) for times in latest))


def _in_flight_s(columns: Columns, span_s: float) -> float:
    """Requests in flight x time: the integral of a step function that rises at arrivals and falls at ends [s]."""
    there = ~columns.refused
    return float(between_s(columns.arrival_s[there], columns.done_s[there], np.array([span_s]))[0])


def _utilization(lives: tuple[ReplicaLife, ...], span_s: float) -> float:
    """Computing time over ready time."""
    ready_s = math.fsum(
        max(0.0, (span_s if life.stopped_s is None else life.stopped_s) - life.ready_s)
        for life in lives
        if life.ready_s is not None
    )
    return math.fsum(life.busy_s for life in lives) / ready_s if ready_s > 0 else 0.0


def _hit_share(cached: int, computed: int) -> float:
    """Prompt tokens that a cache had, of all that were admitted."""
    return cached / (cached + computed) if cached else 0.0


def _lives(fleet: Fleet) -> Iterator[ReplicaLife]:
    """The lives so far; of a step that was under way at the end, only what came before counts as busy."""
    for each in fleet.crew.all:
        end_s = _known_until_s(fleet) if each.stopped_s is None else each.stopped_s
        after_s = max(0.0, each.engine.now_s - end_s) if each.run is not None else 0.0
        yield ReplicaLife(
            launched_s=each.launched_s,
            ready_s=each.ready_s,
            draining_s=each.draining_s,
            stopped_s=each.stopped_s,
            cause=each.cause,
            busy_s=max(0.0, each.busy_s - after_s),
        )


def _tenants(columns: Columns, kept: Flags) -> Iterator[TenantOutcome]:
    """Each tenant, where there are several: those with the most requests, if there are very many."""
    names, counts = np.unique(columns.tenant, return_counts=True)
    if len(names) < 2:
        return
    order = np.argsort(columns.tenant, kind="stable")
    ends = np.cumsum(counts)
    for place in sorted(np.argsort(-counts, kind="stable")[:MOST_TENANTS].tolist()):
        yield _tenant(int(names[place]), order[ends[place] - counts[place] : ends[place]], columns, kept)


def _tenant(name: int, rows: Integers, columns: Columns, kept: Flags) -> TenantOutcome:
    answered = rows[columns.answered[rows]]
    settled = len(answered) + int(columns.refused[rows].sum())
    found = [spread(values[answered]) for values in (columns.ttft_s, columns.e2e_s)]
    tpot_s = columns.tpot_s[answered]
    paced = spread(tpot_s[~np.isnan(tpot_s)])
    ttft, e2e = (None if each is None else each.p95 for each in found)
    return TenantOutcome(
        tenant=name,
        requests=len(rows),
        ttft_p95_s=ttft,
        tpot_p95_s=None if paced is None else paced.p95,
        e2e_p95_s=e2e,
        attainment=int(kept[rows].sum()) / max(1, settled),
    )

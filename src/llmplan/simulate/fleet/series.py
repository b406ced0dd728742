"""A run over time: exact means over bins, from the times of events; only the pools are sampled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from llmplan.plan.simulated import ReplicaLife, Series
from llmplan.simulate.fleet.columns import Columns, Flags
from llmplan.simulate.fleet.sampler import Sampler
from llmplan.spec.requests import Floats

MOST_BINS = 500


def between_s(begins_s: Floats, ends_s: Floats, edges_s: Floats) -> Floats:
    """Time spent between beginnings and ends up to each edge, all together [s].

    begins_s, ends_s [s]: of intervals, in any order; edges_s [s].
    sum over intervals of min(t, end) - min(t, begin). Valid where each end comes after its beginning; an infinite one
    has not come. Reference: none needed.

    >>> between_s(np.array([0.0, 1.0]), np.array([2.0, math.inf]), np.array([1.0, 3.0])).tolist()
    [1.0, 4.0]
    """
    return _capped(ends_s, edges_s) - _capped(begins_s, edges_s)


def _capped(times_s: Floats, edges_s: Floats) -> Floats:
    """Sum of min(time, edge), for each edge."""
    finite = np.sort(times_s[np.isfinite(times_s)])
    sums = np.concatenate(([0.0], np.cumsum(finite)))
    before = np.searchsorted(finite, edges_s, side="right")
    result: Floats = sums[before] + edges_s * (len(times_s) - before)
    return result


def series_of(
    sampler: Sampler, lives: Sequence[ReplicaLife], span_s: float, gpus: int, columns: Columns, kept: Flags
) -> Series:
    """The run in at most `MOST_BINS` bins, each a whole number of the sampler's.

    sampler: pools; lives: replicas of `gpus` GPUs each; span_s [s]: of the run; columns, kept: requests, and which of
    them were answered within all promises.
    """
    if span_s <= 0:
        return Series(bin_s=sampler.width_s)
    each = max(1, math.ceil(span_s / sampler.width_s / MOST_BINS))
    width_s = each * sampler.width_s
    count = max(1, math.ceil(span_s / width_s - 1e-9))
    edges_s = np.minimum(np.arange(count + 1) * width_s, span_s)
    lengths_s = np.maximum(np.diff(edges_s), 1e-300)
    there = ~columns.refused
    arrival_s, slot_s, done_s = (times[there] for times in (columns.arrival_s, columns.slot_s, columns.done_s))

    def mean(begins: Floats, ends: Floats) -> Floats:
        result: Floats = np.maximum(0.0, np.diff(between_s(begins, ends, edges_s))) / lengths_s
        return result

    came = np.histogram(columns.arrival_s, _closed(edges_s))[0]
    good = np.histogram(columns.arrival_s[kept], _closed(edges_s))[0]
    launched, ready, closed, gone = _life_times(lives)
    serving = mean(ready, gone)
    return Series(
        bin_s=width_s,
        arrivals_per_s=_listed(came / lengths_s),
        waiting=_listed(mean(arrival_s, np.minimum(slot_s, done_s))),
        running=_listed(mean(np.minimum(slot_s, done_s), done_s)),
        kv_share=_listed(_pools(sampler, each, count) / np.maximum(serving, 1.0)),
        ready=_listed(mean(ready, closed)),
        starting=_listed(mean(launched, np.minimum(ready, gone))),
        billed_gpu_s=_listed(between_s(launched, gone, edges_s[1:]) * gpus),
        attainment=tuple(int(g) / int(c) if c else None for g, c in zip(good, came, strict=True)),
    )


def _closed(edges_s: Floats) -> Floats:
    """The last bin takes what comes at its end or after."""
    return np.concatenate((edges_s[:-1], [math.inf]))


def _life_times(lives: Sequence[ReplicaLife]) -> tuple[Floats, Floats, Floats, Floats]:
    """Launch, readiness, the end of taking requests and the end of each replica [s]; infinite where it never came."""

    def column(times: Iterable[float | None]) -> Floats:
        return np.array([math.inf if time is None else time for time in times], dtype=np.float64)

    gone = column(life.stopped_s for life in lives)
    ready = np.minimum(column(life.ready_s for life in lives), gone)
    closed = np.maximum(ready, np.minimum(column(life.draining_s for life in lives), gone))
    return column(life.launched_s for life in lives), ready, closed, gone


def _pools(sampler: Sampler, each: int, count: int) -> Floats:
    """Pool shares of all replicas together, as a mean over the samples of each bin."""
    sums = np.zeros(each * count)
    seen = np.array(sampler.kv_sum[: each * count])
    sums[: len(seen)] = seen
    result: Floats = sums.reshape(count, each).mean(axis=1)
    return result


def _listed(values: Floats) -> tuple[float, ...]:
    return tuple(values.tolist())

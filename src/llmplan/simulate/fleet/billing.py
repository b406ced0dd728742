"""Seconds that are billed for replicas that came and went, by each seller's rules, life by life."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmplan.plan.simulated import ReplicaLife, Simulated
from llmplan.plan.usage import ServerlessUsage
from llmplan.spec.price import ServerlessOffer
from llmplan.units import SECONDS_PER_MONTH

_ROUNDING = 1e-9


def life_s(life: ReplicaLife, span_s: float, *, bills_start: bool) -> float:
    """Time for which a replica is billed before anything is rounded.

    life [s]: launch, readiness and end; span_s [s]: of the run, at which one that is still there is cut off;
    bills_start: whether the time before it is ready counts.
    end - launch, or end - readiness; the idle window before the end is part of it. Reference: the platforms' pricing
    pages as cited by each offer.

    >>> life_s(ReplicaLife(launched_s=10, ready_s=60, stopped_s=100), 500, bills_start=False)
    40
    """
    begin = life.launched_s if bills_start else life.ready_s
    end = span_s if life.stopped_s is None else life.stopped_s
    return 0.0 if begin is None else max(0.0, end - begin)


def billed_s(life: ReplicaLife, span_s: float, offer: ServerlessOffer) -> float:
    """Time that a platform bills for one worker.

    life, span_s [s]: as for `life_s`; offer: its rules.
    max(least time, granularity x ceil(life / granularity)); a worker that is still there at the end of the run, as one
    that is kept warm, is not rounded. Valid for workers billed one by one. Reference: as for `life_s`.
    """
    seconds = life_s(life, span_s, bills_start=offer.bills_start)
    if life.stopped_s is None:
        return seconds
    grain = offer.granularity_s
    rounded = math.ceil(seconds / grain - _ROUNDING) * grain if grain else seconds
    return max(rounded, offer.min_billed_s or 0.0)


def serverless_usage(run: Simulated, offer: ServerlessOffer, cold_start_s: float) -> ServerlessUsage:
    """A run as one platform bills it, scaled to a month of 730 hours of the same.

    run: the lives of its workers; offer: the platform's rules; cold_start_s [s]: of a worker.
    busy = computing time, idle = ready time - busy, starting = readiness - launch; rounding = billed - (busy + idle +
    starting, if that is billed). Reference: as for `life_s`.
    """
    lives, span_s = run.lives, run.span_s
    scale = SECONDS_PER_MONTH / span_s if span_s > 0 else 0.0
    starting_s = math.fsum(_starting_s(life, span_s) for life in lives)
    on_s = math.fsum(life_s(life, span_s, bills_start=False) for life in lives)
    busy_s = min(on_s, math.fsum(life.busy_s for life in lives))
    total_s = math.fsum(billed_s(life, span_s, offer) for life in lives)
    exact_s = on_s + (starting_s if offer.bills_start else 0.0)
    return ServerlessUsage(
        mean_running_replicas=(on_s + starting_s) / span_s if span_s > 0 else 0.0,
        peak_replicas=run.peak_replicas,
        billed_replica_s_per_month=total_s * scale,
        busy_replica_s_per_month=busy_s * scale,
        idle_replica_s_per_month=(on_s - busy_s) * scale,
        starting_replica_s_per_month=starting_s * scale,
        cold_start_s=cold_start_s,
        cold_request_share=run.cold_share,
        starts_per_month=sum(_was_started(life) for life in lives) * scale,
        rounding_replica_s_per_month=max(0.0, total_s - exact_s) * scale,
    )


def rented_s(lives: Sequence[ReplicaLife], span_s: float) -> float:
    """Time for which machines by the hour are rented while replicas are on them.

    lives [s]: of the replicas, each on a machine of its own; span_s [s]: of the run.
    sum of ceil(end - launch), by the second. Sellers who bill whole hours or minutes charge more: no row of the price
    book states its rounding. Reference: AWS EC2 and Google Compute Engine bill Linux machines by the second.

    >>> rented_s([ReplicaLife(launched_s=0.5, ready_s=60.0, stopped_s=100.0), ReplicaLife(launched_s=0.0)], 200.0)
    300
    """
    return sum(math.ceil(life_s(life, span_s, bills_start=True) - _ROUNDING) for life in lives)


def _starting_s(life: ReplicaLife, span_s: float) -> float:
    """From its launch to readiness, or to its end before that."""
    ends = [time for time in (life.ready_s, life.stopped_s) if time is not None]
    return max(0.0, min(ends, default=span_s) - life.launched_s)


def _was_started(life: ReplicaLife) -> bool:
    """Not one that was there from the beginning."""
    return life.ready_s is None or life.ready_s > 0.0

"""How many replicas meet the demand at the SLO, or why no number does."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from llmplan import perf
from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget, Rejection
from llmplan.plan.promise import Promise
from llmplan.planner.context import Context
from llmplan.planner.promises import closeness, promises_of, relax
from llmplan.planner.running import Running
from llmplan.spec.workload import Slo
from llmplan.strategies._replica import longest_request_tokens

MAX_REPLICAS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """A fleet: replicas that carry the peak, spares on top, and the speed of one of them at the peak."""

    active: int
    spare: int
    estimate: Estimate
    per_replica_requests_per_s: float
    slo_requests_per_s: float
    """what one replica takes at most within the SLO and the utilization limit"""

    @property
    def replicas(self) -> int:
        """All replicas."""
        return self.active + self.spare


def size(
    deployment: Deployment, replica: Replica, memory: MemoryBudget, running: Running, context: Context
) -> Sized | Rejection:
    """The smallest fleet that carries the demand within the SLO and the utilization limit."""
    if context.demand.concurrency is not None:
        return _for_concurrency(deployment, replica, memory, running, context)
    return _for_rate(deployment, replica, memory, running, context)


def _for_rate(
    deployment: Deployment, replica: Replica, memory: MemoryBudget, running: Running, context: Context
) -> Sized | Rejection:
    peak = context.demand.peak_requests_per_s
    assert peak is not None
    found = perf.highest_rate(
        running.prepared, memory, context.demand.shape, context.slo, context.limits.max_utilization
    )
    if found.requests_per_s <= 0:
        promises = _unloaded(running, context)
        if found.limited_by == "kv":
            return _pool_too_small(deployment, found.reason, closeness(promises))
        return misses_slo(deployment, found.reason, promises)
    active = active_for(peak, found.requests_per_s)
    sized = _within_hardware(deployment, replica, running, context, active, needed=f"{peak:.3g} requests/s at the peak")
    return sized if isinstance(sized, Rejection) else replace(sized, slo_requests_per_s=found.requests_per_s)


def _for_concurrency(
    deployment: Deployment, replica: Replica, memory: MemoryBudget, running: Running, context: Context
) -> Sized | Rejection:
    users = context.demand.concurrency
    assert users is not None
    per_replica = min(float(replica.settings.max_num_seqs), _requests_in_pool(memory, context))
    if per_replica < 1:
        return _pool_too_small(deployment, "the KV pool does not hold one request", per_replica)
    low = max(1, math.ceil(users / per_replica - 1e-9))
    high = max(low, math.ceil(users))
    best = _speed(running, context, high)
    misses = slo_misses(best, context.slo, context.demand.shape)
    if misses:
        return misses_slo(deployment, misses[0], promises_of(best, context.slo, context.demand.shape))
    while low < high:
        middle = (low + high) // 2
        if slo_misses(_speed(running, context, middle), context.slo, context.demand.shape):
            low = middle + 1
        else:
            high = middle
    return _within_hardware(deployment, replica, running, context, low, needed=f"{users:g} requests in flight")


def _within_hardware(
    deployment: Deployment, replica: Replica, running: Running, context: Context, active: int, *, needed: str
) -> Sized | Rejection:
    ceiling = most_replicas(deployment, replica, context)
    if active > ceiling:
        return Rejection(
            strategy=deployment.strategy,
            reason="not enough GPUs for the demand",
            needed=f"{active} replicas ({replica.parallel.describe()}) for {needed}",
            available=f"{ceiling} of them",
            fix="lower the demand, relax the SLO, or allow more GPUs",
            deployment=deployment,
            code="too_few_gpus",
            closeness=ceiling / active,
        )
    spare = spares_for(active, ceiling, context)
    load = context.demand.on_replicas(active)
    estimate = running.under(load)
    rate = estimate.requests_per_s.mid if load.kind == "concurrency" else load.value
    return Sized(
        active=active, spare=spare, estimate=estimate, per_replica_requests_per_s=rate, slo_requests_per_s=rate
    )


def active_for(peak_per_s: float, per_replica_per_s: float) -> int:
    """Replicas that carry a peak [1/s], each up to what it takes [1/s]."""
    return max(1, math.ceil(peak_per_s / per_replica_per_s - 1e-9))


def spares_for(active: int, ceiling: int, context: Context) -> int:
    """Replicas on top of a fleet of two or more, as far as there is room."""
    return min(context.limits.spare_replicas, ceiling - active) if active > 1 else 0


def most_replicas(deployment: Deployment, replica: Replica, context: Context) -> int:
    """Replicas that the hardware at hand and the limits leave room for."""
    limits = [MAX_REPLICAS]
    if deployment.max_replicas is not None:
        limits.append(deployment.max_replicas)
    if context.limits.max_gpus is not None:
        limits.append(context.limits.max_gpus // replica.parallel.gpus)
    return min(limits)


def _speed(running: Running, context: Context, replicas: int) -> Estimate:
    load = context.demand.on_replicas(replicas)
    return running.under(replace(load, value=max(1.0, load.value)))


def _requests_in_pool(memory: MemoryBudget, context: Context) -> float:
    """Requests of the longest length that fit the pool at once: beyond that the engine preempts."""
    return memory.room.requests(longest_request_tokens(context.workload))


def slo_misses(estimate: Estimate, slo: Slo, load: Load) -> list[str]:
    """Each promise that the estimate breaks, as `what is > what was promised`."""
    misses = [promise.miss for promise in promises_of(estimate, slo, load) if promise.broken]
    if estimate.saturated and not slo.is_empty:
        misses.append("the replica is saturated at this load")
    return misses


def _unloaded(running: Running, context: Context) -> tuple[Promise, ...]:
    """The promises beside what an idle replica does."""
    idle = replace(context.demand.shape, kind="rate", value=0.0)
    return promises_of(running.under(idle), context.slo, idle)


def misses_slo(deployment: Deployment, reason: str, promises: tuple[Promise, ...]) -> Rejection:
    """Too slow for what was promised."""
    fix = relax(promises)
    return Rejection(
        strategy=deployment.strategy,
        reason=reason,
        fix=f"{fix}, or allow faster GPUs" if fix else "allow faster GPUs",
        deployment=deployment,
        code="misses_slo",
        closeness=closeness(promises),
    )


def _pool_too_small(deployment: Deployment, reason: str, near: float) -> Rejection:
    """Not one request fits: no promise helps."""
    return Rejection(
        strategy=deployment.strategy,
        reason=reason,
        fix="shorten the requests, or allow GPUs with more memory",
        deployment=deployment,
        code="misses_slo",
        closeness=min(1.0, max(0.0, near)),
    )

"""Machines by the hour, or one's own: the smallest fleet that keeps its promises on the trace."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmplan import perf
from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import Estimate, MemoryBudget, Option, Outcome, Quote, Rejection
from llmplan.plan.replay import Played, Replay
from llmplan.plan.simulated import Simulated
from llmplan.planner.ceiling import within_budget
from llmplan.planner.context import Context
from llmplan.planner.evaluate import fleet_notes, physics_of, rented, replica_key
from llmplan.planner.over_time.per_second import Workshop
from llmplan.planner.over_time.stage import Actor, Stage, keeps, misses, played
from llmplan.planner.size import Sized, most_replicas
from llmplan.simulate.fleet import FleetSpec, Keda
from llmplan.simulate.traffic.recorded import Recorded
from llmplan.units import SECONDS_PER_HOUR, format_seconds

MOST_DOUBLINGS = 8
"""beyond so many times the planned fleet more replicas do not help: one alone is too slow"""
MORE_TRIES = 3
"""replicas added one by one where the whole trace needs more than its busiest hour"""
NEARLY_FULL = 0.95
"""of its capacity: where a steady state is shown of a replica that its busiest hour overruns for a while"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """The least number of replicas that keeps the promises, and how it did on the whole trace."""

    active: int
    found: Simulated
    kept: bool


def replayed(option: Option, context: Context, stage: Stage) -> tuple[Outcome, Replay]:
    """The option with as many replicas as the trace asks for, priced anew; or why no number of them is enough."""
    replica, memory = option.deployment.replica, option.memory
    assert replica is not None
    assert memory is not None
    actor = Actor.of(replica, memory, context)
    planned = option.deployment.replicas or 1
    most = most_replicas(option.deployment, replica, context)
    label = option.deployment.strategy.replace("_", " ")
    spare = context.limits.spare_replicas
    first = max(1, planned - spare)
    sizing = stage.once(
        (replica_key(replica), most), lambda: least(actor, stage, stage.trace, label, first=first, most=most)
    )
    if not sizing.kept:
        return _refused(option, sizing, stage, context), Replay(
            taken=_taken(sizing, 0, None, stage), planned_replicas=planned
        )
    spare = min(spare, most - sizing.active) if sizing.active > 1 else 0
    fleet = replace(option.deployment, replicas=sizing.active + spare)
    quote = rented(fleet, memory, context.workload, context, carrying=sizing.active)
    if isinstance(quote, Rejection):
        return quote, Replay(taken=_taken(sizing, spare, None, stage), planned_replicas=planned)
    taken = _banded(_taken(sizing, spare, quote.usd_per_month, stage), actor, sizing, stage, label)
    others = (
        *_scaled(option, actor, sizing, stage, context, label, beside_usd=quote.beside_usd_per_month),
        *_fair(option, actor, sizing, taken, stage),
        *_apart(option, actor, stage, context, label, once_usd=quote.usd_per_month - quote.fleet_usd_per_month),
    )
    estimate = _at_the_busiest(replica, memory, sizing.active, context, stage)
    rate = stage.busiest.mean_requests_per_s / sizing.active
    sized = Sized(
        active=sizing.active, spare=spare, estimate=estimate, per_replica_requests_per_s=rate, slo_requests_per_s=rate
    )
    again = replace(
        option, deployment=fleet, estimate=estimate, quote=quote, meets_slo=True, notes=_notes(option, sized, context)
    )
    return within_budget(again, context), Replay(taken=taken, others=others, planned_replicas=planned)


def least(actor: Actor, stage: Stage, trace: Recorded, label: str, *, first: int, most: int) -> Sizing:
    """The smallest number of replicas that keeps the promises in the busiest hour, then over the whole trace.

    first: where to begin; most: that there may be. Doubling until it is enough, then bisection: attainment grows with
    the number of replicas.
    """
    hour = trace.between(*trace.busiest(SECONDS_PER_HOUR))

    def enough(replicas: int) -> bool:
        what = f"{label}: {replicas} replica{'s' if replicas > 1 else ''}"
        return actor.keeps(FleetSpec(replicas=replicas, router=actor.router(hour)), hour, stage, what)

    low, high = 0, min(first, most)
    for _ in range(MOST_DOUBLINGS):
        if enough(high):
            break
        if high >= most:
            return Sizing(active=high, found=_whole(actor, stage, trace, label, high), kept=False)
        low, high = high, min(most, 2 * high)
    else:
        return Sizing(active=high, found=_whole(actor, stage, trace, label, high), kept=False)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    found = _whole(actor, stage, trace, label, high)
    for _ in range(MORE_TRIES):
        if keeps(found, stage.slo) or high >= most:
            break
        high += 1
        found = _whole(actor, stage, trace, label, high)
    return Sizing(active=high, found=found, kept=keeps(found, stage.slo))


def _whole(actor: Actor, stage: Stage, trace: Recorded, label: str, replicas: int) -> Simulated:
    spec = FleetSpec(replicas=replicas, router=actor.router(trace))
    return actor.play(spec, trace, stage, f"{label}: {replicas} on the whole trace")[1]


def _rent(option: Option, fleet: Deployment, context: Context) -> Quote | Rejection:
    assert option.memory is not None
    return rented(fleet, option.memory, context.workload, context)


def _at_the_busiest(replica: Replica, memory: MemoryBudget, active: int, context: Context, stage: Stage) -> Estimate:
    """The steady state of one replica at the mean rate of the busiest hour."""
    load = replace(context.demand.shape, kind="rate", value=stage.busiest.mean_requests_per_s / active)
    found = perf.estimate(replica, memory, load, context.calibration(replica))
    if not found.saturated:
        return found
    below = replace(load, value=NEARLY_FULL * found.capacity_requests_per_s)
    return perf.estimate(replica, memory, below, context.calibration(replica))


def _taken(sizing: Sizing, spare: int, usd_per_month: float | None, stage: Stage) -> Played:
    words = f"{sizing.active} replica{'s' if sizing.active > 1 else ''}"
    words += f" and {spare} spare" if spare else ""
    return played(words, sizing.found, stage.slo, kept=sizing.kept, usd_per_month=usd_per_month)


def _banded(run: Played, actor: Actor, sizing: Sizing, stage: Stage, label: str) -> Played:
    """With the ends of its band, which another strategy with the same fleet may have found already."""
    spec = FleetSpec(replicas=sizing.active, router=actor.router(stage.trace))
    found = stage.once(("band", id(sizing)), lambda: actor.banded(run, spec, stage.trace, stage, label))
    return replace(found, fleet=run.fleet, usd_per_month=run.usd_per_month)


def _notes(option: Option, sized: Sized, context: Context) -> tuple[str, ...]:
    """What is to be known of the fleet that the trace asks for, instead of the one that was planned."""
    replica = option.deployment.replica
    assert replica is not None
    before = physics_of(option.deployment, replica, context)
    planned = before[2] if not isinstance(before, Rejection) else sized
    others = [note for note in option.notes if note not in fleet_notes(replica, planned)]
    changed = [] if sized.replicas == planned.replicas else [f"the steady state had asked for {planned.replicas}"]
    return (*fleet_notes(replica, sized), *changed, *others)


def _refused(option: Option, sizing: Sizing, stage: Stage, context: Context) -> Rejection:
    broken = misses(sizing.found, stage.slo)
    reason = (
        f"{sizing.active} replicas keep {sizing.found.attainment.joint:.1%} of the trace's requests within the promise"
    )
    if broken:
        name, came_s, promised_s = broken[0]
        reason = (
            f"on the trace {name} is {format_seconds(came_s)} with {sizing.active} replicas, asked for "
            f"{format_seconds(promised_s)}"
        )
    return Rejection(
        strategy=option.deployment.strategy,
        reason=reason,
        fix="relax the promise, or allow faster GPUs or more of them",
        deployment=replace(option.deployment, replicas=sizing.active),
        code="misses_slo",
        closeness=sizing.found.attainment.joint,
    )


def _scaled(
    option: Option,
    actor: Actor,
    sizing: Sizing,
    stage: Stage,
    context: Context,
    label: str,
    *,
    beside_usd: float,
) -> Iterator[Played]:
    """The same fleet with an autoscaler on requests in flight, where there is something to scale and rent to save.
    What the fleet costs beside its machines (`beside_usd` a month) stays."""
    if option.deployment.purchase.kind != "hourly" or sizing.active < 2:
        return
    shop = Workshop.of(option, context)
    if shop is None:
        return
    start_s, slots = shop.start_s, shop.slots
    policy = Keda(metric="in_flight", target=slots, min_replicas=1, max_replicas=min(shop.most, 2 * sizing.active))
    spec = FleetSpec(replicas=1, router=actor.router(stage.trace), start_s=start_s, autoscaler=policy)
    what = f"{label}: autoscaled"
    found = stage.once(("scaled", id(sizing)), lambda: actor.play(spec, stage.trace, stage, what)[1])
    one = _rent(option, one_flexible(option.deployment), context)
    words = (
        f"1 to {found.peak_replicas} replicas by requests in flight (target {slots:.3g} each, start "
        f"{format_seconds(start_s)})"
    )
    run = played(words, found, stage.slo, kept=True, usd_per_month=None)
    if isinstance(one, Quote) and one.complete:
        machines_usd = one.usd_per_month - one.beside_usd_per_month
        run = replace(run, usd_per_month=machines_usd * run.mean_replicas + beside_usd)
    yield run


def one_flexible(deployment: Deployment) -> Deployment:
    """One replica that can be given back at any time."""
    terms = tuple(term for term in deployment.purchase.terms if term == "on-demand")
    return replace(deployment, replicas=1, purchase=replace(deployment.purchase, terms=terms or ("on-demand",)))


def _fair(option: Option, actor: Actor, sizing: Sizing, taken: Played, stage: Stage) -> Iterator[Played]:
    """The same fleet with tenants taking turns in the queue, in place of first come first served."""
    if option.deployment.strategy != "multi_tenant" or len(stage.trace.tenants) < 2:
        return
    fair = replace(actor, rules=replace(actor.rules, fair_share=True))
    spec = FleetSpec(replicas=sizing.active, router=actor.router(stage.trace))
    found = fair.play(spec, stage.trace, stage, "multi tenant: fair share")[1]
    yield played(f"{taken.fleet}, tenants taking turns", found, stage.slo, kept=True, usd_per_month=taken.usd_per_month)


MOST_TENANTS_APART = 12
"""tenants whose own deployments are simulated; the money of the others is that of the smallest of these"""


def _apart(
    option: Option, actor: Actor, stage: Stage, context: Context, label: str, *, once_usd: float
) -> Iterator[Played]:
    """One deployment for each tenant, each with its own requests only: what isolation costs, and what it brings.
    `once_usd` a month: what comes once however many fleets there are."""
    tenants = stage.trace.tenants
    if option.deployment.strategy != "multi_tenant" or len(tenants) < 2:
        return
    replica, sizings = option.deployment.replica, []
    assert replica is not None
    most = most_replicas(option.deployment, replica, context)
    for tenant in tenants[:MOST_TENANTS_APART]:
        own = stage.trace.of_tenant(tenant)
        sizings.append(least(actor, stage, own, f"{label}: tenant {tenant} alone", first=1, most=most))
    more = len(tenants) - len(sizings)
    replicas = [each.active for each in sizings] + [sizings[-1].active] * more
    quotes = [_rent(option, replace(option.deployment, replicas=count), context) for count in replicas]
    known = [each.fleet_usd_per_month for each in quotes if isinstance(each, Quote) and each.complete]
    worst = [each.found.ttft_s.p95 for each in sizings if each.found.ttft_s is not None]
    served = sum(each.found.answered for each in sizings)
    yield Played(
        fleet=f"one deployment for each of {len(tenants)} tenants",
        keeps=all(each.kept for each in sizings),
        kept_share=sum(each.found.attainment.joint * each.found.answered for each in sizings) / max(1, served),
        ttft_s=None,
        tpot_s=None,
        e2e_s=None,
        utilization=math.fsum(each.found.utilization * each.active for each in sizings) / sum(replicas[: len(sizings)]),
        mean_replicas=float(sum(replicas)),
        peak_replicas=sum(replicas),
        usd_per_month=math.fsum((*known, once_usd)) if len(known) == len(quotes) else None,
        worst_tenant_ttft_p95_s=max(worst, default=None),
    )

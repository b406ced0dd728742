"""GPUs side by side for one workload: the least each costs at all, what a unit of work costs on it, and which wins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from llmplan.plan.comparisons import GpuValue
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.planner.comparisons.base import by_the_machine, machine_label, options_of, source_of
from llmplan.planner.comparisons.break_even import full_usd_per_mtok
from llmplan.planner.comparisons.machines import Machines
from llmplan.planner.context import Context
from llmplan.planner.market import build_market
from llmplan.planner.order import best_of, offloads
from llmplan.planner.quality import WITHIN_LIMIT, quality_class
from llmplan.planner.recommend import restricted_to_gpu
from llmplan.planner.search import search
from llmplan.spec.model import ModelSpec
from llmplan.strategies import STRATEGIES

FLEETS = (1, 2, 3, 4, 6, 8, 12, 16)
"""replicas among which the cheapest full fleet is looked for: one without a spare, up to a machine or two"""
ALONE = next(strategy for strategy in STRATEGIES if strategy.id == "dedicated")
WinsBy: TypeAlias = Literal["floor", "work per dollar", "both"]


def gpu_values(plan: Plan, model: ModelSpec, gpu_ids: Sequence[str], context: Context) -> tuple[GpuValue, ...]:
    """Every GPU of the plan, the named ones, and the reference, cheapest at this load first.

    The reference is the first of `gpu_ids` that can do it; without one, the GPU with the most memory bandwidth.
    """
    if context.limits.inventory is not None:
        return ()
    known = _known(plan)
    for gpu_id in dict.fromkeys((*gpu_ids, *known)):
        held = known.get(gpu_id, [])
        known[gpu_id] = _fair(held, context) or list(_searched(gpu_id, model, context)) or held
    found = {gpu_id: value for gpu_id, options in known.items() if (value := _value(gpu_id, options, context))}
    if not found:
        return ()
    named = next((gpu_id for gpu_id in gpu_ids if gpu_id in found), None)
    against = found[named or max(found, key=lambda gpu_id: (_bandwidth(known[gpu_id]), gpu_id))]
    judged = (each if each is against else _judged(each, against) for each in found.values())
    return tuple(sorted(judged, key=lambda each: (each.usd_per_month, each.gpu_id)))


def _known(plan: Plan) -> dict[str, list[Option]]:
    """The plan's machines by GPU."""
    known: dict[str, list[Option]] = defaultdict(list)
    for option in (*options_of(plan).values(), *plan.alternatives):
        if by_the_machine(option) and option.deployment.replica is not None:
            known[option.deployment.replica.gpu.id].append(option)
    return dict(known)


def _fair(options: Sequence[Option], context: Context) -> list[Option]:
    """Those within the quality limit that hold the model in the GPUs: what may be compared by money."""
    return [
        option
        for option in options
        if not offloads(option) and quality_class(option.deployment, context.catalog, context.limits) == WITHIN_LIMIT
    ]


def _searched(gpu_id: str, model: ModelSpec, context: Context) -> Iterator[Option]:
    """What the dedicated strategy finds on one GPU."""
    asked = restricted_to_gpu(context.question, gpu_id)
    alone = replace(context, question=asked)
    yield from search(ALONE, build_market(asked, context.catalog, model), alone).options


def _value(gpu_id: str, options: Iterable[Option], context: Context) -> GpuValue | None:
    best = best_of(list(options), context)
    best_fleet = Machines.of(best, context) if best is not None else None
    if best is None or best_fleet is None:
        return None
    fleets = [fleet for option in options if (fleet := Machines.of(option, context)) is not None]
    replicas = best.deployment.replicas or 1
    return GpuValue(
        gpu_id=gpu_id,
        what=f"{machine_label(best)}, {best_fleet.replica.weights.id}",
        replicas=replicas,
        usd_per_month=best.quote.usd_per_month,
        floor_usd_per_month=min(fleet.usd_per_month(0.0) for fleet in fleets),
        usd_per_mtok_full=min(full_usd_per_mtok(fleet, FLEETS) for fleet in fleets),
        utilization=_mean_rate(best, context) / (replicas * best_fleet.saturation_per_s),
        seller=source_of(best.quote),
    )


def _mean_rate(option: Option, context: Context) -> float:
    """The traffic's rate, or the one that users in a closed loop reach [1/s]."""
    if context.workload.requests_per_s is not None:
        return context.workload.requests_per_s
    active = (option.deployment.replicas or 1) - context.limits.spare_replicas
    return option.estimate.requests_per_s.mid * max(1, active) if option.estimate is not None else 0.0


def _bandwidth(options: Sequence[Option]) -> float:
    replica = options[0].deployment.replica
    return replica.gpu.memory_bandwidth_bytes_per_s if replica is not None else 0.0


def _judged(value: GpuValue, against: GpuValue) -> GpuValue:
    """What makes it cheaper than the reference, if it is."""
    return replace(value, against=against.gpu_id, wins_by=wins_by(value, against))


def wins_by(value: GpuValue, against: GpuValue) -> WinsBy | None:
    """Whether the lower bill comes of a lower floor or of more work per dollar; None where it is not lower.

    value, against: two GPUs for the same workload [USD/month, USD/Mtok].
    The floor is what one replica costs however little it does, work per dollar what a token costs when all are full.
    Valid for bills of one question. Reference: docs/how-it-works/comparisons.md.
    """
    if value.usd_per_month >= against.usd_per_month:
        return None
    floor = value.floor_usd_per_month < against.floor_usd_per_month
    work = value.usd_per_mtok_full < against.usd_per_mtok_full
    if floor and work:
        return "both"
    if work:
        return "work per dollar"
    return "floor" if floor else None

"""A deployment whose every step takes longer or shorter than predicted, and what it then costs."""

from __future__ import annotations

from dataclasses import replace

from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import Option, Outcome, Rejection
from llmplan.planner.comparisons.base import asked_again, by_the_machine, unsized
from llmplan.planner.comparisons.seconds import Seconds
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate
from llmplan.planner.evaluate import by_the_machine as bought
from llmplan.planner.evaluate import physics_of
from llmplan.planner.serverless import billed, fleet_of
from llmplan.planner.size import Sized
from llmplan.spec.calibration import ResidualBand
from llmplan.spec.workload import Slo


def band_of(replica: Replica, context: Context) -> ResidualBand:
    """The 80 % band of measured over predicted step times that applies to a replica."""
    return context.calibration(replica).for_model(is_moe=replica.model.is_moe).bands["tpot"]


def slower(context: Context, pace: float) -> Context:
    """The question as a replica would see it whose clock runs `pace` times as fast as ours.

    A replica whose every step takes s times as long serves r requests a second as this one serves s x r: the same
    queue, in time stretched by s. So its promise is the promise / s, and its load s times the load.
    Exact for everything that the engine does; a start and an idle window are not stretched. Reference: none.
    """
    work, slo = context.workload, context.slo
    rate = work.requests_per_s
    return asked_again(
        context,
        work if rate is None else with_rate(work, rate * pace),
        Slo(
            ttft_p95_s=_divided(slo.ttft_p95_s, pace),
            tpot_p95_s=_divided(slo.tpot_p95_s, pace),
            e2e_p95_s=_divided(slo.e2e_p95_s, pace),
        ),
    )


def _divided(value: float | None, by: float) -> float | None:
    return None if value is None else value / by


def at_pace(option: Option, context: Context, pace: float) -> Outcome:
    """The option sized and priced anew if every step took `pace` times as long; an API is what it is."""
    deployment, replica = option.deployment, option.deployment.replica
    if replica is None or pace == 1.0:
        return option
    if by_the_machine(option):
        return _machines(option, unsized(deployment, context), replica, context, pace)
    return _seconds(option, context, pace)


def _machines(option: Option, deployment: Deployment, replica: Replica, context: Context, pace: float) -> Outcome:
    physics = physics_of(deployment, replica, slower(context, pace))
    if isinstance(physics, Rejection):
        return physics
    findings, budget, sized = physics
    true = Sized(
        active=sized.active,
        spare=sized.spare,
        estimate=sized.estimate,
        per_replica_requests_per_s=sized.per_replica_requests_per_s / pace,
        slo_requests_per_s=sized.slo_requests_per_s / pace,
    )
    outcome = bought(deployment, replica, budget, findings, true, context)
    return outcome if isinstance(outcome, Rejection) else replace(outcome, estimate=option.estimate)


def _seconds(option: Option, context: Context, pace: float) -> Outcome:
    """Each request holds its worker longer, and a worker takes fewer; windows and starts stay as they are."""
    seconds, replica = Seconds.of(option, context), option.deployment.replica
    assert replica is not None
    physics = physics_of(unsized(option.deployment, context), replica, slower(context, pace))
    if seconds is None or isinstance(physics, Rejection):
        return physics if isinstance(physics, Rejection) else _unknown(option)
    takes = physics[2].slo_requests_per_s / pace
    sized = replace(seconds.worker.sized, slo_requests_per_s=takes)
    paced = replace(seconds, worker=replace(seconds.worker, sized=sized), pace=pace, warm={})
    rate = context.workload.requests_per_s or takes * physics[2].active
    usage = paced.usage(rate)
    fleet = fleet_of(option.deployment, usage)
    quote = billed(fleet, usage, paced.offer, paced.worker, with_rate(context.workload, rate), context)
    return quote if isinstance(quote, Rejection) else replace(option, deployment=fleet, quote=quote)


def _unknown(option: Option) -> Rejection:
    return Rejection(
        strategy=option.deployment.strategy, reason="the seller of this GPU by the second is no longer listed",
        deployment=option.deployment, code="no_offer",
    )  # fmt: skip

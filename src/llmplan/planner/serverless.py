"""GPUs by the second: each platform's own idle window and start decide what is billed and who waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmplan import pricing
from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import CheckResult, Estimate, MemoryBudget, Option, Outcome, Quote, Rejection
from llmplan.plan.promise import Promise
from llmplan.plan.usage import ServerlessUsage
from llmplan.planner.ceiling import within_budget
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate
from llmplan.planner.order import ALWAYS_ON, firmness
from llmplan.planner.promises import promises_of, relax
from llmplan.planner.quality import quality_of
from llmplan.planner.running import Running
from llmplan.planner.size import Sized, misses_slo, slo_misses
from llmplan.simulate import idle_window_s, scale_to_zero_usage, start_of
from llmplan.spec.price import ServerlessOffer
from llmplan.spec.workload import Slo, Workload
from llmplan.units import HOURS_PER_DAY, SECONDS_PER_HOUR, format_rate, format_seconds

COLD_SHARE_AT_P95 = 0.05
"""A promise at the 95th percentile leaves 5 of 100 requests out: as many may meet a cold worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One replica as a platform would run it, with what is known of its memory, speed and size."""

    replica: Replica
    budget: MemoryBudget
    findings: tuple[CheckResult, ...]
    running: Running
    sized: Sized


def evaluate_per_second(deployment: Deployment, worker: Worker, context: Context) -> Outcome:
    """The cheapest platform for this GPU that meets the SLO; failing that, why the nearest one misses it."""
    start_s = start_seconds(worker.replica, worker.budget)
    if start_s is None:
        return Rejection(
            strategy="serverless",
            reason="no figure known for how fast this platform loads weights, so the cold start is unknown",
            deployment=deployment,
            code="no_cold_start_figure",
        )
    outcomes = list(_on_each_platform(deployment, worker, start_s, context))
    options = [outcome for outcome in outcomes if isinstance(outcome, Option)]
    if options:
        return min(options, key=lambda option: (firmness(option.quote), option.quote.usd_per_month))
    rejections = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    if rejections:
        return max(rejections, key=lambda rejection: rejection.closeness)
    return Rejection(
        strategy="serverless",
        reason=f"nobody within the limits rents {worker.replica.gpu.id} by the second",
        deployment=deployment,
        code="no_offer",
    )


def start_seconds(replica: Replica, budget: MemoryBudget) -> float | None:
    """Cold start of one replica [s]; None where a figure is missing. A new one finds no weights on a local disk."""
    start = start_of(replica, budget.checkpoint_bytes)
    return None if start is None else start.total_s


def _on_each_platform(deployment: Deployment, worker: Worker, start_s: float, context: Context) -> Iterator[Outcome]:
    """What each seller of this GPU comes to."""
    mean_per_s = context.workload.requests_per_s or worker.sized.per_replica_requests_per_s * worker.sized.active
    workload = with_rate(context.workload, mean_per_s)
    active_per_s = mean_per_s / active_share(workload)
    rate = min(active_per_s, worker.sized.slo_requests_per_s)
    load: Load = replace(context.demand.shape, kind="rate", value=rate)
    warm = worker.running.under(load)
    for offer in pricing.serverless_offers(worker.replica.gpu.id, context.limits, context.prices):
        usage = usage_of(offer, worker, warm, workload, start_s, deployment.purchase.keep_warm)
        yield _priced(deployment, worker, warm, usage, offer, workload, context)


def active_share(workload: Workload) -> float:
    """Share of all time in which there is any traffic [-]."""
    return workload.hours_per_day / HOURS_PER_DAY * (1.0 - (workload.idle_share or 0.0))


def active_period_s(workload: Workload) -> float | None:
    """Mean length of a period of traffic [s]: a run of bins that are idle independently of each other, else the
    day's hours, else without end (None)."""
    if workload.idle_share:
        return workload.idle_bin_s / workload.idle_share
    if workload.hours_per_day < HOURS_PER_DAY:
        return workload.hours_per_day * SECONDS_PER_HOUR
    return None


def usage_of(
    offer: ServerlessOffer, worker: Worker, warm: Estimate, workload: Workload, start_s: float, keep_warm: int
) -> ServerlessUsage:
    """How the fleet runs on one platform."""
    assert workload.requests_per_s is not None
    capacity_per_s = max(worker.sized.slo_requests_per_s, 1e-12)
    return scale_to_zero_usage(
        requests_per_s=workload.requests_per_s,
        service_s=warm.e2e_s.mid,
        slots_per_replica=max(1.0, capacity_per_s * warm.e2e_s.mid),
        capacity_requests_per_s=capacity_per_s,
        idle_window_s=idle_window_s(offer),
        cold_start_s=start_s,
        active_share=active_share(workload),
        active_period_s=active_period_s(workload),
        peak_to_mean=workload.peak_to_mean,
        keep_warm=keep_warm,
        bills_start=offer.bills_start,
    )


def _priced(
    deployment: Deployment,
    worker: Worker,
    warm: Estimate,
    usage: ServerlessUsage,
    offer: ServerlessOffer,
    workload: Workload,
    context: Context,
) -> Outcome:
    fleet = fleet_of(deployment, usage)
    too_slow = slo_rejection(fleet, usage, warm, context)
    if too_slow is not None:
        return too_slow
    quote = billed(fleet, usage, offer, worker, workload, context)
    if isinstance(quote, Rejection):
        return replace(quote, strategy="serverless", deployment=fleet)
    option = Option(
        deployment=fleet,
        memory=worker.budget,
        estimate=warm,
        quote=quote,
        quality=quality_of(fleet, context.catalog),
        checks=worker.findings,
        meets_slo=True,
        cold=cold_figures(usage, offer),
        notes=tuple(cold_notes(usage, offer)),
        start_s=usage.cold_start_s,
    )
    return within_budget(option, context)


def fleet_of(deployment: Deployment, usage: ServerlessUsage) -> Deployment:
    """As many workers as run at once at the peak."""
    return replace(deployment, replicas=max(1, usage.peak_replicas))


def billed(
    fleet: Deployment,
    usage: ServerlessUsage,
    offer: ServerlessOffer,
    worker: Worker,
    workload: Workload,
    context: Context,
) -> Quote | Rejection:
    """A month of that use at the seller of the offer."""
    only_this = replace(context.limits, provider_ids=(offer.provider,))
    return pricing.quote(
        fleet, workload, only_this, context.prices, usage=usage, expenses=context.question.expenses,
        checkpoint_bytes=worker.budget.checkpoint_bytes,
    )  # fmt: skip


def slo_rejection(fleet: Deployment, usage: ServerlessUsage, warm: Estimate, context: Context) -> Rejection | None:
    """What breaks the SLO: a warm worker, as in any fleet, else cold starts."""
    misses = slo_misses(warm, context.slo, context.demand.shape)
    if misses:
        return misses_slo(fleet, misses[0], promises_of(warm, context.slo, context.demand.shape))
    broken = [promise for promise in cold_promises(usage, warm, context.slo) if promise.broken]
    if not broken:
        return None
    return Rejection(
        strategy="serverless",
        reason=cold_miss(usage, broken[0]),
        fix=f"keep one worker warm, or {relax(broken)}",
        deployment=fleet,
        code="cold_start",
        closeness=1.0 - usage.cold_request_share,
    )


def cold_promises(usage: ServerlessUsage, warm: Estimate, slo: Slo) -> Iterator[Promise]:
    """The promises beside a request that meets a cold worker [s]; none while 95 of 100 requests meet a warm one."""
    if usage.cold_request_share <= COLD_SHARE_AT_P95:
        return
    if slo.ttft_p95_s is not None:
        wait_s = usage.cold_start_s + warm.ttft_s.mid
        yield Promise(name="TTFT p95", flag="--ttft-p95-ms", predicted_s=wait_s, promised_s=slo.ttft_p95_s)
    if slo.e2e_p95_s is not None:
        total_s = usage.cold_start_s + warm.e2e_s.mid
        yield Promise(name="E2E p95", flag="--e2e-p95-ms", predicted_s=total_s, promised_s=slo.e2e_p95_s)


def cold_miss(usage: ServerlessUsage, promise: Promise) -> str:
    """A promise that cold starts break, in words."""
    takes = "wait" if promise.flag == "--ttft-p95-ms" else "take"
    return (
        f"{usage.cold_request_share:.0%} of requests meet a cold worker and {takes} "
        f"{format_seconds(promise.predicted_s)}; asked for {promise.name} {format_seconds(promise.promised_s)}"
    )


def cold_figures(usage: ServerlessUsage, offer: ServerlessOffer) -> dict[str, float]:
    """What serverless adds to an option, in numbers."""
    return {
        "cold_request_share": usage.cold_request_share,
        "cold_start_s": usage.cold_start_s,
        "idle_window_s": idle_window_s(offer),
        "mean_running_replicas": usage.mean_running_replicas,
        "billed_replica_s_per_month": usage.billed_replica_s_per_month,
        "idle_replica_s_per_month": usage.idle_replica_s_per_month,
        "starts_per_month": usage.starts_per_month,
    }


def cold_notes(usage: ServerlessUsage, offer: ServerlessOffer) -> list[str]:
    """How it runs, in words."""
    running = format_rate(usage.mean_running_replicas)
    notes = [
        f"cold start {format_seconds(usage.cold_start_s)}: {usage.cold_request_share:.1%} of requests meet one",
        f"on average {running} running, with an idle window of {idle_window_s(offer):g} s",
    ]
    if usage.mean_running_replicas >= ALWAYS_ON:
        notes.append("it hardly ever scales to zero: compare with a GPU rented by the hour")
    return notes

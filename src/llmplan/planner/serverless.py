"""GPUs by the second: each platform's own idle window and start decide what is billed and who waits."""

from __future__ import annotations

from dataclasses import replace

from llmplan import perf, pricing
from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import CheckResult, Estimate, MemoryBudget, Option, Outcome, Quote, Rejection
from llmplan.plan.usage import ServerlessUsage
from llmplan.planner.ceiling import within_budget
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate
from llmplan.planner.order import firmness
from llmplan.planner.quality import quality_of
from llmplan.planner.size import Sized, slo_misses, typical_load
from llmplan.simulate import cold_start, scale_to_zero_usage
from llmplan.spec.price import ServerlessOffer
from llmplan.units import format_seconds

CHOSEN_IDLE_WINDOW_S = 60.0
"""Idle window that we set where the platform lets the user choose one, or states none."""
PROVISION_S = 5.0
"""Container with a GPU driver ready, as Cloud Run documents it (2026); other platforms state nothing."""
COLD_SHARE_AT_P95 = 0.05


def evaluate_per_second(
    deployment: Deployment,
    replica: Replica,
    budget: MemoryBudget,
    findings: tuple[CheckResult, ...],
    sized: Sized,
    context: Context,
) -> Outcome:
    """The cheapest platform for this GPU that meets the SLO; failing that the cheapest, with what it misses."""
    start_s = start_seconds(replica, budget)
    if start_s is None:
        return Rejection(
            strategy="serverless",
            reason="no figure known for how fast this platform loads weights, so the cold start is unknown",
            deployment=deployment,
            code="no_cold_start_figure",
        )
    outcomes = [
        _on_platform(offer, deployment, replica, budget, findings, sized, start_s, context)
        for offer in pricing.serverless_offers(replica.gpu.id, context.limits, context.prices)
    ]
    options = [outcome for outcome in outcomes if isinstance(outcome, Option)]
    if options:
        return min(options, key=lambda option: (firmness(option.quote), option.quote.usd_per_month))
    rejections = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    if rejections:
        return max(rejections, key=lambda rejection: rejection.closeness)
    return Rejection(
        strategy="serverless",
        reason=f"nobody within the limits rents {replica.gpu.id} by the second",
        deployment=deployment,
        code="no_offer",
    )


def start_seconds(replica: Replica, budget: MemoryBudget) -> float | None:
    """Cold start of one worker [s]; None where a figure is missing."""
    storage, engine_s = replica.host.storage_bytes_per_s, replica.engine.start_fixed_s
    if storage is None or engine_s is None:
        return None
    return cold_start(
        weight_bytes=budget.checkpoint_bytes,
        storage_bytes_per_s=storage,
        engine_start_s=engine_s,
        provision_s=PROVISION_S,
    ).total_s


def _on_platform(
    offer: ServerlessOffer,
    deployment: Deployment,
    replica: Replica,
    budget: MemoryBudget,
    findings: tuple[CheckResult, ...],
    sized: Sized,
    start_s: float,
    context: Context,
) -> Outcome:
    window_s = offer.idle_window_s if offer.idle_window_s is not None else CHOSEN_IDLE_WINDOW_S
    usage, warm = usage_of(replica, budget, sized, context, offer, window_s, start_s, deployment.purchase.keep_warm)
    misses = cold_misses(usage, warm, context)
    fleet = replace(deployment, replicas=max(1, usage.peak_replicas))
    if misses:
        return Rejection(
            strategy="serverless",
            reason=misses,
            fix="keep one worker warm, or relax --ttft-p95-ms",
            deployment=fleet,
            code="cold_start",
            closeness=1.0 - usage.cold_request_share,
        )
    narrowed = replace(context.limits, provider_ids=(offer.provider,))
    workload = context.workload
    if workload.requests_per_s is None:
        workload = with_rate(workload, warm.requests_per_s.mid)
    quote = pricing.quote(fleet, workload, narrowed, context.prices, usage=usage)
    if isinstance(quote, Rejection):
        return replace(quote, strategy="serverless", deployment=fleet)
    option = _option(fleet, budget, warm, quote, findings, usage, window_s, context)
    return within_budget(option, context)


def usage_of(
    replica: Replica,
    budget: MemoryBudget,
    sized: Sized,
    context: Context,
    offer: ServerlessOffer,
    window_s: float,
    start_s: float,
    keep_warm: int,
) -> tuple[ServerlessUsage, Estimate]:
    """How the fleet runs, and how a request fares on a warm worker."""
    rate = context.workload.requests_per_s or sized.per_replica_requests_per_s * sized.active
    active_share = context.workload.hours_per_day / 24.0 * (1.0 - (context.workload.idle_share or 0.0))
    per_worker = min(rate / active_share, sized.per_replica_requests_per_s)
    warm = perf.estimate(replica, budget, typical_load(context, per_worker), context.calibration(replica))
    service_s = warm.e2e_s.mid
    capacity = max(sized.estimate.capacity_requests_per_s * context.limits.max_utilization, 1e-12)
    usage = scale_to_zero_usage(
        requests_per_s=rate,
        service_s=service_s,
        slots_per_replica=max(1.0, capacity * service_s),
        capacity_requests_per_s=capacity,
        idle_window_s=window_s,
        cold_start_s=start_s,
        active_share=active_share,
        peak_to_mean=context.workload.peak_to_mean,
        keep_warm=keep_warm,
        bills_start=offer.bills_start,
    )
    return usage, warm


def cold_misses(usage: ServerlessUsage, warm: Estimate, context: Context) -> str | None:
    """What the SLO loses to cold starts; None while 95 of 100 requests meet a warm worker."""
    promised = context.slo.ttft_p95_s
    cold_ttft_s = usage.cold_start_s + warm.ttft_s.mid
    if promised is not None and usage.cold_request_share > COLD_SHARE_AT_P95 and cold_ttft_s > promised:
        return (
            f"{usage.cold_request_share:.0%} of requests meet a cold worker and wait {format_seconds(cold_ttft_s)}; "
            f"asked for TTFT p95 {format_seconds(promised)}"
        )
    misses = slo_misses(warm, context.slo)
    return misses[0] if misses else None


def _option(
    fleet: Deployment,
    budget: MemoryBudget,
    warm: Estimate,
    quote: Quote,
    findings: tuple[CheckResult, ...],
    usage: ServerlessUsage,
    window_s: float,
    context: Context,
) -> Option:
    return Option(
        deployment=fleet,
        memory=budget,
        estimate=warm,
        quote=quote,
        quality=quality_of(fleet, context.catalog),
        checks=findings,
        meets_slo=True,
        cold={
            "cold_request_share": usage.cold_request_share,
            "cold_start_s": usage.cold_start_s,
            "idle_window_s": window_s,
            "mean_running_replicas": usage.mean_running_replicas,
            "billed_replica_s_per_month": usage.billed_replica_s_per_month,
            "idle_replica_s_per_month": usage.idle_replica_s_per_month,
            "starts_per_month": usage.starts_per_month,
        },
        notes=tuple(cold_notes(usage, window_s)),
    )


def cold_notes(usage: ServerlessUsage, window_s: float) -> list[str]:
    """How it runs, in words."""
    notes = [
        f"cold start {format_seconds(usage.cold_start_s)}: {usage.cold_request_share:.1%} of requests meet one",
        f"{usage.mean_running_replicas:.2g} workers run on average, with an idle window of {window_s:g} s",
    ]
    if usage.mean_running_replicas >= 0.9:
        notes.append("this traffic never lets it scale to zero: compare with a GPU rented by the hour")
    return notes

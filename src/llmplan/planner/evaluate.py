"""One deployment to its outcome: checks, memory, speed, size, price. The same physics for every strategy."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TypeAlias

from llmplan import checks, memory, pricing
from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import CheckResult, MemoryBudget, Option, Outcome, Quote, Rejection
from llmplan.planner.ceiling import within_budget
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate
from llmplan.planner.quality import FULL_CACHE_BYTES, quality_of
from llmplan.planner.running import Running
from llmplan.planner.serverless import Worker, evaluate_per_second, start_seconds
from llmplan.planner.size import Sized, size
from llmplan.planner.terms import terms_for
from llmplan.spec.workload import Workload

Ready: TypeAlias = tuple[tuple[CheckResult, ...], MemoryBudget, Running]
Physics: TypeAlias = tuple[tuple[CheckResult, ...], MemoryBudget, Running, Sized]


def evaluate(deployment: Deployment, context: Context) -> Outcome:
    """An option with memory, speed and price, or the first reason why not."""
    if deployment.replica is None:
        return hosted_api(deployment, context)
    physics = physics_of(deployment, deployment.replica, context)
    if isinstance(physics, Rejection):
        return replace(physics, strategy=deployment.strategy, deployment=deployment)
    findings, budget, running, sized = physics
    if deployment.purchase.kind == "serverless":
        worker = Worker(replica=deployment.replica, budget=budget, findings=findings, running=running, sized=sized)
        return evaluate_per_second(deployment, worker, context)
    return by_the_machine(deployment, deployment.replica, budget, findings, sized, context)


def physics_of(deployment: Deployment, replica: Replica, context: Context) -> Physics | Rejection:
    """Checks, memory, speed and size: the same for every strategy that proposes the same machines, so done once."""
    key = replica_key(replica)
    if key not in context.ready:
        context.ready[key] = _ready(deployment, replica, context)
    ready: Ready | Rejection = context.ready[key]
    if isinstance(ready, Rejection):
        return ready
    findings, budget, running = ready
    fleet = (key, deployment.max_replicas)
    if fleet not in context.sized:
        context.sized[fleet] = size(deployment, replica, budget, running, context)
    sized: Sized | Rejection = context.sized[fleet]
    return sized if isinstance(sized, Rejection) else (findings, budget, running, sized)


def _ready(deployment: Deployment, replica: Replica, context: Context) -> Ready | Rejection:
    outcome = prepare(deployment, replica)
    if isinstance(outcome, Rejection):
        return outcome
    findings, budget = outcome
    return findings, budget, Running.of(replica, budget, context.demand.shape, context.calibration(replica))


def replica_key(replica: Replica) -> Hashable:
    """What the physics of a replica depends on; tenants matter only through their adapters."""
    host, tenancy = replica.host, replica.tenancy
    return (
        (replica.model.id, replica.gpu.id, replica.gpu.memory_bytes),
        (host.id, host.gpus, host.fast_link_gpus, host.memory_bytes, host.memory_bandwidth_bytes_per_s),
        (replica.engine.ref, replica.parallel, replica.weights, replica.kv.id, replica.settings, replica.offload),
        (tenancy.adapters, tenancy.lora_rank) if tenancy is not None and tenancy.adapters else None,
    )


def prepare(deployment: Deployment, replica: Replica) -> tuple[tuple[CheckResult, ...], MemoryBudget] | Rejection:
    """What the engine would refuse, then what does not fit."""
    if not (replica.gpu.supports("bf16") or replica.gpu.supports("fp16")):
        return Rejection(
            strategy=deployment.strategy,
            reason=f"no 16-bit peak is known for {replica.gpu.id}, so its speed cannot be predicted",
            fix=f"add figures to profiles/gpus/{replica.gpu.id}.yaml",
            deployment=deployment,
            code="no_figure_known",
        )
    findings = checks.run(replica)
    for finding in findings:
        if finding.severity == "error":
            return Rejection(
                strategy=deployment.strategy,
                reason=finding.message,
                fix=finding.fix,
                deployment=deployment,
                code=finding.id,
                closeness=0.0,
            )
    budget = memory.budget(replica)
    if isinstance(budget, Rejection):
        fix = budget.fix.replace("--max-model-len", "--context-tokens")
        return replace(budget, strategy=deployment.strategy, deployment=deployment, fix=fix)
    return findings, budget


def by_the_machine(
    deployment: Deployment,
    replica: Replica,
    budget: MemoryBudget,
    findings: tuple[CheckResult, ...],
    sized: Sized,
    context: Context,
) -> Outcome:
    """Rented by the hour, or owned: the fleet runs all month whether anybody asks or not."""
    workload = context.workload
    purchase = replace(deployment.purchase, terms=terms_for(deployment.purchase, workload, sized.active))
    fleet = replace(deployment, replicas=sized.replicas, purchase=purchase)
    if workload.requests_per_s is None:
        workload = with_rate(workload, sized.per_replica_requests_per_s * sized.active)
    quote = rented(fleet, budget, workload, context, carrying=sized.active)
    if isinstance(quote, Rejection):
        return replace(quote, strategy=deployment.strategy, deployment=fleet)
    option = Option(
        deployment=fleet,
        memory=budget,
        estimate=sized.estimate,
        quote=quote,
        quality=quality_of(deployment, context.catalog),
        checks=findings,
        meets_slo=True,
        notes=fleet_notes(replica, sized),
        start_s=start_seconds(replica, budget),
    )
    return within_budget(option, context)


def rented(
    fleet: Deployment, budget: MemoryBudget, workload: Workload, context: Context, *, carrying: int | None = None
) -> Quote | Rejection:
    """A month of a sized fleet that runs all the time, with the host memory that its replicas need and all that comes
    beside them. `carrying` of its replicas carry the load (None: all), the others are spare."""
    replica = fleet.replica
    return pricing.quote(
        fleet,
        workload,
        context.limits,
        context.prices,
        expenses=context.question.expenses,
        host_bytes=memory.host_bytes_beside(replica, budget) if replica is not None else 0,
        checkpoint_bytes=budget.checkpoint_bytes,
        carrying=carrying,
        replacement_s=start_seconds(replica, budget) if replica is not None else None,
    )


def fleet_notes(replica: Replica, sized: Sized) -> tuple[str, ...]:
    """What to know before signing."""
    notes = []
    if sized.spare:
        notes.append(f"{sized.active} replicas carry the peak, {sized.spare} spare for a failure or a rollout")
    elif sized.replicas == 1:
        notes.append("one replica: no failover (--spare-replicas does not add one to a fleet of one)")
    if sized.estimate.extrapolated:
        notes.append(
            f"no measurements for this engine on {replica.gpu.architecture} with so many sequences at once, all on the "
            "GPU: the speed band is wide"
        )
    if replica.kv.bytes_per_element < FULL_CACHE_BYTES:
        notes.append(f"no quality figure is known for an {replica.kv.id} KV cache")
    return tuple(notes)


def hosted_api(deployment: Deployment, context: Context) -> Outcome:
    """By the token: the price is exact, the latency is stated by nobody."""
    workload = context.workload
    if workload.requests_per_s is None:
        return Rejection(
            strategy=deployment.strategy,
            reason="a hosted API bills tokens, and the question states users but no rate",
            fix="add --requests-per-second",
            deployment=deployment,
            code="no_rate",
            closeness=0.5,
        )
    if workload.adapters:
        return Rejection(
            strategy=deployment.strategy,
            reason="a hosted API serves the base model; no source prices one with adapters of your own",
            needed=f"{workload.adapters} LoRA adapters",
            available="the base model",
            fix="drop --adapters, or serve them yourself",
            deployment=deployment,
            code="adapters",
        )
    expenses = context.question.expenses
    quote = pricing.quote(deployment, workload, context.limits, context.prices, expenses=expenses)
    if isinstance(quote, Rejection):
        return replace(quote, strategy=deployment.strategy, deployment=deployment)
    option = Option(
        deployment=deployment,
        memory=None,
        estimate=None,
        quote=quote,
        quality=None,
        meets_slo=None,
        notes=(
            "no source states this API's latency or rate limit: measure before relying on it",
            "prompts leave your own machines",
        ),
    )
    return within_budget(option, context)

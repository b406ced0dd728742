"""A sized deployment and its traffic -> the bill of a month, or why nobody sells it."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import Quote, QuoteLine, Rejection
from llmplan.plan.usage import ServerlessUsage
from llmplan.pricing.hourly import rent
from llmplan.pricing.owned import owned_lines
from llmplan.pricing.select import Need
from llmplan.pricing.serverless import Worker, cheapest_serverless
from llmplan.pricing.tokens import cheapest_tokens
from llmplan.pricing.volume import monthly_volume
from llmplan.spec.price import PriceBook, Term
from llmplan.spec.workload import Limits, Workload
from llmplan.units import SECONDS_PER_MONTH, to_gib


def quote(
    deployment: Deployment,
    workload: Workload,
    limits: Limits,
    prices: PriceBook,
    *,
    usage: ServerlessUsage | None = None,
    host_bytes: int = 0,
) -> Quote | Rejection:
    """What `deployment` costs per month under `workload`, from the cheapest seller within `limits`.

    Hourly: whole instances for all 730 hours. Serverless: the seconds in `usage` (without it: always on). Tokens: the
    traffic's volume. Owned: electricity, and an open line for the hardware. A rejection names what was not to be had.
    `host_bytes`: memory that each replica needs beside its GPUs, which a rented machine has to have [bytes].
    """
    outcome = _quote(deployment, workload, limits, prices, usage, host_bytes)
    if isinstance(outcome, Rejection):
        return replace(outcome, strategy=deployment.strategy, deployment=deployment)
    return outcome


def _quote(
    deployment: Deployment,
    workload: Workload,
    limits: Limits,
    prices: PriceBook,
    usage: ServerlessUsage | None,
    host_bytes: int,
) -> Quote | Rejection:
    kind = deployment.purchase.kind
    if kind == "tokens":
        return _by_token(deployment, workload, limits, prices)
    replica = _replica(deployment)
    if kind == "hourly":
        return _by_hour(deployment, replica, workload, limits, prices, host_bytes)
    if kind == "serverless":
        return _by_second(deployment, replica, workload, limits, prices, usage)
    if kind == "owned":
        lines = owned_lines(replica.gpu, _replicas(deployment) * replica.parallel.gpus, prices)
        return _bill(lines, (), workload, prices)
    assert_never(kind)


def _by_hour(
    deployment: Deployment, replica: Replica, workload: Workload, limits: Limits, prices: PriceBook, host_bytes: int
) -> Quote | Rejection:
    need = Need(
        gpu_id=replica.gpu.id,
        gpus_per_replica=replica.parallel.gpus,
        replicas=_replicas(deployment),
        node_gpus=replica.host.gpus,
        host_bytes=host_bytes,
    )
    found = rent(need, limits, _terms(deployment, limits), prices)
    return found if isinstance(found, Rejection) else _bill((found[0],), found[1], workload, prices)


def _by_second(
    deployment: Deployment,
    replica: Replica,
    workload: Workload,
    limits: Limits,
    prices: PriceBook,
    usage: ServerlessUsage | None,
) -> Quote | Rejection:
    offload = replica.offload
    gpus = replica.parallel.gpus
    host_bytes = offload.host_weight_bytes * gpus + offload.host_kv_bytes if offload else 0
    worker = Worker(gpu_id=replica.gpu.id, gpus=gpus, host_gib=to_gib(host_bytes))
    if usage is None:
        usage = _always_on(_replicas(deployment))
    found = cheapest_serverless(worker, usage, limits, prices)
    return found if isinstance(found, Rejection) else _bill(found[0], found[1], workload, prices)


def _by_token(deployment: Deployment, workload: Workload, limits: Limits, prices: PriceBook) -> Quote | Rejection:
    found = cheapest_tokens(deployment.model, workload, limits, prices)
    if isinstance(found, Rejection):
        return found
    bill = _bill(found.lines, found.alternatives, workload, prices)
    return replace(
        bill,
        usd_per_mtok_input=found.usd_per_mtok_input,
        usd_per_mtok_output=found.usd_per_mtok_output,
        usd_per_mtok_cached_input=found.usd_per_mtok_cached_input,
    )


def _bill(
    lines: tuple[QuoteLine, ...], alternatives: tuple[QuoteLine, ...], workload: Workload, prices: PriceBook
) -> Quote:
    volume = monthly_volume(workload)
    return Quote(
        lines=lines,
        input_tokens_per_month=volume.input_tokens or 0.0,
        output_tokens_per_month=volume.output_tokens or 0.0,
        as_of=prices.as_of,
        alternatives=alternatives,
        requests_per_month=volume.requests or 0.0,
        tenants=workload.tenants,
    )


def _terms(deployment: Deployment, limits: Limits) -> tuple[Term, ...]:
    """The terms that both the deployment and the limits allow."""
    wanted = deployment.purchase.terms or limits.terms
    return tuple(term for term in wanted if term in limits.terms)


def _replica(deployment: Deployment) -> Replica:
    if deployment.replica is None:
        raise ValueError(f"a deployment paid by {deployment.purchase.kind} needs a replica")
    return deployment.replica


def _replicas(deployment: Deployment) -> int:
    if deployment.replicas is None:
        raise ValueError("only a sized deployment has a price")
    return deployment.replicas


def _always_on(replicas: int) -> ServerlessUsage:
    """Replicas that never scale down: the most that they can cost."""
    seconds = replicas * SECONDS_PER_MONTH
    return ServerlessUsage(
        mean_running_replicas=float(replicas), peak_replicas=replicas, billed_replica_s_per_month=seconds,
        busy_replica_s_per_month=seconds, idle_replica_s_per_month=0.0, starting_replica_s_per_month=0.0,
        cold_start_s=0.0, cold_request_share=0.0, starts_per_month=0.0,
    )  # fmt: skip

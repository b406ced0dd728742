"""A sized deployment and its traffic -> the bill of a month, or why nobody sells it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import Quote, QuoteLine, Rejection
from llmplan.plan.usage import ServerlessUsage
from llmplan.pricing.beside import Beside, beside_owned, beside_tokens
from llmplan.pricing.hourly import rent
from llmplan.pricing.owned import owned_lines
from llmplan.pricing.select import Need
from llmplan.pricing.serverless import Worker, cheapest_serverless
from llmplan.pricing.tokens import cheapest_tokens
from llmplan.pricing.volume import monthly_volume
from llmplan.spec.expenses import Expenses
from llmplan.spec.price import PriceBook, Term
from llmplan.spec.workload import Limits, Workload
from llmplan.units import SECONDS_PER_MONTH, to_gib


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    deployment: Deployment
    workload: Workload
    limits: Limits
    prices: PriceBook
    expenses: Expenses | None
    host_bytes: int
    checkpoint_bytes: int
    carrying: int | None
    replacement_s: float | None

    def beside(self, *, replicas: int) -> Beside | None:
        """What decides about the charges beside so many replicas; None where they are not asked for."""
        if self.expenses is None:
            return None
        return Beside(
            expenses=self.expenses,
            checkpoint_bytes=self.checkpoint_bytes,
            output_tokens=monthly_volume(self.workload).output_tokens or 0.0,
            several=replicas > 1,
        )


def quote(
    deployment: Deployment,
    workload: Workload,
    limits: Limits,
    prices: PriceBook,
    *,
    usage: ServerlessUsage | None = None,
    expenses: Expenses | None = None,
    host_bytes: int = 0,
    checkpoint_bytes: int = 0,
    carrying: int | None = None,
    replacement_s: float | None = None,
) -> Quote | Rejection:
    """What `deployment` costs per month under `workload`, from the seller within `limits` with the lowest total.

    Hourly: whole instances for all 730 hours. Serverless: the seconds in `usage` (without it: always on). Tokens: the
    traffic's volume. Owned: what the hardware comes to per month, as far as it is known, and an open line for the rest.
    `expenses`: with the charges beside what serves (None: the machines, seconds or tokens alone). A rejection names
    what was not to be had.

    Of each replica: `host_bytes` that it needs beside its GPUs [B], `checkpoint_bytes` of the weights as they are
    stored [B], `replacement_s` until another one answers in place of one that is gone (None: not known) [s].
    `carrying` of them carry the load, the others are spare (None: all).
    """
    asked = _Asked(
        deployment=deployment, workload=workload, limits=limits, prices=prices, expenses=expenses,
        host_bytes=host_bytes, checkpoint_bytes=checkpoint_bytes, carrying=carrying, replacement_s=replacement_s,
    )  # fmt: skip
    outcome = _quote(asked, usage)
    if isinstance(outcome, Rejection):
        return replace(outcome, strategy=deployment.strategy, deployment=deployment)
    return outcome


def _quote(asked: _Asked, usage: ServerlessUsage | None) -> Quote | Rejection:
    kind = asked.deployment.purchase.kind
    if kind == "tokens":
        return _by_token(asked)
    replica = _replica(asked.deployment)
    if kind == "hourly":
        return _by_hour(asked, replica)
    if kind == "serverless":
        return _by_second(asked, replica, usage)
    if kind == "owned":
        gpus = _replicas(asked.deployment) * replica.parallel.gpus
        expenses = asked.expenses or Expenses()
        lines = owned_lines(replica.gpu, gpus, asked.prices, expenses.owned)
        more = beside_owned(asked.beside(replicas=asked.deployment.replicas or 1), asked.prices).lines
        return _bill(asked, (*lines, *more), ())
    assert_never(kind)


def _by_hour(asked: _Asked, replica: Replica) -> Quote | Rejection:
    need = Need(
        gpu_id=replica.gpu.id,
        gpus_per_replica=replica.parallel.gpus,
        replicas=_replicas(asked.deployment),
        node_gpus=replica.host.gpus,
        host_bytes=asked.host_bytes,
        carrying=asked.carrying,
        replacement_s=asked.replacement_s,
        interruptions_per_month=asked.expenses.spot_interruptions_per_month if asked.expenses else None,
    )
    found = rent(
        need,
        asked.limits,
        _terms(asked.deployment, asked.limits),
        asked.prices,
        asked.beside(replicas=_replicas(asked.deployment)),
    )
    return found if isinstance(found, Rejection) else _bill(asked, found.lines, found.alternatives)


def _by_second(asked: _Asked, replica: Replica, usage: ServerlessUsage | None) -> Quote | Rejection:
    offload = replica.offload
    gpus = replica.parallel.gpus
    host_bytes = offload.host_weight_bytes * gpus + offload.host_kv_bytes if offload else 0
    worker = Worker(gpu_id=replica.gpu.id, gpus=gpus, host_gib=to_gib(host_bytes))
    if usage is None:
        usage = _always_on(_replicas(asked.deployment))
    found = cheapest_serverless(worker, usage, asked.limits, asked.prices, asked.beside(replicas=1))
    return found if isinstance(found, Rejection) else _bill(asked, *found)


def _by_token(asked: _Asked) -> Quote | Rejection:
    found = cheapest_tokens(asked.deployment.model, asked.workload, asked.limits, asked.prices)
    if isinstance(found, Rejection):
        return found
    more = beside_tokens(asked.beside(replicas=asked.deployment.replicas or 1), asked.prices).lines
    return replace(
        _bill(asked, (*found.lines, *more), found.alternatives),
        usd_per_mtok_input=found.usd_per_mtok_input,
        usd_per_mtok_output=found.usd_per_mtok_output,
        usd_per_mtok_cached_input=found.usd_per_mtok_cached_input,
    )


def _bill(asked: _Asked, lines: tuple[QuoteLine, ...], alternatives: tuple[QuoteLine, ...]) -> Quote:
    volume = monthly_volume(asked.workload)
    return Quote(
        lines=lines,
        input_tokens_per_month=volume.input_tokens or 0.0,
        output_tokens_per_month=volume.output_tokens or 0.0,
        as_of=asked.prices.as_of,
        alternatives=alternatives,
        requests_per_month=volume.requests or 0.0,
        tenants=asked.workload.tenants,
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

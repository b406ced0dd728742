"""Ways of serving that are set against each other over the load, gathered from a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmplan import pricing
from llmplan.plan.deployment import Deployment, Purchase
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.planner.comparisons.base import options_of
from llmplan.planner.comparisons.machines import Machines
from llmplan.planner.comparisons.seconds import Seconds
from llmplan.planner.comparisons.tokens import Tokens, hosted
from llmplan.planner.context import Context
from llmplan.planner.evaluate import evaluate
from llmplan.planner.order import best_of
from llmplan.spec.workload import Workload

LEAST_REPLICAS_TRIED = 32
MOST_REPLICAS_TRIED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """The ways that are set against each other for one question."""

    machines: Machines
    seconds: tuple[Seconds, ...]
    tokens: tuple[Tokens, ...]
    asked_per_s: float

    @property
    def workload(self) -> Workload:
        """The traffic."""
        return self.machines.context.workload

    @property
    def most_tried(self) -> int:
        """Replicas at which the search ends: twice the fleet that was asked for, and thirty-two at least."""
        wanted = max(LEAST_REPLICAS_TRIED, 2 * self.machines.active(self.asked_per_s))
        return min(wanted, MOST_REPLICAS_TRIED, self.machines.most_replicas)

    @property
    def tried_per_s(self) -> float:
        """The load that they carry [1/s]."""
        return self.most_tried * self.machines.mean_per_replica_per_s


def rivals_of(plan: Plan, machines: Machines, context: Context) -> Rivals | None:
    """Machines, GPUs by the second and sellers of tokens; None where the traffic states no rate."""
    rate = context.workload.requests_per_s
    if rate is None or rate <= 0:
        return None
    return Rivals(
        machines=machines,
        seconds=tuple(_seconds(plan, machines, context)),
        tokens=tuple(sellers(machines.deployment, context)),
        asked_per_s=rate,
    )


def sellers(deployment: Deployment, context: Context) -> list[Tokens]:
    """Everybody within the limits who sells the model by the token, cheapest for this mix first."""
    if context.workload.adapters:
        return []
    offers = pricing.token_offers(deployment.model, context.limits, context.prices)
    bought = (
        Tokens.of(provider, hosted(deployment), context) for provider in sorted({each.provider for each in offers})
    )
    return sorted((each for each in bought if each is not None), key=lambda each: (each.usd_per_mtok, each.provider))


def _seconds(plan: Plan, machines: Machines, context: Context) -> Iterator[Seconds]:
    """The best GPU by the second, and where it keeps a worker warm, also one that scales to zero."""
    best = best_of(list(by_the_second(plan, machines, context)), context)
    if best is None:
        return
    ways = [best]
    if best.deployment.purchase.keep_warm:
        to_zero = replace(best.deployment, purchase=replace(best.deployment.purchase, keep_warm=0))
        ways.insert(0, replace(best, deployment=to_zero))
    for option in ways:
        seconds = Seconds.of(option, context)
        if seconds is not None:
            yield seconds


def by_the_second(plan: Plan, machines: Machines, context: Context) -> Iterator[Option]:
    """The plan's own options of that kind, and the replica of the machines by the second."""
    for option in (*options_of(plan).values(), *plan.alternatives):
        if option.deployment.purchase.kind == "serverless":
            yield option
    if machines.deployment.purchase.kind != "hourly" or not pricing.serverless_offers(
        machines.replica.gpu.id, context.limits, context.prices
    ):
        return
    for keep_warm in (0, 1):
        proposal = replace(
            machines.deployment, strategy="serverless", purchase=Purchase(kind="serverless", keep_warm=keep_warm)
        )
        outcome = evaluate(proposal, context)
        if isinstance(outcome, Option):
            yield outcome

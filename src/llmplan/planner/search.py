"""Go through a strategy's proposals, cheapest possible first, and keep the best outcome.

A proposal whose machines alone cost more than the best option found so far is skipped: nothing that follows could
make it cheaper. That changes the time, never the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from llmplan import memory, pricing
from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import Option, Outcome, Rejection
from llmplan.planner.context import Context
from llmplan.planner.evaluate import evaluate
from llmplan.planner.order import firmness, offloads, order_key, round_to_tie
from llmplan.planner.quality import quality_class
from llmplan.strategies import Market, Strategy
from llmplan.units import HOURS_PER_MONTH


@dataclass(slots=True, kw_only=True)
class Best:
    """What a strategy came to: its best option or nearest rejection, and the best option on each GPU."""

    strategy: Strategy
    context: Context
    option: Option | None = None
    rejection: Rejection | None = None
    by_gpu: dict[str, Option] = field(default_factory=dict)

    def take(self, outcome: Outcome) -> None:
        """Keep it if it is better than what there is."""
        if isinstance(outcome, Rejection):
            if self.rejection is None or outcome.closeness > self.rejection.closeness:
                self.rejection = outcome
            return
        if self.option is None or self.key(outcome) < self.key(self.option):
            self.option = outcome
        replica = outcome.deployment.replica
        if replica is not None:
            held = self.by_gpu.get(replica.gpu.id)
            if held is None or self.key(outcome) < self.key(held):
                self.by_gpu[replica.gpu.id] = outcome

    def key(self, option: Option) -> tuple[float, ...]:
        """Lower is better."""
        return order_key(option, self.context, cost_before_quality=self.strategy.id == "quantized")

    def outcome(self, market: Market) -> Outcome:
        """The row of this strategy."""
        if self.option is not None:
            return self.option
        if self.rejection is not None:
            return self.rejection
        reason, fix = self.strategy.why_none(market)
        return Rejection(strategy=self.strategy.id, reason=reason, fix=fix, code="nothing_to_propose")


def search(strategy: Strategy, market: Market, context: Context) -> Best:
    """The best of a strategy's proposals."""
    best = Best(strategy=strategy, context=context)
    for floor_usd, deployment in by_floor_cost(strategy.propose(market), context):
        if not skippable(deployment, floor_usd, best):
            best.take(evaluate(deployment, context))
    return best


def by_floor_cost(proposals: Iterable[Deployment], context: Context) -> list[tuple[float, Deployment]]:
    """Each proposal with the least that one replica's machines cost per month, cheapest first; stable."""
    priced = [(floor_cost(each, context), each) for each in proposals]
    return sorted(priced, key=lambda pair: pair[0])


def floor_cost(deployment: Deployment, context: Context) -> float:
    """A lower bound of the monthly cost [USD]: one replica at the cheapest hourly price; 0 where rent is not hourly."""
    replica = deployment.replica
    if replica is None or deployment.purchase.kind != "hourly":
        return 0.0
    per_hour = pricing.cheapest_usd_per_gpu_hour(replica.gpu.id, context.limits, context.prices)
    return (per_hour or 0.0) * replica.parallel.gpus * HOURS_PER_MONTH


def fits(replica: Replica) -> bool:
    """Whether the weights alone fit: a quick bound that spares the whole budget."""
    return memory.fits_weights(replica.model, replica.weights, replica.parallel, replica.gpu, replica.engine)


def skippable(deployment: Deployment, floor_usd: float, best: Best) -> bool:
    """Whether it cannot beat what is already there, or its weights alone exceed the GPU."""
    replica = deployment.replica
    held = best.option
    if held is not None and replica is not None and replica.offload is None and not fits(replica):
        return True
    if held is None or floor_usd == 0.0:
        return False
    if firmness(held.quote) > 0 or offloads(held):
        return False
    limits, catalog = best.context.limits, best.context.catalog
    worse_quality = quality_class(held.deployment, catalog, limits) > quality_class(deployment, catalog, limits)
    if worse_quality and best.strategy.id != "quantized":
        return False
    return round_to_tie(floor_usd) > round_to_tie(held.quote.usd_per_month)

"""Go through a strategy's proposals, cheapest possible first, and keep what could be the best.

A proposal whose machines alone cost more than an option found so far is skipped: nothing that follows could make it
cheaper. That changes the time, never the five rows; the alternatives are drawn from the options met on the way.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from llmplan import memory, pricing
from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import Option, Outcome, Rejection
from llmplan.planner.context import Context
from llmplan.planner.evaluate import evaluate
from llmplan.planner.order import FIRM, as_cheap, best_of, comparable_usd, extrapolated, firmness, offloads
from llmplan.planner.quality import WITHIN_LIMIT, quality_class
from llmplan.strategies import Market, Strategy

FAR_ALONG = ("weights_do_not_fit", "no_room_for_one_request", "host_memory", "misses_slo", "cold_start",
             "too_few_gpus", "no_price", "price_unknown", "over_budget")  # fmt: skip
"""How far evaluation came before it said no: the later, the more the rejection tells."""


def telling(rejection: Rejection) -> tuple[int, float]:
    """Higher is more informative: how far it came, then how near."""
    stage = FAR_ALONG.index(rejection.code) if rejection.code in FAR_ALONG else -1
    return stage, rejection.closeness


@dataclass(slots=True, kw_only=True)
class Found:
    """What a strategy came to: its options, and the rejection that came nearest."""

    strategy: Strategy
    context: Context
    options: list[Option] = field(default_factory=list)
    rejection: Rejection | None = None
    ceiling_usd: float | None = None
    """cost of the cheapest option that nothing but money can beat"""

    @property
    def any_quality(self) -> bool:
        """Whether this strategy's lever is to give up quality for money."""
        return self.strategy.id == "quantized"

    def take(self, outcome: Outcome) -> None:
        """Keep it."""
        if isinstance(outcome, Rejection):
            if self.rejection is None or telling(outcome) > telling(self.rejection):
                self.rejection = outcome
            return
        self.options.append(outcome)
        quality = quality_class(outcome.deployment, self.context.catalog, self.context.limits)
        settled = firmness(outcome.quote) == FIRM and not offloads(outcome) and not extrapolated(outcome)
        if settled and (self.any_quality or quality == WITHIN_LIMIT):
            cost = comparable_usd(outcome, self.context)
            self.ceiling_usd = cost if self.ceiling_usd is None else min(self.ceiling_usd, cost)

    def outcome(self, market: Market) -> Outcome:
        """The row of this strategy."""
        best = best_of(self.options, self.context, any_quality=self.any_quality)
        if best is not None:
            return best
        if self.rejection is not None:
            return self.rejection
        reason, fix = self.strategy.why_none(market)
        return Rejection(strategy=self.strategy.id, reason=reason, fix=fix, code="nothing_to_propose")

    def best_by_gpu(self) -> dict[str, Option]:
        """The best option on each kind of GPU."""
        by_gpu: dict[str, list[Option]] = defaultdict(list)
        for option in self.options:
            if option.deployment.replica is not None:
                by_gpu[option.deployment.replica.gpu.id].append(option)
        found = {gpu_id: best_of(options, self.context) for gpu_id, options in by_gpu.items()}
        return {gpu_id: option for gpu_id, option in found.items() if option is not None}


def search(strategy: Strategy, market: Market, context: Context) -> Found:
    """Everything of a strategy's proposals that could be its answer."""
    found = Found(strategy=strategy, context=context)
    for floor_usd, deployment in by_floor_cost(strategy.propose(market), context):
        if not skippable(deployment, floor_usd, found):
            found.take(evaluate(deployment, context))
    return found


def by_floor_cost(proposals: Iterable[Deployment], context: Context) -> list[tuple[float, Deployment]]:
    """Each proposal with the least that one replica's machines cost per month, cheapest first; stable."""
    priced = [(floor_cost(each, context), each) for each in proposals]
    return sorted(priced, key=lambda pair: pair[0])


def floor_cost(deployment: Deployment, context: Context) -> float:
    """A lower bound of the monthly cost [USD]: the fewest replicas whose arithmetic could carry the peak, at the
    seller who takes least for them and for what comes beside; 0 where rent is not hourly."""
    replica = deployment.replica
    if replica is None or deployment.purchase.kind != "hourly":
        return 0.0
    replicas = least_replicas(replica, context)
    return pricing.least_usd_per_month(
        replica.gpu.id, replica.parallel.gpus * replicas, replicas, context.limits, context.prices, context.workload,
        context.question.expenses,
    )  # fmt: skip


def least_replicas(replica: Replica, context: Context) -> int:
    """Replicas [-] below which not even the tensor cores' peak computes the peak traffic.

    replica: its GPUs and format; context: the peak rate [1/s] and mean lengths [tokens].
    rate x 2 x active weights x (new input + output) / (GPUs x dense peak). A lower bound: no attention, no waiting,
    full efficiency, the best peak that the GPU has for any of the replica's arithmetic.
    """
    rate = context.demand.peak_requests_per_s
    if rate is None:
        return 1
    peaks = [replica.gpu.peak_flop_per_s.get(name, 0.0) for name in (replica.weights.compute, "bf16", "fp16")]
    shape = context.demand.shape
    tokens = shape.input_tokens.mean * (1.0 - shape.prefix_share) + shape.output_tokens.mean
    flop_per_s = rate * 2.0 * replica.model.active_parameters * tokens
    available = replica.parallel.gpus * max(peaks) * context.limits.max_utilization
    return max(1, math.ceil(flop_per_s / available - 1e-9)) if available > 0 else 1


def fits(replica: Replica) -> bool:
    """Whether the weights alone fit: a quick bound that spares the whole budget."""
    return memory.fits_weights(replica.model, replica.weights, replica.parallel, replica.gpu, replica.engine)


def skippable(deployment: Deployment, floor_usd: float, found: Found) -> bool:
    """Whether it cannot beat what is already there, or its weights alone exceed the GPU."""
    replica = deployment.replica
    if found.options and replica is not None and replica.offload is None and not fits(replica):
        return True
    least_usd = floor_usd / (1.0 + found.context.limits.commitment_premium)
    return found.ceiling_usd is not None and not as_cheap(least_usd, found.ceiling_usd)

"""Which row of a plan is to be launched, and what every emitter says about it at the top of its files."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmplan.emit.variant import Variant
from llmplan.errors import UsageError
from llmplan.plan.deployment import Deployment, Replica, StrategyId
from llmplan.plan.outcome import MemoryBudget, Option, Quote, Rejection
from llmplan.plan.plan import Plan
from llmplan.spec.workload import Question
from llmplan.units import format_seconds, format_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One row, ready to be turned into files. `same_engine`: the target runs the engine that was planned."""

    strategy: StrategyId
    question: Question
    option: Option
    replica: Replica
    summary: tuple[str, ...]
    same_engine: bool = True
    variant: Variant = field(default_factory=Variant)

    @property
    def deployment(self) -> Deployment:
        """The row's deployment."""
        return self.option.deployment

    @property
    def memory(self) -> MemoryBudget | None:
        """The row's memory on each GPU, as planned."""
        return self.option.memory

    @property
    def air_gapped(self) -> bool:
        """Whether what serves reaches no network."""
        chosen = self.variant.air_gapped
        return self.question.limits.privacy == "air-gapped" if chosen is None else chosen

    @property
    def spot(self) -> bool:
        """Whether its machines may be taken away."""
        chosen = self.variant.spot
        priced = (line.figure for line in self.option.quote.serving)
        return any(figure is not None and figure.term == "spot" for figure in priced) if chosen is None else chosen

    def title(self, first: str) -> tuple[str, ...]:
        """Header of a further file of the set whose `first` file says everything."""
        return (self.summary[0], f"what was planned, and how to apply these files: {first}")

    @property
    def replicas(self) -> int:
        """Copies that the plan runs at its peak; 1 where it was not sized."""
        return self.deployment.replicas or 1

    @property
    def nodes(self) -> int:
        """Machines that one replica takes."""
        return -(-self.replica.parallel.gpus // max(1, self.replica.host.gpus))


def select(plan: Plan, strategy: StrategyId | None, variant: Variant | None = None) -> Launch:
    """The row named, or the recommended one; a `UsageError` says why there is nothing to launch."""
    name = strategy or plan.recommended
    if name is None:
        raise UsageError(
            "the plan recommends nothing: no strategy was feasible",
            hints=["llmplan recommend ... with looser limits (more GPUs, a longer latency, another format)"],
        )
    outcome = plan.outcomes[name]
    launchable = [row for row, other in plan.outcomes.items() if isinstance(other, Option) and other.deployment.replica]
    hints = [f"llmplan emit-config PLAN --strategy {row} ..." for row in launchable if row != name]
    if isinstance(outcome, Rejection):
        raise UsageError(f"{name} was rejected in this plan: {outcome.reason}", hints=hints)
    if outcome.deployment.replica is None:
        raise UsageError(
            f"{name} is a hosted token API here: the provider runs the model and there is nothing to launch",
            hints=hints,
        )
    return Launch(
        strategy=name,
        question=plan.question,
        option=outcome,
        replica=outcome.deployment.replica,
        summary=_summary(plan, name, outcome, outcome.deployment.replica),
        variant=variant or Variant(),
    )


def _summary(plan: Plan, name: StrategyId, option: Option, replica: Replica) -> tuple[str, ...]:
    deployment = option.deployment
    gpus = replica.parallel.gpus
    lines = [
        f"{replica.model.id}: strategy {name}, planned by {plan.made_with} at prices of {plan.price_date.isoformat()}",
        f"one replica: {gpus} x {replica.gpu.id}, {replica.parallel.describe()}, "
        f"weights {replica.weights.id}, KV cache {replica.kv.id}, engine {replica.engine.ref}",
    ]
    if deployment.replicas is not None:
        copies, total = deployment.replicas, deployment.gpus
        lines.append(f"the plan runs {copies} such replica{'s' * (copies != 1)} ({total} GPU{'s' * (total != 1)})")
    lines += _speed(option)
    lines.append(f"planned cost: {_price(option.quote)}")
    return tuple(lines)


def _speed(option: Option) -> list[str]:
    estimate = option.estimate
    if estimate is None:
        return []
    return [
        f"predicted per replica: TTFT p95 {format_seconds(estimate.ttft_p95_s)}, "
        f"TPOT p95 {format_seconds(estimate.tpot_p95_s)}, {estimate.capacity_requests_per_s:.3g} requests/s at most"
    ]


def _price(quote: Quote) -> str:
    return f"{'' if quote.complete else 'at least '}{format_usd(quote.usd_per_month)} per month"

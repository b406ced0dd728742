"""Machines that run all month, in whole replicas, as a bill over the load."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count, takewhile

from llmplan.plan.deployment import Deployment, Replica
from llmplan.plan.outcome import CheckResult, MemoryBudget, Option, Rejection
from llmplan.planner.comparisons.base import asked_again, machine_label, source_of, unsized
from llmplan.planner.comparisons.ways import IMPOSSIBLE
from llmplan.planner.context import Context
from llmplan.planner.demand import busiest_over_mean, with_rate
from llmplan.planner.evaluate import by_the_machine, physics_of
from llmplan.planner.size import Sized, active_for, most_replicas, spares_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Replicas on machines that run all month.

    replicas(r) = ceil(r x busiest / c), and the spares of a fleet of two or more; bought as whole instances on the
    cheapest term that the planner takes for that many. `per_replica_per_s` is c: what one replica carries at the peak
    within the promise and the utilization limit [1/s]; `saturation_per_s`: what it completes when full [1/s].
    """

    label: str
    deployment: Deployment
    replica: Replica
    budget: MemoryBudget
    findings: tuple[CheckResult, ...]
    sized: Sized
    per_replica_per_s: float
    context: Context
    known: dict[float, Option | None] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, option: Option, context: Context) -> Machines | None:
        """The option at other loads; None where the steady state cannot size it."""
        deployment = unsized(option.deployment, context)
        replica = deployment.replica
        assert replica is not None
        physics = physics_of(deployment, replica, context)
        if isinstance(physics, Rejection):
            return None
        findings, budget, sized = physics
        return cls(
            label=machine_label(option),
            deployment=deployment,
            replica=replica,
            budget=budget,
            findings=findings,
            sized=sized,
            per_replica_per_s=sized.slo_requests_per_s,
            context=context,
        )

    @property
    def mean_per_replica_per_s(self) -> float:
        """The mean rate up to which one replica is enough [1/s]."""
        return self.per_replica_per_s / busiest_over_mean(self.context.workload)

    @property
    def most_replicas(self) -> int:
        """Replicas that may carry load."""
        return most_replicas(self.deployment, self.replica, self.context)

    @property
    def saturation_per_s(self) -> float:
        """What one replica completes when it is full [1/s]."""
        return self.sized.estimate.capacity_requests_per_s

    def active(self, requests_per_s: float) -> int:
        """Replicas that carry the peak of this mean rate."""
        return active_for(requests_per_s, self.mean_per_replica_per_s)

    def replicas(self, requests_per_s: float) -> int:
        """Those and the spares."""
        active = self.active(requests_per_s)
        return active + spares_for(active, self.most_replicas, self.context)

    def utilization(self, requests_per_s: float) -> float:
        """How busy the replicas that are paid for are over the mean hour, against saturation [-]."""
        return requests_per_s / (self.replicas(requests_per_s) * self.saturation_per_s)

    def option(self, requests_per_s: float) -> Option | None:
        """The planner's fleet for a load; None where there are not so many replicas, or nobody rents them."""
        if requests_per_s not in self.known:
            self.known[requests_per_s] = self._option(requests_per_s)
        return self.known[requests_per_s]

    def _option(self, requests_per_s: float) -> Option | None:
        active = self.active(requests_per_s)
        if active > self.most_replicas:
            return None
        sized = replace(self.sized, active=active, spare=spares_for(active, self.most_replicas, self.context))
        there = asked_again(self.context, with_rate(self.context.workload, requests_per_s))
        outcome = by_the_machine(self.deployment, self.replica, self.budget, self.findings, sized, there)
        return outcome if isinstance(outcome, Option) else None

    def usd_per_month(self, requests_per_s: float) -> float:
        """The rent of the fleet for a load [USD/month]."""
        option = self.option(requests_per_s)
        return IMPOSSIBLE if option is None else option.quote.usd_per_month

    def edges(self, upto: float) -> tuple[float, ...]:
        """Multiples of what one replica takes."""
        step = self.mean_per_replica_per_s
        return tuple(takewhile(lambda edge: edge < upto, (step * number for number in count(1))))

    def source(self, requests_per_s: float) -> str:
        """Seller, term and date."""
        option = self.option(requests_per_s)
        return "" if option is None else source_of(option.quote)

    def complete(self, requests_per_s: float) -> bool:
        """Whether every charge has a price."""
        option = self.option(requests_per_s)
        return option is not None and option.quote.complete

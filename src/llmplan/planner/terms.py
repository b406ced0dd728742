"""When a commitment is worth proposing: for traffic that fills several replicas around the clock."""

from __future__ import annotations

from llmplan.plan.deployment import Purchase
from llmplan.spec.price import Term
from llmplan.spec.workload import Workload
from llmplan.units import HOURS_PER_DAY

STEADY_PEAK_TO_MEAN = 2.0
COMMITTED_FROM_REPLICAS = 2


def is_commitment(term: str) -> bool:
    """Whether the term binds for a year or more."""
    return term.startswith("reserved")


def terms_for(purchase: Purchase, workload: Workload, active_replicas: int) -> tuple[Term, ...]:
    """The purchase's terms without commitments where the traffic is not steady, unless nothing else was allowed."""
    flexible = tuple(term for term in purchase.terms if not is_commitment(term))
    steady = workload.peak_to_mean <= STEADY_PEAK_TO_MEAN and workload.hours_per_day >= HOURS_PER_DAY
    if flexible and not (steady and active_replicas >= COMMITTED_FROM_REPLICAS):
        return flexible
    return purchase.terms

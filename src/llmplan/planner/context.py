"""What evaluation needs besides the deployment, gathered once per question."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from llmplan import perf
from llmplan.plan.deployment import Replica
from llmplan.planner.demand import Demand
from llmplan.planner.shared import Shared
from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.price import PriceBook
from llmplan.spec.workload import Limits, Question, Slo, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A question with its catalogue. `ready` remembers what a replica is under its requests, and `sized` how many of it
    there have to be, for when another strategy or a question with the same `shared` proposes it again."""

    question: Question
    catalog: Catalog
    demand: Demand
    shared: Shared
    ready: dict[Hashable, Any]
    sized: dict[Hashable, Any]

    @classmethod
    def of(cls, question: Question, catalog: Catalog, shared: Shared | None = None) -> Context:
        """The context of one question; `shared` with others that are put to the same catalogue."""
        shared, demand = shared or Shared(), Demand.of(question.workload)
        return cls(
            question=question, catalog=catalog, demand=demand, shared=shared,
            ready=shared.ready(demand.shape), sized=shared.sized(question),
        )  # fmt: skip

    @property
    def workload(self) -> Workload:
        """The traffic."""
        return self.question.workload

    @property
    def slo(self) -> Slo:
        """The promise."""
        return self.question.slo

    @property
    def limits(self) -> Limits:
        """What may be used."""
        return self.question.limits

    @property
    def prices(self) -> PriceBook:
        """All offers."""
        return self.catalog.prices

    def calibration(self, replica: Replica) -> Calibration:
        """The coefficients that apply to this replica."""
        key, known = (replica.engine.calibration_id, replica.gpu.id, replica.model.id), self.shared.calibrations
        if key not in known:
            known[key] = perf.select_calibration(
                self.catalog.calibrations, replica.engine, replica.gpu, replica.model.id
            )
        return known[key]

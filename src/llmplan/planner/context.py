"""What evaluation needs besides the deployment, gathered once per question."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from llmplan import perf
from llmplan.plan.deployment import Replica
from llmplan.planner.demand import Demand
from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.price import PriceBook
from llmplan.spec.workload import Limits, Question, Slo, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A question with its catalogue. `chosen` remembers the calibration of each engine, GPU and model, `physics` what
    the same replica came to when another strategy proposed it."""

    question: Question
    catalog: Catalog
    demand: Demand
    chosen: dict[tuple[str, str, str], Calibration] = field(default_factory=dict)
    physics: dict[Hashable, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, question: Question, catalog: Catalog) -> Context:
        """The context of one question."""
        return cls(question=question, catalog=catalog, demand=Demand.of(question.workload))

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
        key = (replica.engine.calibration_id, replica.gpu.id, replica.model.id)
        if key not in self.chosen:
            self.chosen[key] = perf.select_calibration(
                self.catalog.calibrations, replica.engine, replica.gpu, replica.model.id
            )
        return self.chosen[key]

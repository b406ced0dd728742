"""A replica ready to be asked how fast it is under several loads of one shape."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmplan import perf
from llmplan.perf import Prepared
from llmplan.plan.deployment import Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget
from llmplan.spec.calibration import Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The engine behind a replica, made once, and what it answered: the same load is never computed twice."""

    prepared: Prepared
    answers: dict[Load, Estimate] = field(default_factory=dict)

    @classmethod
    def of(cls, replica: Replica, memory: MemoryBudget, shape: Load, calibration: Calibration) -> Running:
        """The replica under requests of this shape; kind and value of the load are left to `under`."""
        return cls(prepared=perf.prepare(replica, memory, shape, calibration))

    def under(self, load: Load) -> Estimate:
        """How fast it answers under a load of its shape."""
        if load not in self.answers:
            self.answers[load] = perf.estimate_prepared(self.prepared, load)
        return self.answers[load]

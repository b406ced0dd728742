"""A fleet as it begins, and the rules by which it changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmplan.simulate.fleet.faults import Faults
from llmplan.simulate.fleet.policy import Autoscaler
from llmplan.simulate.fleet.routing import RouterId


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSpec:
    """`replicas`: ready at time 0 (None: the autoscaler's minimum, or one without); `start_s`: what a new one takes
    until it is ready [s]; `seed`: of the failures; `packed_up_to`: requests in flight that the packed router gives to
    one replica before it turns to the next."""

    replicas: int | None = None
    router: RouterId = "round-robin"
    start_s: float = 0.0
    autoscaler: Autoscaler | None = None
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    packed_up_to: int = 1

    def __post_init__(self) -> None:
        if self.replicas_at_first < (self.autoscaler is None):
            raise ValueError(f"a fleet that does not scale has one replica or more, not {self.replicas}")
        if not self.start_s >= 0:
            raise ValueError(f"a start takes 0 s or more, not {self.start_s}")

    @property
    def replicas_at_first(self) -> int:
        """Those that are ready at time 0."""
        if self.replicas is not None:
            return self.replicas
        return 1 if self.autoscaler is None else self.autoscaler.min_replicas

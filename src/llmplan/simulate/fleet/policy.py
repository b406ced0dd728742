"""What an autoscaler sees, and what it says: how many replicas there should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, kw_only=True)
class View:
    """A fleet at one moment. `request_s`: requests in flight x time so far [s], of which a difference divided by its
    time is a mean concurrency."""

    now_s: float
    ready: int
    starting: int
    in_flight: int
    waiting: int
    request_s: float


class Decider(Protocol):
    """An autoscaler at work: it remembers what it saw."""

    def desired(self, view: View) -> int:
        """Replicas that there should be, starting ones included."""


class Autoscaler(Protocol):
    """A policy.

    `tick_s`: how often it looks [s]; None: at every request. `idle_window_s`: a replica without requests for so long
    stops by itself [s]; None: only when told. `slots_per_replica`: requests that one may hold, the others wait at the
    gate for the next free place; None: as many as come. `wakes_at_once`: the first request at a fleet of none starts
    one, without waiting for the next look.
    """

    @property
    def min_replicas(self) -> int:
        """Replicas that never go."""

    @property
    def max_replicas(self) -> int:
        """Most replicas."""

    @property
    def tick_s(self) -> float | None:
        """Time between looks."""

    @property
    def idle_window_s(self) -> float | None:
        """Time without requests after which one stops by itself."""

    @property
    def slots_per_replica(self) -> int | None:
        """Requests that one may hold."""

    @property
    def wakes_at_once(self) -> bool:
        """Whether a request at a fleet of none starts one."""

    def begin(self) -> Decider:
        """Start watching."""


def check_bounds(min_replicas: int, max_replicas: int) -> None:
    """Refuse bounds that nothing lies between."""
    if min_replicas < 0 or max_replicas < 1 or min_replicas > max_replicas:
        raise ValueError(f"replicas go from 0 or more to 1 or more, not from {min_replicas} to {max_replicas}")

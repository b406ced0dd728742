"""A serverless platform: a worker more as soon as those that are there are full, gone after its idle window."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.simulate.fleet.policy import View, check_bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Workers = requests in flight / target, counted at every request; each stops after `idle_window_s` without any.

    A worker holds at most `most_concurrency` requests (None: the target); what is above waits in one queue for the
    next free place, wherever that is.
    `min_replicas` are kept warm. Modal's "Scaling out" (2026: containers start when there is no capacity for an input,
    `target_inputs` and `max_inputs` apart, idle ones stop after `scaledown_window`, 60 s unless set), RunPod's
    "Endpoint settings" (2026: request count scaling, idle timeout 5 s unless set) and Cloud Run's "Maximum concurrent
    requests" describe the same rule with other numbers.
    """

    target_concurrency: int
    most_concurrency: int | None = None
    idle_window_s: float = 60.0
    min_replicas: int = 0
    max_replicas: int = 100
    tick_s: None = None
    wakes_at_once: bool = True

    def __post_init__(self) -> None:
        check_bounds(self.min_replicas, self.max_replicas)
        if not 1 <= self.target_concurrency <= self.slots_per_replica:
            raise ValueError(f"a worker holds one request or more, not {self.target_concurrency}")

    @property
    def slots_per_replica(self) -> int:
        """Requests that one worker may hold."""
        return self.target_concurrency if self.most_concurrency is None else self.most_concurrency

    def begin(self) -> _Watching:
        """Start watching."""
        return _Watching(self.target_concurrency)


class _Watching:
    __slots__ = ("_target",)

    def __init__(self, target: int) -> None:
        self._target = target

    def desired(self, view: View) -> int:
        return max(view.ready + view.starting, math.ceil(view.in_flight / self._target))

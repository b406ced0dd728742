"""Kubernetes' horizontal autoscaler, with KEDA for the way from none to one and back."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

from llmplan.simulate.fleet.policy import View, check_bounds

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Keda:
    """Replicas = metric / target, the metric being all waiting requests or all in flight.

    Nothing changes while metric / (replicas x target) is within `tolerance` of 1. Up at once, by at most `max_added`
    or `max_factor` times the replicas at a look; down to the highest number wanted within `stabilization_s`. From none
    to one at a poll that sees a request, back when none was seen for `cooldown_s`.
    Defaults: Kubernetes, "Horizontal Pod Autoscaling" (2026): a look every 15 s, tolerance 0.1, the higher of 4 pods
    and 100 %, stabilization 300 s; KEDA, "ScaledObject specification" (2.22): polling 30 s, cooldown 300 s. Target 5
    waiting requests: an assumption; neither has a default.
    """

    metric: Literal["waiting", "in_flight"] = "waiting"
    target: float = 5.0
    min_replicas: int = 0
    max_replicas: int = 100
    tick_s: float = 15.0
    poll_s: float = 30.0
    tolerance: float = 0.1
    max_added: int = 4
    max_factor: float = 2.0
    stabilization_s: float = 300.0
    cooldown_s: float = 300.0
    idle_window_s: None = None
    slots_per_replica: int | None = None
    wakes_at_once: bool = False

    def __post_init__(self) -> None:
        check_bounds(self.min_replicas, self.max_replicas)
        if not self.target > 0:
            raise ValueError(f"a target is above 0, not {self.target}")

    def begin(self) -> _Watching:
        """Start watching."""
        return _Watching(self)


class _Watching:
    __slots__ = ("_active_s", "_policy", "_polled_s", "_wanted")

    def __init__(self, policy: Keda) -> None:
        self._policy = policy
        self._wanted: deque[tuple[float, int]] = deque()
        self._active_s = 0.0
        self._polled_s = 0.0

    def desired(self, view: View) -> int:
        policy, have = self._policy, view.ready + view.starting
        if view.in_flight:
            self._active_s = view.now_s
        if have == 0:
            if view.now_s - self._polled_s < policy.poll_s - _ROUNDING:
                return 0
            self._polled_s = view.now_s
            return 1 if view.in_flight else 0
        self._polled_s = view.now_s
        if not policy.min_replicas and view.now_s - self._active_s >= policy.cooldown_s - _ROUNDING:
            self._wanted.clear()
            return 0
        return self._held(max(1, self._by_metric(view, have)), view.now_s, have)

    def _by_metric(self, view: View, have: int) -> int:
        policy = self._policy
        metric = view.waiting if policy.metric == "waiting" else view.in_flight
        if abs(metric / (have * policy.target) - 1.0) <= policy.tolerance:
            return have
        wanted = math.ceil(metric / policy.target - _ROUNDING)
        return min(wanted, max(have + policy.max_added, math.floor(have * policy.max_factor)))

    def _held(self, wanted: int, now_s: float, have: int) -> int:
        """Down only to the highest number wanted within the window."""
        recent = self._wanted
        recent.append((now_s, wanted))
        while recent[0][0] < now_s - self._policy.stabilization_s - _ROUNDING:
            recent.popleft()
        return wanted if wanted >= have else min(have, max(each for _, each in recent))

"""Knative's autoscaler: mean concurrency over a window, and a shorter window for bursts."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from llmplan.simulate.fleet.policy import View, check_bounds

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Knative:
    """Replicas = mean concurrency / (target x utilization), over the stable window.

    Where the panic window alone asks for `panic_threshold` times the replicas that are ready, it decides, and nothing
    is taken away until a stable window has passed without. Without any request in the stable window and
    `zero_grace_s` more, none remains; the first request then starts one.
    Defaults: Knative Serving, "Additional autoscaling configuration for Knative Pod Autoscaler" and the `config-
    autoscaler` map (2026): windows of 60 s and 10 % of it, threshold 200 %, target 100 at 70 %, rates 1000 up and 2
    down, 30 s grace, a look every 2 s.
    """

    target_concurrency: float = 100.0
    target_utilization: float = 0.7
    min_replicas: int = 0
    max_replicas: int = 100
    tick_s: float = 2.0
    stable_window_s: float = 60.0
    panic_window_s: float = 6.0
    panic_threshold: float = 2.0
    zero_grace_s: float = 30.0
    max_scale_up: float = 1000.0
    max_scale_down: float = 2.0
    idle_window_s: None = None
    slots_per_replica: int | None = None
    wakes_at_once: bool = True

    def __post_init__(self) -> None:
        check_bounds(self.min_replicas, self.max_replicas)

    def begin(self) -> _Watching:
        """Start watching."""
        return _Watching(self)


class _Watching:
    __slots__ = ("_panic_most", "_panic_s", "_policy", "_seen", "_zero_s")

    def __init__(self, policy: Knative) -> None:
        self._policy = policy
        self._seen: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        self._panic_s: float | None = None
        self._panic_most = 0
        self._zero_s: float | None = None

    def desired(self, view: View) -> int:
        policy, seen = self._policy, self._seen
        seen.append((view.now_s, view.request_s))
        while len(seen) > 2 and seen[1][0] <= view.now_s - policy.stable_window_s + _ROUNDING:
            seen.popleft()
        ready = max(1, view.ready)
        stable = self._wanted(seen[0], view, ready)
        panic = self._wanted(self._at(view.now_s - policy.panic_window_s), view, ready)
        if panic / ready >= policy.panic_threshold:
            self._panic_s = view.now_s
        elif self._panic_s is not None and view.now_s - self._panic_s > policy.stable_window_s:
            self._panic_s, self._panic_most = None, 0
        if self._panic_s is not None:
            self._panic_most = max(self._panic_most, panic, view.ready)
            stable = max(stable, self._panic_most)
        return self._not_yet_none(stable, view)

    def _wanted(self, since: tuple[float, float], view: View, ready: int) -> int:
        """Replicas for the mean concurrency since then, within the rates of change."""
        policy, time_s = self._policy, view.now_s - since[0]
        mean = (view.request_s - since[1]) / time_s if time_s > 0 else float(view.in_flight)
        wanted = math.ceil(mean / (policy.target_concurrency * policy.target_utilization) - _ROUNDING)
        least, most = math.floor(ready / policy.max_scale_down), math.ceil(policy.max_scale_up * ready)
        return min(max(wanted, least), most)

    def _at(self, time_s: float) -> tuple[float, float]:
        """The last look that is at least so old."""
        for seen in reversed(self._seen):
            if seen[0] <= time_s + _ROUNDING:
                return seen
        return self._seen[0]

    def _not_yet_none(self, wanted: int, view: View) -> int:
        """None at all only after a grace."""
        if wanted > 0 or view.in_flight > 0:
            self._zero_s = None
            return max(1, wanted)
        if view.ready + view.starting == 0:
            return 0
        if self._zero_s is None:
            self._zero_s = view.now_s
        return 0 if view.now_s - self._zero_s >= self._policy.zero_grace_s - _ROUNDING else 1

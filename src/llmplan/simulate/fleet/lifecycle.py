"""How replicas come and go: launches, drains, failures, preemptions, restarts, idle ones that stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

from llmplan.simulate.engine import Job
from llmplan.simulate.fleet.agenda import Action, Agenda
from llmplan.simulate.fleet.crew import Crew
from llmplan.simulate.fleet.instance import Instance
from llmplan.simulate.fleet.spec import FleetSpec


class Owner(Protocol):
    """Whoever has the requests."""

    def on_ready(self, now_s: float) -> None:
        """There is one more replica that takes requests."""

    def on_lost(self, jobs: list[Job], now_s: float) -> None:
        """Requests that a replica had are without one."""

    def hook(self, instance: Instance) -> Callable[[float], Job | None] | None:
        """What to call when a request ends there."""


class Lifecycle:
    """Changes a crew, now or at a time on the agenda."""

    __slots__ = ("_agenda", "_crew", "_none_idle_before_s", "_owner", "_spec", "_then")

    def __init__(self, spec: FleetSpec, crew: Crew, agenda: Agenda, owner: Owner) -> None:
        self._spec, self._crew, self._agenda, self._owner = spec, crew, agenda, owner
        self._then: dict[int, Action] = {}
        self._none_idle_before_s = -math.inf

    def begin(self) -> None:
        """The replicas that are there at time 0, and the faults that are known."""
        for _ in range(self._spec.replicas_at_first):
            self._ready(self._crew.launch(0.0), 0.0)
        for at_s, place in self._spec.faults.at:
            self._agenda.add(at_s, partial(self._strike_place, place))
        for at_s in self._spec.faults.restarts_s:
            self._agenda.add(at_s, self._restart_all)

    def resize(self, wanted: int, now_s: float) -> None:
        """Launch what is missing; take away what is too much, those that are still starting first."""
        crew = self._crew
        for _ in range(wanted - crew.size):
            self._launch(now_s)
        while crew.size > wanted and crew.starting:
            crew.stop(crew.starting[-1], now_s, "scaled down")
        while crew.size > wanted:
            least = min(reversed(crew.ready), key=lambda each: each.in_flight)
            self._drain(least, now_s, "scaled down")

    def let_idle_go(self, now_s: float, window_s: float, keep: int) -> None:
        """Replicas that have had no request for their window have stopped at its end, while more than `keep` are
        there."""
        crew = self._crew
        if now_s < self._none_idle_before_s:
            return
        idle = sorted((each.idle_since_s, each.id, each) for each in crew.ready if not each.in_flight)
        for since_s, _, each in idle:
            if since_s + window_s > now_s or crew.size <= keep:
                break
            crew.stop(each, since_s + window_s, "idle")
        left = (each.idle_since_s for each in crew.ready if not each.in_flight)
        self._none_idle_before_s = min(left, default=now_s) + window_s if crew.size > keep else now_s

    # -- one replica's way

    def _launch(self, now_s: float, then: Action | None = None) -> None:
        instance = self._crew.launch(now_s)
        if then is not None:
            self._then[instance.id] = then
        self._agenda.add(now_s + self._spec.start_s, partial(self._ready, instance))

    def _ready(self, instance: Instance, now_s: float) -> None:
        if instance.stopped_s is not None:
            return
        self._crew.open(instance, now_s, self._owner.hook(instance))
        lifetime_s = self._spec.faults.lifetime_s(self._spec.seed, instance.id)
        if lifetime_s is not None:
            self._agenda.add(now_s + lifetime_s, partial(self._strike, instance))
        self._owner.on_ready(now_s)
        then = self._then.pop(instance.id, None)
        if then is not None:
            then(now_s)

    def _drain(
        self, instance: Instance, now_s: float, cause: str, *, until_s: float = math.inf, then: Action | None = None
    ) -> None:
        """It takes no more requests and finishes those that it has, as far as there is time. Nothing else touches it
        any more, so that all of this can be computed at once."""
        self._crew.retire(instance, now_s, cause)
        instance.advance(until_s)
        if instance.in_flight:
            self._agenda.add(until_s, partial(self._kill, instance))
            return
        self._crew.stop(instance, max(now_s, instance.idle_since_s), cause)
        if then is not None:
            self._agenda.add(max(now_s, instance.idle_since_s), then)

    def _kill(self, instance: Instance, now_s: float) -> None:
        lost = instance.lose()
        self._crew.stop(instance, now_s, instance.cause)
        self._owner.on_lost(lost, now_s)

    # -- what befalls them

    def _strike_place(self, place: int, now_s: float) -> None:
        """The failure of one of the replicas that are ready now."""
        if self._crew.ready:
            self._strike(self._crew.ready[place % len(self._crew.ready)], now_s)

    def _strike(self, instance: Instance, now_s: float) -> None:
        if instance.state != "ready":
            return
        notice_s = self._spec.faults.notice_s
        if notice_s > 0:
            self._drain(instance, now_s, "preempted", until_s=now_s + notice_s)
            self._launch(now_s)
            return
        lost = instance.lose()
        self._crew.stop(instance, now_s, "failed")
        self._launch(now_s)
        self._owner.on_lost(lost, now_s)

    def _restart_all(self, now_s: float) -> None:
        self._restart(list(self._crew.ready), now_s)

    def _restart(self, left: list[Instance], now_s: float) -> None:
        """The first of them, and the others when its successor is ready."""
        while left and left[0].state != "ready":
            left.pop(0)
        if left:
            again = partial(self._restart, left[1:])
            self._drain(left[0], now_s, "restarted", then=lambda at_s: self._launch(at_s, again))

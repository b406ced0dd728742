"""Users in a closed loop: each sends the next request when the last one is answered."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmplan.simulate.engine import Job
from llmplan.simulate.fleet.instance import Instance
from llmplan.simulate.fleet.rows import Row, Users
from llmplan.simulate.fleet.walk import step

if TYPE_CHECKING:
    from llmplan.simulate.fleet.fleet import Fleet

SLICE_BINS = 8.0
"""bins of time between two reports of progress while no requests come from outside"""


class UserLoop:
    """The users of a fleet and the requests that they have left, which end the loop when they are used up."""

    __slots__ = ("_active", "_fleet", "_rows", "_users")

    def __init__(self, fleet: Fleet, users: Users, rows: Iterator[Row]) -> None:
        self._fleet, self._users, self._rows = fleet, users, rows
        self._active = users.count

    def turns(self) -> Iterator[bool]:
        """Run until nobody has anything to send: the next step of whoever is furthest behind, or what is due before.
        True after a turn that took long."""
        for _ in range(self._users.count):
            self._fleet.agenda.add(0.0, self._wake)
        while self._active:
            moved = self._take_turn()
            if moved is None:
                return
            yield moved

    def after_end(self, instance: Instance, now_s: float) -> Job | None:
        """The user whose request has ended there thinks, or sends the next one at once to the same replica, where it
        could go nowhere else."""
        if not self._hands_over or instance.draining_s is not None:
            self._fleet.agenda.add(now_s + self._users.think_s, self._wake)
            return None
        job = self._next_job(now_s)
        while job is not None and not self._fleet.comes(job, now_s):
            job = self._next_job(now_s)
        if job is not None:
            self._fleet.replica_of[job.index] = instance.id
        return job

    def _take_turn(self) -> bool | None:
        """Whether that took long; None where nothing can happen."""
        fleet = self._fleet
        due_s = fleet.agenda.next_s
        busy = [each for each in fleet.crew.ready if each.engine.in_flight]
        last = min(busy, key=lambda each: each.engine.next_step_s, default=None)
        if last is None or max(fleet.now_s, last.engine.next_step_s) >= due_s:
            if due_s == math.inf:
                return None
            fleet.fire()
            return False
        if self._hands_over:
            begins_s = max(fleet.now_s, last.engine.next_step_s)
            fleet.advance(min(due_s, begins_s + SLICE_BINS * fleet.crew.sampler.width_s))
            return True
        quiet_s = min(due_s, *(each.engine.horizon_s for each in busy))
        if quiet_s > max(fleet.now_s, last.engine.next_step_s):
            fleet.advance(quiet_s)
        else:
            step(last)
            fleet.now_s = max(fleet.now_s, min(due_s, last.engine.now_s))
        return False

    @property
    def _hands_over(self) -> bool:
        """Whether a user's next request can only go to the replica of the last one, and at once."""
        crew = self._fleet.crew
        return crew.size == len(crew.ready) == 1 and self._fleet.slots is None and self._users.think_s == 0

    def _wake(self, now_s: float) -> None:
        """A user sends the next request that can be served at all."""
        job = self._next_job(now_s)
        while job is not None and not self._fleet.arrive(job, now_s):
            job = self._next_job(now_s)

    def _next_job(self, now_s: float) -> Job | None:
        row = next(self._rows, None)
        if row is None:
            self._active -= 1
            return None
        return self._fleet.write_down(row, now_s)

"""A replica's life in a fleet: starting, ready, draining, stopped."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from llmplan.simulate.engine import Job, ReplicaRun
from llmplan.simulate.fleet.sampler import Sampler

State: TypeAlias = Literal["starting", "ready", "draining", "stopped"]


class Instance:
    """One replica from its launch to its end [s]. `cause`: what ended it; "" while nothing did."""

    __slots__ = (
        "_batch_s",
        "_busy_s",
        "_ended",
        "_ended_s",
        "_sample_s",
        "cause",
        "draining_s",
        "id",
        "launched_s",
        "ready_s",
        "run",
        "sampler",
        "stopped_s",
    )  # fmt: skip

    def __init__(self, number: int, launched_s: float, sampler: Sampler) -> None:
        self.id, self.launched_s, self.sampler = number, launched_s, sampler
        self.ready_s: float | None = None
        self.draining_s: float | None = None
        self.stopped_s: float | None = None
        self.cause = ""
        self.run: ReplicaRun | None = None
        self._ended, self._ended_s = 0, -math.inf
        self._batch_s = self._busy_s = 0.0
        self._sample_s = math.inf

    @property
    def state(self) -> State:
        """What it is doing."""
        if self.stopped_s is not None:
            return "stopped"
        if self.draining_s is not None:
            return "draining"
        return "starting" if self.ready_s is None else "ready"

    @property
    def engine(self) -> ReplicaRun:
        """Its scheduler, which a replica that is ready has."""
        assert self.run is not None
        return self.run

    @property
    def in_flight(self) -> int:
        """Requests that it has."""
        return 0 if self.run is None else self.run.in_flight

    def held(self, now_s: float) -> int:
        """Requests that it has at a time, those included that end within the step that is under way then."""
        return self.engine.in_flight + (self._ended if self._ended_s > now_s else 0)

    def count_end(self, now_s: float) -> None:
        """A request ends with the step that ends then."""
        self._ended = self._ended + 1 if now_s == self._ended_s else 1
        self._ended_s = now_s

    @property
    def idle_since_s(self) -> float:
        """Since when it has no request, where it has none."""
        return self.engine.now_s

    @property
    def busy_s(self) -> float:
        """Time in which its engine computed."""
        return 0.0 if self.run is None else self.run.busy_s

    def open(self, run: ReplicaRun, now_s: float) -> None:
        """It takes requests from now on."""
        self.run, self.ready_s = run, now_s
        self._sample_s = self.sampler.after(now_s)

    def advance(self, until_s: float) -> None:
        """Run all steps that start before a time, and look at the pool at each boundary of the bins on the way."""
        run = self.engine
        if run.now_s >= until_s:
            return
        while self._sample_s < until_s:
            if not run.in_flight:
                self._sample_s = self.sampler.after(min(until_s, max(run.now_s, self._sample_s)))
                break
            run.advance(self._sample_s)
            self.sample(self._sample_s)
            self._sample_s = self.sampler.after(self._sample_s)
        run.advance(until_s)

    def sample(self, at_s: float) -> None:
        """Add what it did since the last look to the bin that ends now."""
        run = self.engine
        self.sampler.add(at_s, run.batch_s - self._batch_s, run.busy_s - self._busy_s, run.kv_share)
        self._batch_s, self._busy_s = run.batch_s, run.busy_s

    def lose(self) -> list[Job]:
        """Everything that it had: the engine is gone."""
        return [] if self.run is None else self.run.stop()

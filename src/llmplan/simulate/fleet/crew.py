"""The replicas of a fleet by what they are doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llmplan.perf.step_times import StepTimes
from llmplan.simulate.engine import Job, ReplicaRun, RequestLog, Rules
from llmplan.simulate.fleet.instance import Instance
from llmplan.simulate.fleet.sampler import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What a new engine is made of."""

    times: StepTimes
    rules: Rules
    log: RequestLog
    prefix_block_tokens: int | None = None


class Crew:
    """All replicas that ever were; those that are starting and ready; those that drain and are not done yet."""

    __slots__ = ("all", "draining", "making", "ready", "sampler", "starting")

    def __init__(self, making: Making) -> None:
        self.making = making
        self.sampler = Sampler()
        self.all: list[Instance] = []
        self.starting: list[Instance] = []
        self.ready: list[Instance] = []
        self.draining: list[Instance] = []

    @property
    def size(self) -> int:
        """Those that take requests, or will."""
        return len(self.ready) + len(self.starting)

    @property
    def in_flight(self) -> int:
        """Requests at replicas that are ready."""
        return sum(each.engine.in_flight for each in self.ready)

    @property
    def waiting(self) -> int:
        """Requests there without a slot."""
        return sum(each.engine.waiting for each in self.ready)

    def launch(self, now_s: float) -> Instance:
        """A new one begins to start."""
        instance = Instance(len(self.all), now_s, self.sampler)
        self.all.append(instance)
        self.starting.append(instance)
        return instance

    def open(self, instance: Instance, now_s: float, ended: Callable[[float], Job | None] | None) -> None:
        """It is ready; `ended` is called when a request ends there."""
        making = self.making
        run = ReplicaRun(
            making.times,
            making.rules,
            making.log,
            start_s=now_s,
            prefix_block_tokens=making.prefix_block_tokens,
            next_job=ended,
        )
        instance.open(run, now_s)
        self.starting.remove(instance)
        self.ready.append(instance)

    def retire(self, instance: Instance, now_s: float, cause: str) -> None:
        """It takes no more requests."""
        instance.draining_s, instance.cause = now_s, cause
        self.ready.remove(instance)
        self.draining.append(instance)

    def stop(self, instance: Instance, now_s: float, cause: str) -> None:
        """It is gone."""
        instance.stopped_s, instance.cause = now_s, cause
        for group in (self.starting, self.ready, self.draining):
            if instance in group:
                group.remove(instance)

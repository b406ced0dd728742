"""Replicas behind a router, through time: requests in, events of the fleet in between, a log of what became of them.

The fleet looks at its replicas only when it has to: where the router does not care how full they are, they run for
themselves from one event of the fleet to the next.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush

from llmplan.perf.step_times import StepTimes
from llmplan.simulate.engine import Job, RequestLog, Rules
from llmplan.simulate.engine.log import NEVER
from llmplan.simulate.fleet.agenda import Agenda
from llmplan.simulate.fleet.crew import Crew, Making
from llmplan.simulate.fleet.instance import Instance
from llmplan.simulate.fleet.lifecycle import Lifecycle
from llmplan.simulate.fleet.policy import View
from llmplan.simulate.fleet.routing import RoundRobin, make_router
from llmplan.simulate.fleet.rows import PIECE_ROWS, Row, Rows, Users, each_row, pieces
from llmplan.simulate.fleet.spec import FleetSpec
from llmplan.simulate.fleet.user_loop import SLICE_BINS, UserLoop
from llmplan.simulate.fleet.walk import walk
from llmplan.spec.requests import Requests

NOWHERE, REFUSED = -1, -2
"""in the column of replicas: not sent yet; no replica could ever serve it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: requests that have come, and the time that it has got to [s]."""

    requests: int
    simulated_s: float


class Fleet:
    """A fleet that is run once: `for progress in fleet.run(traffic)`. The loop may be left at any point: what is known
    by then is whole.

    By request, `log` has its times, `cold` whether it waited for a replica to start, `replica_of` the replica that it
    was sent to last (`NOWHERE`, `REFUSED`). `retries` counts requests that lost their replica, `refusals` those
    that no replica could ever serve, by reason.
    """

    def __init__(self, spec: FleetSpec, times: StepTimes, rules: Rules) -> None:
        self.spec, self.rules, self.log = spec, rules, RequestLog()
        self.cold, self.replica_of = bytearray(), array("l")
        self.retries, self.refusals = 0, dict[str, int]()
        self.now_s, self.finished = 0.0, False
        policy = spec.autoscaler
        self.slots = policy.slots_per_replica if policy is not None else None
        self._looks_always = policy is not None and policy.tick_s is None
        self._decider = policy.begin() if policy is not None else None
        self._router = make_router(spec.router, spec.packed_up_to)
        self.agenda = Agenda()
        self.crew = Crew(Making(times=times, rules=rules, log=self.log))
        self._lives = Lifecycle(spec, self.crew, self.agenda, self)
        self._gate: deque[Job] = deque()
        self._begun = False
        self._loop: UserLoop | None = None
        self._sent = self._ended = 0
        self._sent_s = self._ended_s = 0.0
        self._later: list[float] = []
        """ends of requests at replicas that drain, which have been computed ahead"""

    # -- from outside

    def run(self, traffic: Iterable[Requests], users: Users | None = None) -> Iterator[Progress]:
        """Serve all requests as they arrive, or as `users` send them one after the other, and say how far it is."""
        if users is None:
            for requests in traffic:
                for piece in pieces(requests):
                    self._feed(piece)
                    yield self.progress
        else:
            self._loop = UserLoop(self, users, each_row(traffic, self._begin))
            for turns, reports in enumerate(self._loop.turns(), start=1):
                if reports or turns % PIECE_ROWS == 0:
                    yield self.progress
        while self.in_flight and self._go_on():
            yield self.progress
        if self._idle_window_s is not None:
            self._lives.let_idle_go(math.inf, self._idle_window_s, self._min_replicas)
        self.finished = True
        yield self.progress

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(requests=len(self.log), simulated_s=self.now_s)

    @property
    def in_flight(self) -> int:
        """Requests that have come and are not answered."""
        draining = sum(each.in_flight for each in self.crew.draining)
        return len(self._gate) + self.crew.in_flight + draining + len(self._later)

    # -- requests in

    def _begin(self, requests: Requests) -> None:
        """The first replicas are ready when the first requests are seen, which say how their prefixes are cut."""
        if self._begun:
            return
        self._begun = True
        if requests.prefixes is not None:
            self.crew.making = replace(self.crew.making, prefix_block_tokens=requests.prefixes.block_tokens)
        self._lives.begin()
        if self.spec.autoscaler is not None and self.spec.autoscaler.tick_s is not None:
            self.agenda.add(self.spec.autoscaler.tick_s, self._tick)

    def _feed(self, requests: Requests) -> None:
        self._begin(requests)
        rows = Rows.of(requests, self.log.extend(requests))
        self.cold.extend(bytes(len(rows)))
        self.replica_of.extend([NOWHERE] * len(rows))
        at = 0
        while at < len(rows):
            stop = bisect_left(rows.arrival_s, self.agenda.next_s, at)
            if stop == at:
                self.fire()
            elif self._is_blind:
                self._send_all(rows, at, stop)
                at = stop
            else:
                self.arrive(rows.job(at), rows.arrival_s[at])
                at += 1
        if len(rows):
            self.advance(rows.arrival_s[-1])

    @property
    def _is_blind(self) -> bool:
        """Whether where a request goes does not depend on how full the replicas are."""
        ready = self.crew.ready
        if not ready or self.slots is not None or self._looks_always:
            return False
        return len(ready) == 1 or isinstance(self._router, RoundRobin)

    def _send_all(self, rows: Rows, start: int, stop: int) -> None:
        """Requests that come before anything else happens, all in one go."""
        ready, router, replica_of = self.crew.ready, self._router, self.replica_of
        count = len(ready)
        turn = router.turn % count if isinstance(router, RoundRobin) else 0
        sends = [(each.engine.submit, each.id) for each in ready]
        refused = self.log.refused
        for at in range(start, stop):
            job = rows.job(at)
            submit, number = sends[turn]
            if submit(job):
                replica_of[job.index] = number
            else:
                self._count_refused(job)
            turn += 1
            if turn == count:
                turn = 0
        if isinstance(router, RoundRobin):
            router.turn = turn
        self._sent += stop - start - (self.log.refused - refused)
        self._sent_s += math.fsum(rows.arrival_s[start:stop])

    def arrive(self, job: Job, now_s: float) -> bool:
        """One request comes; False if it is refused."""
        self.advance(now_s)
        if not self.comes(job, now_s):
            return False
        self._admit(job, now_s)
        policy = self.spec.autoscaler
        if self._looks_always:
            self._look(now_s)
        elif policy is not None and policy.wakes_at_once and not self.crew.size:
            self._lives.resize(1, now_s)
        return True

    def comes(self, job: Job, now_s: float) -> bool:
        """Count a request that has come; False if no replica could ever serve it."""
        if not self.rules.admits(job.prompt, job.output):
            self.log.refused += 1
            self._count_refused(job)
            return False
        self._sent += 1
        self._sent_s += now_s
        return True

    def write_down(self, row: Row, now_s: float) -> Job:
        """A request that nobody knew before."""
        index = self.log.add(now_s, row.input_tokens, row.output_tokens, row.tenant)
        self.cold.append(0)
        self.replica_of.append(NOWHERE)
        return Job(index, now_s, row.input_tokens, row.output_tokens, row.prefix)

    def _admit(self, job: Job, now_s: float) -> None:
        """To a replica, or to the gate while none has room."""
        open_ones = self._open_ones(now_s)
        if open_ones:
            self._send(self._router.pick(open_ones, job, self.log.tenant[job.index], now_s), job, now_s)
        else:
            self._gate.append(job)

    def _open_ones(self, now_s: float) -> Sequence[Instance]:
        """Replicas with room; where none has, the one in which the step under way makes some first."""
        slots, ready = self.slots, self.crew.ready
        if slots is None or self._sent - self._ended < slots:
            return ready
        open_ones = [each for each in ready if each.held(now_s) < slots]
        if open_ones:
            return open_ones
        soon = [each for each in ready if each.engine.in_flight < slots]
        return [min(soon, key=lambda each: each.engine.now_s)] if soon else []

    def _send(self, instance: Instance, job: Job, now_s: float) -> None:
        self.replica_of[job.index] = instance.id
        instance.engine.submit(job, now_s)

    def _count_refused(self, job: Job) -> None:
        too_long = job.prompt + job.output > self.rules.longest_tokens
        self.replica_of[job.index] = REFUSED
        reason = "longer than max_model_len" if too_long else "larger than the KV pool"
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    # -- requests out, called by the engines and by what happens to them

    def hook(self, instance: Instance) -> Callable[[float], Job | None] | None:
        """What to call when a request ends there; nothing where nobody wants to know."""
        spec, faults = self.spec, self.spec.faults
        changes = spec.autoscaler is not None or faults.mtbf_s or faults.at or faults.restarts_s
        watches = changes or self._loop is not None or not isinstance(self._router, RoundRobin)
        return partial(self._on_end, instance) if watches else None

    def _on_end(self, instance: Instance, now_s: float) -> Job | None:
        if instance.draining_s is not None:
            heappush(self._later, now_s)
        else:
            self._ended += 1
            self._ended_s += now_s
            instance.count_end(now_s)
        if self._loop is not None:
            job = self._loop.after_end(instance, now_s)
            if job is not None:
                return job
        if self._gate and self.slots is not None and instance.state == "ready":
            job = self._gate.popleft()
            self.replica_of[job.index] = instance.id
            return job
        return None

    def on_ready(self, now_s: float) -> None:
        """A new replica takes what waits at the gate, and what waits elsewhere where there is one queue for all."""
        self._router.forget()
        waited = {job.index for job in self._gate}
        if self.slots is not None:
            moved = [job for each in self.crew.ready for job in each.engine.take_waiting()]
            self._gate = deque(sorted([*moved, *self._gate], key=lambda job: (job.arrival_s, job.index)))
        places = self._router.places(self.crew.ready, now_s, self.slots)
        while self._gate:
            job = self._gate[0]
            if places is not None:
                chosen = next(places, None)
            else:
                open_ones = self._open_ones(now_s)
                chosen = self._router.pick(open_ones, job, self.log.tenant[job.index], now_s) if open_ones else None
            if chosen is None:
                return
            self._gate.popleft()
            if job.index in waited or chosen is self.crew.ready[-1]:
                self.cold[job.index] = 1
            self._send(chosen, job, now_s)

    def on_lost(self, jobs: list[Job], now_s: float) -> None:
        """Requests whose replica is gone start again from nothing, before those that came after them."""
        self._router.forget()
        log = self.log
        for job in jobs:
            log.slot_s[job.index] = log.first_s[job.index] = NEVER
            self.retries += 1
        fresh = [
            Job(job.index, job.arrival_s, log.input_tokens[job.index], log.output_tokens[job.index], job.prefix)
            for job in jobs
        ]
        waiting = sorted([*fresh, *self._gate], key=lambda job: (job.arrival_s, job.index))
        self._gate.clear()
        for job in waiting:
            self._admit(job, now_s)

    # -- time

    def fire(self) -> None:
        """What is due next happens."""
        self.advance(self.agenda.next_s)
        self.agenda.do_next()

    def advance(self, until_s: float) -> None:
        """Everybody computes up to a time; while requests wait at the gate, in the order in which places get free."""
        if self._gate and self.slots is not None:
            walk(self.crew.ready, self.now_s, until_s, lambda: bool(self._gate))
        for each in self.crew.ready:
            if each.engine.now_s < until_s and each.engine.in_flight:
                each.advance(until_s)
        later = self._later
        while later and later[0] <= until_s:
            self._ended += 1
            self._ended_s += heappop(later)
        if self._idle_window_s is not None:
            self._lives.let_idle_go(until_s, self._idle_window_s, self._min_replicas)
        self.now_s = max(self.now_s, until_s)

    def _go_on(self) -> bool:
        """A bit of time in which no request comes; False where nothing can happen any more."""
        due_s, slice_s = self.agenda.next_s, self.now_s + SLICE_BINS * self.crew.sampler.width_s
        if due_s > slice_s and (self.crew.in_flight or self._later):
            self.advance(slice_s)
        elif due_s < math.inf:
            self.fire()
        return due_s < math.inf or self.now_s == slice_s

    # -- the autoscaler

    @property
    def _idle_window_s(self) -> float | None:
        return self.spec.autoscaler.idle_window_s if self.spec.autoscaler is not None else None

    @property
    def _min_replicas(self) -> int:
        return self.spec.autoscaler.min_replicas if self.spec.autoscaler is not None else 0

    def _tick(self, now_s: float) -> None:
        policy = self.spec.autoscaler
        assert policy is not None
        assert policy.tick_s is not None
        self._look(now_s)
        self.agenda.add(now_s + policy.tick_s, self._tick)

    def _look(self, now_s: float) -> None:
        """As many replicas as the autoscaler wants now."""
        policy, decider, crew = self.spec.autoscaler, self._decider, self.crew
        assert policy is not None
        assert decider is not None
        view = View(
            now_s=now_s,
            ready=len(crew.ready),
            starting=len(crew.starting),
            in_flight=self._sent - self._ended,
            waiting=len(self._gate) if self._looks_always else len(self._gate) + crew.waiting,
            request_s=now_s * (self._sent - self._ended) - self._sent_s + self._ended_s,
        )
        wanted = min(max(decider.desired(view), policy.min_replicas), policy.max_replicas)
        self._lives.resize(wanted, now_s)

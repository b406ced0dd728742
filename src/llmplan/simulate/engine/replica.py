"""One replica from event to event: prompts enter a step, sequences leave it, and in between equal steps are jumped.

Time is counted in ticks: a tick is one step, in which every running sequence gets a token. While no prompt is being
computed, a run of ticks has a closed form (`LinearRun`), so that the work of a simulation grows with the requests,
not with their tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from llmplan.perf.step_times import Line, StepTimes
from llmplan.simulate.engine.fair_queue import FairQueue
from llmplan.simulate.engine.front_end import FrontEnd
from llmplan.simulate.engine.job import Job
from llmplan.simulate.engine.jump import ticks_before, ticks_s
from llmplan.simulate.engine.kv_pool import KvPool
from llmplan.simulate.engine.log import NEVER, RequestLog
from llmplan.simulate.engine.rules import Rules


class ReplicaRun:
    """A replica with its queue. `submit` requests in the order of time, then `advance` to the next of them.

    `next_job`: called with the time at which a request ended, gives the one that its user sends then (closed loop).
    `longest_jump`: most ticks in one go; 1 walks step by step.
    """

    __slots__ = (
        "_batch", "_budget", "_context", "_ends", "_front", "_order", "_pool", "_prefilling", "_prefix_block_tokens",
        "_rules", "_times", "_waiting", "batch_s", "busy_s", "log", "longest_jump", "next_job", "now_s", "tick",
    )  # fmt: skip

    def __init__(
        self,
        times: StepTimes,
        rules: Rules,
        log: RequestLog,
        *,
        start_s: float = 0.0,
        prefix_block_tokens: int | None = None,
        next_job: Callable[[float], Job | None] | None = None,
        longest_jump: int = 1 << 40,
    ) -> None:
        self._times, self._rules, self.log = times, rules, log
        self._budget = times.budget_tokens * times.groups
        self._prefix_block_tokens = prefix_block_tokens
        self._pool = KvPool(rules, prefix_block_tokens)
        self._front = FrontEnd(times.request_s, times.groups)
        self._waiting: deque[Job] | FairQueue = FairQueue(self._tenant_of) if rules.fair_share else deque()
        self._prefilling: deque[Job] = deque()
        self._ends: list[tuple[int, int, Job]] = []
        self._batch = 0
        self._context = 0
        self._order = 0
        self.next_job, self.longest_jump = next_job, longest_jump
        self.now_s = start_s
        self.tick = 0
        self.busy_s = 0.0
        self.batch_s = 0.0

    # -- what others may see

    @property
    def waiting(self) -> int:
        """Requests that are not in a slot yet."""
        return len(self._front) + len(self._waiting)

    @property
    def running(self) -> int:
        """Requests in a slot: prompts being computed and sequences that decode."""
        return len(self._prefilling) + self._batch

    @property
    def in_flight(self) -> int:
        """Requests that have come and not gone."""
        return len(self._front) + len(self._waiting) + len(self._prefilling) + self._batch

    @property
    def next_step_s(self) -> float:
        """When the next step starts, unless others are sent: now, where anybody is there for it [s]."""
        return self.now_s if self._prefilling or self._batch or self._waiting else max(self.now_s, self._front.next_s)

    @property
    def horizon_s(self) -> float:
        """A time before which no request ends here, unless others are sent."""
        if self._prefilling or self._waiting:
            return self.now_s
        coming_s = self._front.next_s
        if not self._batch:
            return coming_s
        line = self._line()
        step_s = line.at_zero_s + line.per_token_s * self._context
        return min(coming_s, self.now_s + (self._ends[0][0] - self.tick) * step_s)

    @property
    def used_blocks(self) -> int:
        """Blocks of requests in a slot, and of prefixes that they share; idle prefixes are not in use."""
        return self._pool.used_blocks(self.tick - 1)

    @property
    def idle_blocks(self) -> int:
        """Blocks of prefixes that nobody uses at the moment."""
        return self._pool.idle_blocks

    @property
    def kv_share(self) -> float:
        """Share of the pool in use [-]."""
        return self.used_blocks / self._rules.blocks

    # -- what others may do

    def submit(self, job: Job, at_s: float | None = None) -> bool:
        """Send a request, as it arrives or later; False if it is longer than the engine can ever serve: it is refused,
        and counted."""
        if not self._rules.admits(job.prompt, job.output - job.generated):
            self.log.refused += 1
            return False
        self._front.add(job, job.arrival_s if at_s is None else at_s)
        return True

    def advance(self, until_s: float) -> None:
        """Run all steps that start before a time; the last of them may end after it."""
        front, waiting = self._front, self._waiting
        while self.now_s < until_s:
            if front.next_s <= self.now_s:
                front.pass_on(self.now_s, waiting)
            if waiting:
                self._admit()
            if self._prefilling:
                self._mixed_step()
            elif self._batch:
                self._decode_run(until_s)
            elif front.next_s < until_s:
                self.now_s = front.next_s
            else:
                return

    def take_waiting(self) -> list[Job]:
        """Requests without a slot, in order: they go elsewhere."""
        taken = [*self._waiting, *self._front.take()]
        self._waiting.clear()
        return taken

    def stop(self) -> list[Job]:
        """All requests, of which the running ones have to be computed anew: the engine is gone, and its cache."""
        lost = [job for _, _, job in self._ends]
        for job in lost:
            self._lose(job)
        lost = sorted([*lost, *self._prefilling], key=lambda job: job.order)
        for job in lost:
            self._pool.release(job)
            job.computed = 0
        self._ends.clear()
        self._prefilling.clear()
        self._pool = KvPool(self._rules, self._prefix_block_tokens)
        return [*lost, *self.take_waiting()]

    def _tenant_of(self, job: Job) -> int:
        return self.log.tenant[job.index]

    # -- a request's way

    def _admit(self) -> None:
        """Waiting requests take slots in order, while sequences, tokens of this step and blocks last."""
        rules, waiting, prefilling, log = self._rules, self._waiting, self._prefilling, self.log
        left = self._budget - (0 if rules.prompts_first else int(self._batch * self._times.width))
        each = max(1, left // self._times.groups)
        for job in prefilling:
            left -= min(job.prompt - job.computed, each)
        while waiting and (left > 0 or not prefilling) and len(prefilling) + self._batch < rules.max_num_seqs:
            job = waiting[0]
            if not self._pool.reserve(job, self.tick):
                return
            waiting.popleft()
            self._order += 1
            job.order = self._order
            prefilling.append(job)
            if log.slot_s[job.index] == NEVER:
                log.slot_s[job.index] = self.now_s
            fresh = job.prompt - job.computed
            log.cached_tokens += job.computed
            log.computed_tokens += fresh
            left -= min(fresh, each)

    def _mixed_step(self) -> None:
        """One step with as much of the prompts, in order, as its token budget holds beside the running sequences; these
        stand still where prompts go first."""
        alone = self._rules.prompts_first
        if not alone:
            self._make_room()
        if not self._prefilling:
            return
        times, log = self._times, self.log
        batch = 0 if alone else self._batch
        left = max(1, self._budget - int(batch * times.width))
        each = max(1, left // times.groups)
        chunks, done = [], 0
        for job in self._prefilling:
            tokens = min(job.prompt - job.computed, left, each)
            chunks.append((job.computed, job.computed + tokens))
            job.computed += tokens
            left -= tokens
            done += job.computed == job.prompt
            if left <= 0:
                break
        period_s, lag_s = times.mixed(batch, self._context if batch else 0, chunks)
        self._pass(0 if alone else 1, period_s)
        if batch:
            self._finish()
        if done:
            through = [job for job in self._prefilling if job.computed == job.prompt]
            for job in through:
                self._prefilling.remove(job)
                if log.first_s[job.index] == NEVER:
                    log.first_s[job.index] = self.now_s + lag_s
                self._start_decoding(job)

    def _start_decoding(self, job: Job) -> None:
        """Its prompt is computed, and with it the next token of its answer."""
        job.generated += 1
        self._pool.begin(job, self.tick)
        if job.generated >= job.output:
            self._leave(job)
            return
        self._batch += 1
        self._context += job.prompt + 1
        job.end_tick = self.tick + job.output - job.generated
        heappush(self._ends, (job.end_tick, job.order, job))

    def _decode_run(self, until_s: float) -> None:
        """Equal steps up to the next event: a sequence ends, a request comes that could be admitted, the pool is
        full, the slope of a step changes."""
        self._make_room()
        batch, context = self._batch, self._context
        ticks = min(self._ends[0][0] - self.tick, self.longest_jump)
        line = self._line()
        first_s = line.at_zero_s + line.per_token_s * context
        growth_s = line.per_token_s * batch
        horizon_s = until_s
        if self._front.next_s < horizon_s and not self._is_full():
            horizon_s = self._front.next_s
        ticks = ticks_before(horizon_s - self.now_s, first_s, growth_s, ticks)
        if context + batch * (ticks - 1) >= line.until_tokens:
            ticks = max(1, int(-(-(line.until_tokens - context) // batch)))
        ticks = max(1, self._pool.ticks_within(self.tick, ticks))
        self._pass(ticks, ticks_s(first_s, growth_s, ticks))
        self._finish()

    def _line(self) -> Line:
        """How long steps take with as much context as there is."""
        lines = self._times.decode(self._batch)
        if len(lines) > 1:
            return next(line for line in lines if self._context < line.until_tokens)
        return lines[0]

    def _is_full(self) -> bool:
        """Whether no request could be admitted, whatever comes: those that wait go first, and wait already."""
        return bool(self._waiting) or self.running >= self._rules.max_num_seqs

    def _pass(self, ticks: int, seconds: float) -> None:
        """Time goes by: every running sequence gets a token in each tick."""
        batch = self._batch
        self.now_s += seconds
        self.tick += ticks
        self._context += batch * ticks
        self.busy_s += seconds
        self.batch_s += (batch + len(self._prefilling)) * seconds
        self._pool.settle(self.tick)

    def _finish(self) -> None:
        """Sequences whose last token has come leave."""
        ends, tick = self._ends, self.tick
        while ends and ends[0][0] <= tick:
            job = heappop(ends)[2]
            self._stop_decoding(job)
            self._leave(job)

    def _stop_decoding(self, job: Job) -> None:
        """A sequence leaves the batch."""
        assert job.growth is not None
        self._batch -= 1
        self._context -= job.growth + self.tick

    def _leave(self, job: Job) -> None:
        """A request is answered."""
        self._pool.release(job)
        self.log.done_s[job.index] = self.now_s
        if self.next_job is not None:
            following = self.next_job(self.now_s)
            if following is not None:
                self.submit(following)

    def _make_room(self) -> None:
        """If the next tick needs more blocks than there are, whoever came last gives up all of its own and is computed
        anew later. One sequence alone always has room: it would have been refused."""
        while not self._pool.has_room(self.tick):
            self._preempt()

    def _preempt(self) -> None:
        self.log.preemptions += 1
        if self._prefilling:
            job = self._prefilling.pop()
        else:
            place = max(range(len(self._ends)), key=lambda index: self._ends[index][1])
            job = self._ends.pop(place)[2]
            heapify(self._ends)
            self._lose(job)
        self._pool.release(job)
        job.computed = 0
        self._waiting.appendleft(job)

    def _lose(self, job: Job) -> None:
        """A sequence stops in the middle of its answer: what it has generated becomes part of its prompt."""
        job.generated = job.output - (job.end_tick - self.tick)
        self._stop_decoding(job)
        job.prompt = self.log.input_tokens[job.index] + job.generated

"""Continuous batching in its steady state: how many sequences decode together, and how long prompts wait.

One replica is a closed or open network of two stations. Decoding is a *delay* station: every running sequence
advances once per step, so a step takes as long as the batch makes it. Prefill is a *queue*: prompts share the
token budget of the steps one after another. The batch is the fixed point at which the two agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from llmplan.perf.pace import Pace
from llmplan.perf.step import StepModel

ITERATIONS = 40
TOLERANCE = 5e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One request of the load: mean prompt, the part of it that a prefix cache holds, mean answer, and spreads.

    `cv2_interarrival` and `cv2_service` are squared coefficients of variation of gaps and of work per request.
    """

    prompt: float
    cached: float
    output: float
    cv2_interarrival: float = 1.0
    cv2_service: float = 0.0

    @property
    def decode_steps(self) -> float:
        """Steps after the one that yields the first token; barely more than none for a one-token answer."""
        return max(self.output - 1.0, 0.01)

    @property
    def resident_tokens(self) -> float:
        """Cache tokens that a running request holds, averaged over its life."""
        return self.prompt + self.output / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """What one replica does under a load. `queue_s` is the wait for a slot, `service_s` from slot to first token."""

    batch: float
    tpot_s: float
    service_s: float
    queue_s: float
    prefill_wait_s: float
    prefill_busy: float
    requests_per_s: float

    @property
    def ttft_s(self) -> float:
        """Mean time to first token."""
        return self.queue_s + self.service_s


class Engine:
    """One replica's step model with the slots that its scheduler and its KV pool leave for one request shape."""

    __slots__ = ("_paces", "context", "kv_slots", "model", "sequence_slots", "shape")

    def __init__(self, model: StepModel, shape: Shape, *, max_num_seqs: int, kv_slots: float) -> None:
        self.model = model
        self.shape = shape
        self.context = shape.resident_tokens
        self.sequence_slots = float(max_num_seqs * model.groups)
        self.kv_slots = max(1.0, kv_slots)
        self._paces: dict[float, Pace] = {}  # every search starts from the same ends and asks for its root again

    @property
    def slots(self) -> float:
        """Requests that may be in progress at once."""
        return min(self.sequence_slots, self.kv_slots)

    @property
    def decode_limit(self) -> float:
        """Sequences that can decode together while the rest of each step's token budget prefills their successors.

        B + B (prompt / answer) = budget: beyond it prompts queue instead.
        """
        fresh = self.shape.prompt - self.shape.cached
        return self.model.groups * self.model.chunk_tokens / (1.0 + fresh / self.shape.decode_steps)

    def closed(self, users: float) -> Steady:
        """`users` requests always in flight: those beyond the slots wait outside.

        Approximate mean value analysis (Schweitzer 1979) of a delay station and a queue: an arriving request sees
        the others, (N - 1)/N of the mean numbers, of whose prompts it waits for (1 + cv^2)/2 as in M/G/1. The share of
        requests that start together waits for half of them.
        """
        running = min(users, self.slots)
        others = (running - 1.0) / running if running > 1.0 else 0.0

        spread = min(1.0, (1.0 + self.shape.cv2_service) / 2.0)

        def ahead(batch: float) -> float:
            """Prompts that an arriving one waits for: the queue, or for some the half of all that started with it."""
            queue = spread * (running - batch)
            return others * (queue + self.model.lockstep_share * max(0.0, running / 2.0 - queue))

        def waiting(batch: float) -> float:
            tpot_s, alone_s, absorbed_s = self._around(batch, others, running)
            rate = batch / (self.shape.decode_steps * tpot_s)
            first_s = self.model.request_s + alone_s + ahead(batch) * absorbed_s
            return running - batch - rate * first_s

        limit = min(running, max(1.0, self.decode_limit))
        batch = solve_decreasing(waiting, 0.0, limit, at_low=running)
        tpot_s, alone_s, absorbed_s = self._around(batch, others, running)
        wait_s = ahead(batch) * absorbed_s
        if batch == limit < running:
            cycle_s = running / limit * self.shape.decode_steps * tpot_s
            wait_s = max(wait_s, cycle_s - self.shape.decode_steps * tpot_s - self.model.request_s - alone_s)
        rate = running / (self.shape.decode_steps * tpot_s + self.model.request_s + alone_s + wait_s)
        return self._result(batch, tpot_s, alone_s, wait_s, (users - running) / rate, rate, absorbed_s)

    def open(self, rate: float, full: Steady) -> Steady:
        """Requests arrive at `rate` per second, below what the replica completes when `full`.

        Batch by Little's law; a prompt waits for the prompts before it (Kingman's G/G/1) and, near saturation,
        for a slot (Sakasegawa's G/G/c).
        """
        slots = self.slots

        per_group = rate / self.model.groups

        def missing(batch: float) -> float:
            return rate * self.shape.decode_steps * self._pace(1.0 + batch).step_at_rate_s(per_group) - batch

        batch = solve_decreasing(missing, 0.0, max(min(slots, self.decode_limit) - 1.0, 0.0))
        pace = self._pace(1.0 + batch)
        tpot_s = min(pace.step_at_rate_s(per_group), max(full.tpot_s, pace.decode_s))
        absorbed_s = pace.absorbed_s / self.model.groups
        alone_s = self._alone_s(batch, pace, per_group * tpot_s)
        busy = min(rate * absorbed_s, 0.999)
        spread = (self.shape.cv2_interarrival + self.shape.cv2_service) / 2.0
        wait_s = absorbed_s * spread * busy / (1.0 - busy)
        load = min(rate / full.requests_per_s, 0.999)
        queue_s = spread * load ** (math.sqrt(2.0 * (slots + 1.0)) - 1.0) / (1.0 - load) / full.requests_per_s
        return self._result(batch, tpot_s, alone_s, wait_s, queue_s, rate, absorbed_s)

    def burst(self, requests: float, full: Steady) -> Steady:
        """`requests` at t = 0: the first fill the slots, prefilled one after another; the rest take their place."""
        running = min(requests, self.slots)
        shape = self.shape
        alone_s = self.model.prefill_s(shape.prompt, shape.cached)
        half = (running - 1.0) / 2.0
        pace_s = self._pace(half).absorbed_s / self.model.groups
        fill_s = alone_s + (running - 1.0) * pace_s
        step_s = self.model.decode_s(running, self.context)
        tpot_s = step_s + half * pace_s / shape.decode_steps
        first_s = self.model.request_s + alone_s + half * pace_s
        later = requests - running
        refill_s = later / full.requests_per_s
        queue_s = 0.0
        if later > 0.0:
            tpot_s = (running * tpot_s + later * full.tpot_s) / requests
            first_done_s = fill_s / 2.0 + shape.decode_steps * full.tpot_s
            queue_s = later / requests * (first_done_s + refill_s / 2.0)
        makespan_s = refill_s + self.model.request_s + fill_s + shape.decode_steps * step_s
        return Steady(
            batch=running,
            tpot_s=tpot_s,
            service_s=first_s,
            queue_s=queue_s,
            prefill_wait_s=half * pace_s,
            prefill_busy=min(1.0, fill_s / makespan_s),
            requests_per_s=requests / makespan_s,
        )

    def _around(self, batch: float, others: float, running: float) -> tuple[float, float, float]:
        """When one request sees `others` of `batch` decodes: TPOT, prefill alone, and the pace of a backlog [s]."""
        seen, groups = others * batch, self.model.groups
        pace = self._pace(1.0 + seen)
        bunch, prompts_per_step = self._bunch(pace, running / groups), seen / self.shape.decode_steps / groups
        tpot_s, alone_s = pace.step_s(prompts_per_step, bunch), self._alone_s(seen, pace, prompts_per_step, bunch)
        return tpot_s, alone_s, pace.absorbed_s / groups

    def _bunch(self, pace: Pace, running: float) -> float:
        """Prompts that a step carries at once in a closed loop of `running` requests a group.

        Requests that start in one step end in one step, if their answers are equally long: bunches merge and never
        split, but for the budget of a step. Unequal answers drift apart.
        """
        share = self.model.bunching_share * max(0.0, 1.0 - self.shape.cv2_service)
        return 1.0 + share * (max(1.0, min(running, pace.most)) - 1.0)

    def _pace(self, batch: float) -> Pace:
        if batch not in self._paces:
            self._paces[batch] = self.model.pace(batch, self.context, self.shape.prompt, self.shape.cached)
        return self._paces[batch]

    def _alone_s(self, batch: float, pace: Pace, prompts_per_step: float, bunch: float = 1.0) -> float:
        """Prefill of one prompt among `batch` decodes and with the rest of its bunch, after what is left of the step
        that it finds under way [s]."""
        prefill_s = self.model.prefill_s(self.shape.prompt, self.shape.cached, batch, self.context)
        shared_s = pace.bunch_s(bunch) - pace.extra_s
        return prefill_s + shared_s + pace.residual_s(prompts_per_step, bunch) * min(1.0, batch)

    def _result(
        self, batch: float, tpot_s: float, alone_s: float, wait_s: float, queue_s: float, rate: float, absorbed_s: float
    ) -> Steady:
        return Steady(
            batch=batch,
            tpot_s=tpot_s,
            service_s=self.model.request_s + alone_s + wait_s,
            queue_s=queue_s,
            prefill_wait_s=wait_s,
            prefill_busy=min(1.0, rate * absorbed_s),
            requests_per_s=rate,
        )


def solve_decreasing(
    function: Callable[[float], float], low: float, high: float, *, at_low: float | None = None
) -> float:
    """The root of a decreasing function between `low` and `high`, or the end nearer to it.

    function: decreasing; low, high: its bracket [any unit]; at_low: its value at `low`, where that is known.
    Illinois variant of regula falsi: bracketing, and much faster than bisection on nearly straight functions.
    Valid for continuous decreasing functions. Reference: Dowell and Jarratt 1971, BIT 11.

    >>> round(solve_decreasing(lambda x: 2.0 - x * x, 0.0, 2.0), 3)
    1.414
    """
    at_low, at_high = function(low) if at_low is None else at_low, function(high)
    if at_low <= 0.0:
        return low
    if at_high >= 0.0:
        return high
    side = 0
    for _ in range(ITERATIONS):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = function(middle)
        if value > 0.0:
            low, at_low = middle, value
            at_high = at_high / 2.0 if side == 1 else at_high
            side = 1
        else:
            high, at_high = middle, value
            at_low = at_low / 2.0 if side == -1 else at_low
            side = -1
        if high - low <= TOLERANCE * high or value == 0.0:
            break
    return middle

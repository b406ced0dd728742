"""Engines with step times that can be worked out by hand, and traffic for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from llmplan.perf.step_times import Line, Mixed
from llmplan.simulate.engine import Job, ReplicaRun, RequestLog, Rules
from llmplan.spec.requests import Requests


class PlainTimes:
    """A step takes `step_s` + `sequence_s` a sequence + `context_s` a token of context (`late_context_s` beyond
    `kink_tokens`) + `prompt_s` a prompt token."""

    def __init__(
        self,
        *,
        step_s: float = 0.01,
        sequence_s: float = 0.0,
        context_s: float = 0.0,
        prompt_s: float = 0.0,
        request_s: float = 0.0,
        budget_tokens: int = 1 << 30,
        kink_tokens: float = math.inf,
        late_context_s: float = 0.0,
    ) -> None:
        self.step_s, self.sequence_s, self.context_s, self.prompt_s = step_s, sequence_s, context_s, prompt_s
        self.kink_tokens, self.late_context_s = kink_tokens, late_context_s
        self.request_s, self.budget_tokens, self.groups, self.width = request_s, budget_tokens, 1, 1.0

    def decode(self, batch: int) -> Sequence[Line]:
        fixed = self.step_s + self.sequence_s * batch
        first = Line(self.kink_tokens, fixed, self.context_s)
        if math.isinf(self.kink_tokens):
            return (first,)
        slope = self.context_s + self.late_context_s
        return (first, Line(math.inf, fixed - self.late_context_s * self.kink_tokens, slope))

    def mixed(self, batch: int, context_tokens: float, chunks: Sequence[tuple[int, int]]) -> Mixed:
        tokens = sum(end - start for start, end in chunks)
        late = max(0.0, context_tokens - self.kink_tokens) * self.late_context_s if batch else 0.0
        cache_s = self.context_s * context_tokens if batch else 0.0
        return Mixed(self.step_s + self.sequence_s * batch + cache_s + late + self.prompt_s * tokens, 0.0)


def rules(**changes: Any) -> Rules:
    stated: dict[str, Any] = {"max_num_seqs": 64, "blocks": 1 << 40, "block_tokens": 16}
    return Rules(**(stated | changes))


def poisson(count: int, rate: float, *, seed: int, prompt: int = 50, output: int = 20, spread: float = 0.0) -> Requests:
    rng = np.random.default_rng(seed)
    lengths = [
        np.maximum(1, rng.lognormal(np.log(mean) - spread**2 / 2, spread, count)).astype(np.int64)
        for mean in (prompt, output)
    ]
    gaps = rng.exponential(1 / rate, count)
    return Requests(arrival_s=np.cumsum(gaps), input_tokens=lengths[0], output_tokens=lengths[1])


def played(requests: Requests, times: Any, limits: Rules, **options: Any) -> tuple[ReplicaRun, RequestLog]:
    """All of the requests on one replica, to the end."""
    run, log = started(requests, times, limits, **options)
    run.advance(math.inf)
    return run, log


def started(requests: Requests, times: Any, limits: Rules, **options: Any) -> tuple[ReplicaRun, RequestLog]:
    log = RequestLog()
    unit = requests.prefixes.block_tokens if requests.prefixes else None
    run = ReplicaRun(times, limits, log, prefix_block_tokens=unit, **options)
    log.extend(requests)
    for index in range(len(requests)):
        prefix = requests.prefixes.of(index) if requests.prefixes else ()
        arrival_s, prompt = float(requests.arrival_s[index]), int(requests.input_tokens[index])
        run.submit(Job(index, arrival_s, prompt, int(requests.output_tokens[index]), prefix))
    return run, log

"""Step times of one machine as a sum of few terms, and a load replayed through the simulator with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from recorded import Run

from llmplan.perf.step_times import Line, Mixed
from llmplan.simulate.engine import Job, ReplicaRun, RequestLog, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Seconds of a step = step_s + sequence_s x sequences that decode + prompt_s x prompt tokens
    + context_s x tokens of context that decoding sequences read + pair_s x pairs of tokens that a prompt attends;
    and of a request before its first step. None is negative."""

    step_s: float
    sequence_s: float
    prompt_s: float
    context_s: float
    pair_s: float
    request_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearTimes:
    """`StepTimes` of an engine on one device, by `Coefficients`."""

    of: Coefficients
    budget_tokens: int
    groups: int = 1
    width: float = 1.0

    @property
    def request_s(self) -> float:
        """Fixed time between a request and its first step [s]."""
        return self.of.request_s

    def decode(self, batch: int) -> Sequence[Line]:
        """One line: nothing bends."""
        return (Line(math.inf, self.of.step_s + self.of.sequence_s * batch, self.of.context_s),)

    def mixed(self, batch: int, context_tokens: float, chunks: Sequence[tuple[int, int]]) -> Mixed:
        """The step without prompts and what the pieces add."""
        line = self.decode(batch)[0]
        tokens = sum(end - start for start, end in chunks)
        pairs = sum((end * (end + 1) - start * (start + 1)) / 2 for start, end in chunks)
        seconds = line.at_zero_s + line.per_token_s * context_tokens
        return Mixed(seconds + self.of.prompt_s * tokens + self.of.pair_s * pairs, 0.0)


def replay(run: Run, times: LinearTimes, rules: Rules, *, as_recorded: bool = False) -> Run:
    """The same requests through the simulator.

    In a closed loop only lengths are taken from the recording: a request is sent when one before it is done.
    `as_recorded`: they are sent when they were, so that a fit compares like with like.
    """
    log = RequestLog()
    inputs, outputs = run.input_tokens.tolist(), run.output_tokens.tolist()

    def job(index: int, arrival_s: float) -> Job:
        log.add(arrival_s, inputs[index], outputs[index])
        return Job(index, arrival_s, inputs[index], outputs[index])

    if run.clients is None or as_recorded:
        replica = ReplicaRun(times, rules, log)
        for index, arrival_s in enumerate(run.arrival_s.tolist()):
            replica.advance(arrival_s)
            replica.submit(job(index, arrival_s))
    else:
        later = iter(range(run.clients, len(inputs)))

        def following(done_s: float) -> Job | None:
            index = next(later, None)
            return None if index is None else job(index, done_s)

        replica = ReplicaRun(times, rules, log, next_job=following)
        for index in range(min(run.clients, len(inputs))):
            replica.submit(job(index, 0.0))
    replica.advance(math.inf)
    arrival_s = np.array(log.arrival_s)
    return Run(
        load=run.load,
        run="simulated",
        clients=run.clients,
        arrival_s=arrival_s,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        ttft_s=np.array(log.first_s) - arrival_s,
        e2e_s=np.array(log.done_s) - arrival_s,
    )

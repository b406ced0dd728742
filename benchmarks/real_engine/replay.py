"""A recorded load once more, through the simulator."""

from __future__ import annotations

import math

import numpy as np
from recorded import Run
from steps import WalkedTimes

from llmplan.perf.step_times import StepTimes
from llmplan.simulate.engine import Job, ReplicaRun, RequestLog, Rules


class Sender:
    """Sends the requests of a run in their order."""

    def __init__(self, run: Run, log: RequestLog) -> None:
        self._lengths = zip(run.input_tokens.tolist(), run.output_tokens.tolist(), strict=True)
        self._log = log

    def next(self, arrival_s: float) -> Job | None:
        """The next one, sent now; None when all are sent."""
        lengths = next(self._lengths, None)
        if lengths is None:
            return None
        return Job(self._log.add(arrival_s, *lengths), arrival_s, *lengths)


def replay(run: Run, times: StepTimes, rules: Rules, *, as_recorded: bool = False) -> Run:
    """The same requests through the simulator.

    In a closed loop only lengths are taken from the recording: a request is sent when one before it is done.
    `as_recorded`: they are sent when they were, so that a fit compares like with like.
    """
    log = RequestLog()
    sender = Sender(run, log)
    closed = run.clients is not None and not as_recorded
    walks = isinstance(times, WalkedTimes)
    replica = ReplicaRun(
        times, rules, log, next_job=sender.next if closed else None, longest_jump=1 if walks else 1 << 40
    )
    if isinstance(times, WalkedTimes):
        times.replica = replica
    for arrival_s in [0.0] * (run.clients or 0) if closed else run.arrival_s.tolist():
        replica.advance(arrival_s)
        job = sender.next(arrival_s)
        if job is not None:
            replica.submit(job)
    replica.advance(math.inf)
    sent_s = np.array(log.arrival_s)
    return Run(
        load=run.load,
        run="simulated",
        clients=run.clients,
        arrival_s=sent_s,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        ttft_s=np.array(log.first_s) - sent_s,
        e2e_s=np.array(log.done_s) - sent_s,
        preemptions=log.preemptions,
    )

"""A log as arrays, as far as it is known at a time, and the promises that each request kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmplan.plan.simulated import Attainment
from llmplan.simulate.engine import RequestLog
from llmplan.simulate.engine.log import NEVER
from llmplan.simulate.fleet.fleet import REFUSED
from llmplan.spec.requests import Floats, Integers
from llmplan.spec.workload import Slo

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """By request [s, tokens]. `tpot_s` is NaN for a request of one token; times of what is not known are infinite."""

    arrival_s: Floats
    slot_s: Floats
    done_s: Floats
    ttft_s: Floats
    tpot_s: Floats
    e2e_s: Floats
    input_tokens: Integers
    output_tokens: Integers
    tenant: Integers
    answered: Flags
    refused: Flags

    @classmethod
    def of(cls, log: RequestLog, replica_of: Integers, until_s: float) -> Columns:
        """What is known at a time: what ends after it has not ended."""
        arrival_s, slot_s, first_s, done_s = (
            np.asarray(log.column(name), dtype=np.float64) for name in ("arrival_s", "slot_s", "first_s", "done_s")
        )
        slot_s, done_s = (np.where((each == NEVER) | (each > until_s), np.inf, each) for each in (slot_s, done_s))
        output = np.asarray(log.column("output_tokens"), dtype=np.int64)
        steps = np.where(output > 1, output - 1, 1)
        return cls(
            arrival_s=arrival_s,
            slot_s=slot_s,
            done_s=done_s,
            ttft_s=first_s - arrival_s,
            tpot_s=np.where(output > 1, (done_s - first_s) / steps, np.nan),
            e2e_s=done_s - arrival_s,
            input_tokens=np.asarray(log.column("input_tokens"), dtype=np.int64),
            output_tokens=output,
            tenant=np.asarray(log.column("tenant"), dtype=np.int64),
            answered=np.isfinite(done_s),
            refused=replica_of == REFUSED,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """By request: whether it was answered within each promise (None: none was made), and within all."""

    ttft: Flags | None
    tpot: Flags | None
    e2e: Flags | None
    joint: Flags

    @classmethod
    def of(cls, columns: Columns, slo: Slo) -> Kept:
        """Each request held against what is promised for 95 of 100."""
        answered = columns.answered
        ttft = None if slo.ttft_p95_s is None else answered & (columns.ttft_s <= slo.ttft_p95_s)
        tpot = None if slo.tpot_p95_s is None else answered & ~(columns.tpot_s > slo.tpot_p95_s)
        e2e = None if slo.e2e_p95_s is None else answered & (columns.e2e_s <= slo.e2e_p95_s)
        joint = answered.copy()
        for each in (ttft, tpot, e2e):
            if each is not None:
                joint &= each
        return cls(ttft=ttft, tpot=tpot, e2e=e2e, joint=joint)

    def attainment(self, among: int) -> Attainment:
        """Shares of so many requests."""
        ttft, tpot, e2e = (
            None if each is None else int(each.sum()) / among for each in (self.ttft, self.tpot, self.e2e)
        )
        return Attainment(ttft=ttft, tpot=tpot, e2e=e2e, joint=int(self.joint.sum()) / among)

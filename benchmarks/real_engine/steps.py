"""Step times of one machine as a sum of few terms, and what a walk through steps adds up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmplan.perf.step_times import Line, Mixed
from llmplan.simulate.engine import ReplicaRun
from llmplan.spec.requests import Floats


@dataclass(frozen=True, slots=True)
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


def sums(chunks: Sequence[tuple[int, int]]) -> tuple[int, float]:
    """Tokens of pieces of prompts, and pairs of tokens that they attend."""
    tokens = sum(end - start for start, end in chunks)
    return tokens, sum((end * (end + 1) - start * (start + 1)) / 2 for start, end in chunks)


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
        tokens, pairs = sums(chunks)
        seconds = line.at_zero_s + line.per_token_s * context_tokens
        return Mixed(seconds + self.of.prompt_s * tokens + self.of.pair_s * pairs, 0.0)


class WalkedTimes:
    """`LinearTimes` that write down what each step held, of a replica that walks step by step."""

    def __init__(self, times: LinearTimes) -> None:
        self._times = times
        self.request_s, self.groups, self.budget_tokens, self.width = times.request_s, 1, times.budget_tokens, 1.0
        self.replica: ReplicaRun | None = None
        self._rows: list[tuple[float, float, int, int, float]] = []

    def decode(self, batch: int) -> Sequence[Line]:
        """As `LinearTimes`, and written down."""
        self._write(batch, ())
        return self._times.decode(batch)

    def mixed(self, batch: int, context_tokens: float, chunks: Sequence[tuple[int, int]]) -> Mixed:
        """As `LinearTimes`, and written down."""
        self._write(batch, chunks)
        return self._times.mixed(batch, context_tokens, chunks)

    def _write(self, batch: int, chunks: Sequence[tuple[int, int]]) -> None:
        assert self.replica is not None
        row = self.replica.now_s, self.replica.busy_s, batch, *sums(chunks)
        self._rows.append(row)

    def terms_until(self, at_s: Floats) -> Floats:
        """What stands before each coefficient of a step in the busy time until then, a row for each time.

        Context is not seen here: it is what the length of a step leaves for it.
        """
        assert self.replica is not None
        start_s, busy_s, batch, tokens, pairs = np.array(self._rows).T
        length_s = np.diff(busy_s, append=self.replica.busy_s)
        of = self._times.of
        rest_s = length_s - of.step_s - of.sequence_s * batch - of.prompt_s * tokens - of.pair_s * pairs
        each = np.stack([np.ones_like(batch), batch, tokens, rest_s / of.context_s, pairs], axis=1)
        until = np.vstack([np.zeros(each.shape[1]), np.cumsum(each, axis=0)])
        step = np.maximum(np.searchsorted(start_s, at_s, side="right") - 1, 0)
        share = np.clip((at_s - start_s[step]) / length_s[step], 0.0, 1.0)
        return np.asarray(until[step] + share[:, None] * each[step])

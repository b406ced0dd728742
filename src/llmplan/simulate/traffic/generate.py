"""Traffic from a description: seeded, in runs, the same for the same seed however much of it is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from llmplan.errors import UsageError
from llmplan.simulate.traffic.arrivals import Gaps, arrival_times
from llmplan.simulate.traffic.columns import BLOCK_TOKENS_MOST, Columns, block_tokens_for, requests_of
from llmplan.simulate.traffic.envelope import Envelope
from llmplan.simulate.traffic.quantiles import Quantiles
from llmplan.simulate.traffic.sessions import in_turns, warm_up_s
from llmplan.simulate.traffic.shape import input_lengths, output_lengths, shape_of, turn_lengths
from llmplan.spec.requests import Floats, Requests
from llmplan.spec.traffic import Arrivals, TrafficShape
from llmplan.spec.workload import Workload

MOST_ROWS = 65_536
"""of a run"""
_MOST_IDS = 4_000_000
"""block ids of a run, about"""
_STREAMS = ("bursts", "pauses", "gaps", "inputs", "outputs", "tenants", "prefixes", "turns")
"""each kind of chance has a stream of its own, so that changing one leaves the others as they were"""


def generate(
    workload: Workload,
    *,
    seed: int,
    requests: int | None = None,
    duration_s: float | None = None,
    rate_scale: float = 1.0,
) -> Iterable[Requests]:
    """Traffic as the workload describes it, in runs of at most 65,536 requests.

    Parameters
    ----------
    workload : what is known; parts of its `traffic` that are None follow from its steady figures
    seed : same seed, same traffic [-]
    requests : how many, or fewer where `duration_s` ends first [-]
    duration_s : how long [s]
    rate_scale : factor on the rate; when it is busy, lengths and texts stay as they are [-]

    The rate at each time is the mean rate x profiles x bursts x pauses (`envelope`), gaps around it are gamma
    distributed (`arrivals`), lengths follow their quantiles (`quantiles`), turns of conversations `sessions`.
    """
    if requests is None and duration_s is None:
        raise UsageError("how much traffic? neither a number of requests nor a duration is given")
    if workload.requests_per_s is None:
        raise UsageError(
            f"workload {workload.id} states no rate, and requests of a closed loop have no times of their own",
            hints=["--requests-per-second R"],
        )
    if not (math.isfinite(rate_scale) and rate_scale > 0):
        raise UsageError(f"a rate is scaled by a factor above 0, not by {rate_scale}")
    maker = _Maker(workload, seed)
    rows = maker.rows(workload.requests_per_s * rate_scale, math.inf if duration_s is None else duration_s)
    return _counted(maker, rows, requests)


def _counted(maker: _Maker, batches: Iterable[Columns], requests: int | None) -> Iterator[Requests]:
    """Runs of a size that stays in memory, up to the number asked for."""
    left = math.inf if requests is None else requests
    for rows in batches:
        if len(rows) > left:
            rows = rows.taken(slice(0, int(left)))
        left -= len(rows)
        for begin in range(0, len(rows), maker.run_rows):
            yield maker.requests(rows.taken(slice(begin, begin + maker.run_rows)))
        if left <= 0:
            return


@dataclass(frozen=True, slots=True)
class _Streams:
    """A random generator for each kind of chance."""

    bursts: np.random.Generator
    pauses: np.random.Generator
    gaps: np.random.Generator
    inputs: np.random.Generator
    outputs: np.random.Generator
    tenants: np.random.Generator
    prefixes: np.random.Generator
    turns: np.random.Generator

    @classmethod
    def of(cls, seed: int) -> _Streams:
        children = np.random.SeedSequence(seed).spawn(len(_STREAMS))
        return cls(*(np.random.Generator(np.random.PCG64(child)) for child in children))


class _Maker:
    """One workload, resolved: shape, length tables and streams of chance."""

    def __init__(self, workload: Workload, seed: int) -> None:
        self._streams = _Streams.of(seed)
        self._shape: TrafficShape = shape_of(workload)
        self._prompts = input_lengths(workload, self._shape)
        self._answers = output_lengths(workload, self._shape)
        self._added: Quantiles | None = None
        self._longest = workload.context_tokens
        if self._shape.sessions is not None:
            self._prompts, self._added = turn_lengths(workload, self._shape, self._shape.sessions)
        weights = np.array(self._shape.tenant_weights or (1.0,))
        self._tenants = np.cumsum(weights) / weights.sum()
        self._block_tokens = self._blocks()
        self.run_rows = MOST_ROWS
        if self._block_tokens is not None:
            per_row = (self._shared_tokens() / self._block_tokens) + 1
            self.run_rows = max(1024, min(MOST_ROWS, int(_MOST_IDS / per_row)))

    def rows(self, requests_per_s: float, end_s: float) -> Iterator[Columns]:
        """All requests up to a time, in batches in the order of arrival."""
        sessions, arrivals = self._shape.sessions, self._shape.arrivals or Arrivals()
        start_s = 0.0 if sessions is None else -warm_up_s(sessions)
        rate = requests_per_s if sessions is None else requests_per_s / sessions.turns
        streams = self._streams
        envelope = Envelope(arrivals, start_s, streams.bursts, streams.pauses)
        gaps = Gaps(streams.gaps, arrivals.gap_cv)
        times = arrival_times(envelope, gaps, requests_per_s=rate, start_s=start_s, end_s=end_s)
        batches: Iterator[Columns] = (self._first(found) for found, _ in times)
        if sessions is not None and self._added is not None:
            batches = in_turns(times, self._first, sessions, self._added, self._answers, streams.turns)
        for rows in batches:
            begin, end = np.searchsorted(rows.arrival_s, (0.0, end_s))
            yield rows.taken(slice(int(begin), int(end)))

    def requests(self, rows: Columns) -> Requests:
        """Rows as requests."""
        shared = self._shape.prefix
        return requests_of(
            self._within(rows),
            block_tokens=self._block_tokens,
            tenants=len(self._tenants) > 1,
            prefixes=shared.prefixes if shared is not None else 0,
        )

    def _first(self, times_s: Floats) -> Columns:
        """Requests that stand alone, or open a conversation."""
        count, streams = len(times_s), self._streams
        prompts = self._prompts.at(streams.inputs.random(count))
        tenant = np.zeros(count, dtype=np.int64)
        if len(self._tenants) > 1:
            tenant = np.searchsorted(self._tenants, streams.tenants.random(count), side="right")
            tenant = np.minimum(tenant, len(self._tenants) - 1)
        zeros, common, prefix = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64), tenant
        if (shared := self._shape.prefix) is not None:
            common = np.minimum(prompts - 1, shared.tokens)
            if shared.prefixes != len(self._tenants):
                prefix = streams.prefixes.integers(shared.prefixes, size=count)
        return Columns(
            arrival_s=times_s,
            input_tokens=prompts,
            output_tokens=self._answers.at(streams.outputs.random(count)),
            tenant=tenant,
            prefix=prefix,
            common_tokens=common,
            session=zeros,
            own_tokens=zeros,
        )

    def _within(self, rows: Columns) -> Columns:
        """No request longer than the longest that is admitted: an answer is cut first to what leaves one token."""
        if self._longest is None:
            return rows
        prompts = np.minimum(rows.input_tokens, self._longest - 1)
        return replace(
            rows,
            input_tokens=prompts,
            output_tokens=np.minimum(rows.output_tokens, self._longest - prompts),
            common_tokens=np.minimum(rows.common_tokens, prompts),
            own_tokens=np.minimum(rows.own_tokens, prompts),
        )

    def _shared_tokens(self) -> float:
        """About how many tokens of a request others have too."""
        sessions, shared = self._shape.sessions, self._shape.prefix
        own = 0.0
        if sessions is not None and self._added is not None:
            own = self._prompts.mean + (sessions.turns - 1) * (self._added.mean + self._answers.mean)
        return max(own, 0.0 if shared is None else float(shared.tokens))

    def _blocks(self) -> int | None:
        """Tokens of the blocks by which shared text is told; None: nothing is shared."""
        sessions, shared = self._shape.sessions, self._shape.prefix
        told = sessions is not None and sessions.turns > 1
        size = block_tokens_for(self._prompts.mean) if told else None
        if shared is None:
            return size
        if size is not None and shared.tokens % size == 0:
            return size
        return min(size or BLOCK_TOKENS_MOST, block_tokens_for(float(shared.tokens)))

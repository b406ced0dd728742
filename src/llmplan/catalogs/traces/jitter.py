"""Stamps that were rounded, spread again: equal ones over the span that the rounding took away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from llmplan.spec.request_runs import joined, part
from llmplan.spec.requests import Floats, Requests

_MOST_HELD = 1_000_000
"""requests with one stamp that are held together"""


def jittered(runs: Iterable[Requests], span_s: float, seed: int) -> Iterator[Requests]:
    """Runs in which the n requests of one stamp come at random within n equal parts of the next `span_s` seconds.

    The last stamp of a run waits for the next run, which may go on with it.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    held: Requests | None = None
    last_s = 0.0
    for run in runs:
        whole = run if held is None or not len(held) else joined([held, run])
        if not len(whole):
            continue
        end = int(np.searchsorted(whole.arrival_s, whole.arrival_s[-1]))
        if len(whole) - end > _MOST_HELD:
            end = len(whole)
        held = part(whole, end, len(whole))
        ready, last_s = _spread(part(whole, 0, end), span_s, rng, last_s)
        yield ready
    if held is not None and len(held):
        yield _spread(held, span_s, rng, last_s)[0]


def _spread(run: Requests, span_s: float, rng: np.random.Generator, last_s: float) -> tuple[Requests, float]:
    """The run with its stamps spread, none before `last_s`."""
    if not len(run):
        return run, last_s
    stamps, first, counts = np.unique(run.arrival_s, return_index=True, return_counts=True)
    place = np.arange(len(run)) - np.repeat(first, counts)
    within = (place + rng.random(len(run))) / np.repeat(counts, counts)
    spread: Floats = np.maximum.accumulate(np.maximum(np.repeat(stamps, counts) + within * span_s, last_s))
    return replace(run, arrival_s=spread), float(spread[-1])

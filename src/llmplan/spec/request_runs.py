"""Runs of requests cut, picked from and put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmplan.spec.requests import Integers, Prefixes, Requests


def part(requests: Requests, begin: int, end: int) -> Requests:
    """The requests from one place up to another, as views of the same columns."""
    rows, prefixes = slice(begin, end), requests.prefixes
    if prefixes is not None:
        offsets = prefixes.offsets[begin : end + 1]
        ids = prefixes.ids[offsets[0] : offsets[-1]]
        prefixes = replace(prefixes, offsets=offsets - offsets[0], ids=ids)
    return Requests(
        arrival_s=requests.arrival_s[rows],
        input_tokens=requests.input_tokens[rows],
        output_tokens=requests.output_tokens[rows],
        tenant=None if requests.tenant is None else requests.tenant[rows],
        prefixes=prefixes,
    )


def taken(requests: Requests, places: NDArray[np.intp]) -> Requests:
    """Some of the requests, in the order of their places."""
    return Requests(
        arrival_s=requests.arrival_s[places],
        input_tokens=requests.input_tokens[places],
        output_tokens=requests.output_tokens[places],
        tenant=None if requests.tenant is None else requests.tenant[places],
        prefixes=None if requests.prefixes is None else _taken_prefixes(requests.prefixes, places),
    )


def _taken_prefixes(prefixes: Prefixes, places: NDArray[np.intp]) -> Prefixes:
    starts, ends = prefixes.offsets[places], prefixes.offsets[places + 1]
    sizes: Integers = ends - starts
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    return replace(prefixes, offsets=offsets, ids=prefixes.ids[np.repeat(starts, sizes) + within])


def joined(runs: Sequence[Requests]) -> Requests:
    """Runs one after the other in one; columns that only some of them have are filled up."""
    if len(runs) == 1:
        return runs[0]
    if not runs:
        none = np.zeros(0, dtype=np.int64)
        return Requests(arrival_s=np.zeros(0), input_tokens=none, output_tokens=none)
    tenant = None
    if any(run.tenant is not None for run in runs):
        tenant = np.concatenate(
            [np.zeros(len(run), dtype=np.int64) if run.tenant is None else run.tenant for run in runs]
        )
    return Requests(
        arrival_s=np.concatenate([run.arrival_s for run in runs]),
        input_tokens=np.concatenate([run.input_tokens for run in runs]),
        output_tokens=np.concatenate([run.output_tokens for run in runs]),
        tenant=tenant,
        prefixes=_joined_prefixes(runs),
    )


def _joined_prefixes(runs: Sequence[Requests]) -> Prefixes | None:
    known = [run.prefixes for run in runs if run.prefixes is not None]
    if not known:
        return None
    sizes = [
        np.zeros(len(run), dtype=np.int64) if run.prefixes is None else np.diff(run.prefixes.offsets) for run in runs
    ]
    return Prefixes(
        block_tokens=known[0].block_tokens,
        offsets=np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64),
        ids=np.concatenate([prefixes.ids for prefixes in known]),
    )

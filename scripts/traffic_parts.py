"""The `traffic` of a workload profile as plain data: what the generator needs, in as few digits as carry meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from profile_yaml import number

from llmplan.catalogs.traces import Trace, TraceOptions
from llmplan.catalogs.workload_text import arrivals_entry, histogram_entry
from llmplan.simulate.traffic import describe, fitted
from llmplan.simulate.traffic.lengths import LengthCounts
from llmplan.spec.requests import Requests


def fitted_traffic(path: Path, note: str) -> dict[str, Any]:
    """Arrivals fitted to a trace of individual requests, and its lengths as histograms."""
    measured = describe(Trace(str(path)))
    shape = fitted(measured, workload_id="trace", name="trace").traffic
    assert shape is not None
    assert shape.arrivals is not None
    assert shape.input_tokens is not None
    assert shape.output_tokens is not None
    return {
        "arrivals": arrivals_entry(shape.arrivals) | {"note": note},
        "input_tokens": histogram_entry(shape.input_tokens),
        "output_tokens": histogram_entry(shape.output_tokens),
    }


def histogram_of(tokens: Iterable[int]) -> dict[str, Any]:
    """Token counts as a histogram of about equally full bins."""
    counts = LengthCounts()
    counts.add(np.array(list(tokens), dtype=np.int64))
    return histogram_entry(counts.finish().histogram)


def published_histogram(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Bins that are published by their lower edge; the last one as wide, in proportion, as the one before."""
    edges = [int(float(row["bin_lo"])) for row in rows]
    shares = [float(row["prob"]) for row in rows]
    if edges[0] == 0:  # an answer has at least one token
        edges, shares = edges[1:], [shares[0] + shares[1], *shares[2:]]
    edges.append(round(edges[-1] ** 2 / edges[-2]))
    return {"edges": edges, "shares": [number(f"{share:.4g}") for share in shares]}


def profile(bin_s: float, rates: Iterable[float], note: str) -> dict[str, Any]:
    """Arrivals by a rate series."""
    return {"profiles": [{"bin_s": number(bin_s), "rates": [number(f"{rate:.5g}") for rate in rates]}], "note": note}


def conversations(path: Path, block_tokens: int, prefix_share: float, mean_tokens: float) -> dict[str, Any]:
    """Times between turns and what each adds, from the blocks that a prompt has in common with earlier ones.

    The text that all prompts begin with is no conversation's: a request goes on with one if it has more in common.
    Turns are those with which the share of cached tokens comes out: 1 - 1 / turns of the tokens are an earlier
    prompt's, and requests without one hold the common text.
    """
    runs = list(Trace(str(path), TraceOptions()))
    common = _common_blocks(runs)
    last: dict[int, tuple[float, int]] = {}
    first, added, thinks = [], [], []
    for run in runs:
        assert run.prefixes is not None
        for row in range(len(run)):
            blocks, tokens = run.prefixes.of(row), int(run.input_tokens[row])
            known = next((at for at, block in enumerate(blocks) if block not in last), len(blocks))
            if known > common:
                before_s, answer = last[blocks[known - 1]]
                thinks.append(float(run.arrival_s[row]) - before_s)
                added.append(max(1, tokens - min(known * block_tokens, tokens) - answer))
            else:
                first.append(tokens)
            last |= dict.fromkeys(blocks, (float(run.arrival_s[row]), int(run.output_tokens[row])))
    turns = (1 - common * block_tokens / mean_tokens) / (1 - prefix_share)
    return {
        "sessions": {
            "turns": number(round(turns, 3)),
            "think_s": number(round(float(np.mean(thinks)), 1)),
            "first_tokens": histogram_of(first),
            "added_tokens": histogram_of(added),
            "note": "a prompt goes on with an earlier one if it shares more than what all share; turns fitted to the "
            "share of cached tokens; the trace's hour cuts longer waits off",
        },
        "prefix": {"prefixes": 1, "tokens": common * block_tokens, "note": "what all prompts begin with"},
    }


def _common_blocks(runs: Sequence[Requests]) -> int:
    """How many leading blocks all prompts share."""
    every = [run.prefixes.of(row) for run in runs if run.prefixes is not None for row in range(len(run))]
    return next(at for at in range(len(min(every, key=len)) + 1) if len({blocks[: at + 1] for blocks in every}) > 1)

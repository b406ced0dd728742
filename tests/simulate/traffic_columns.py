"""Whole traffic as plain columns, and figures of it in a few lines of numpy, for tests that compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from llmplan.simulate.traffic import generate
from llmplan.spec.requests import Requests
from llmplan.spec.workload import Workload


@dataclass(frozen=True)
class Whole:
    runs: list[Requests]
    arrival_s: np.ndarray
    input_tokens: np.ndarray
    output_tokens: np.ndarray

    @property
    def bytes(self) -> bytes:
        columns = (self.arrival_s, self.input_tokens, self.output_tokens)
        ids = b"".join(run.prefixes.ids.tobytes() for run in self.runs if run.prefixes is not None)
        return b"".join(column.tobytes() for column in columns) + ids

    def gap_cv(self) -> float:
        gaps = np.diff(self.arrival_s)
        return float(gaps.std() / gaps.mean())

    def counts(self, bin_s: float, duration_s: float) -> np.ndarray:
        return np.bincount((self.arrival_s // bin_s).astype(int), minlength=round(duration_s / bin_s))

    def prefix_hit_share(self, block_tokens: int | None = None) -> float:
        """Tokens in leading blocks that an earlier request had, over all input tokens; one set, one loop."""
        seen: set[int] = set()
        hit = 0
        for run in self.runs:
            assert run.prefixes is not None
            for index in range(len(run)):
                blocks = run.prefixes.of(index)
                known = next((at for at, block in enumerate(blocks) if block not in seen), len(blocks))
                hit += min(known * run.prefixes.block_tokens, int(run.input_tokens[index]))
                seen.update(blocks)
        return hit / int(self.input_tokens.sum())


def whole(runs: Iterable[Requests]) -> Whole:
    found = list(runs)
    names = ("arrival_s", "input_tokens", "output_tokens")
    return Whole(found, *(np.concatenate([getattr(run, name) for run in found]) for name in names))


def made(workload: Workload, *, seed: int = 1, **how: float) -> Whole:
    return whole(generate(workload, seed=seed, **how))  # type: ignore[arg-type]

"""What of prompts a prefix cache without limits would hold, from the ids of their leading blocks."""

from __future__ import annotations

import numpy as np

from llmplan.spec.requests import Integers, Prefixes
from llmplan.spec.traffic_statistics import PrefixStatistics

MOST_BLOCKS = 20_000_000
"""different ones that are remembered: 160 MB"""


class PrefixHits:
    """Leading blocks that an earlier request had, over all."""

    def __init__(self, most_blocks: int = MOST_BLOCKS) -> None:
        self._most = most_blocks
        self._known = np.zeros(0, dtype=np.int64)
        self._exact = True
        self._block_tokens = 0
        self._hit_tokens = self._tokens = self._hit_blocks = self._blocks = 0

    def add(self, prefixes: Prefixes, input_tokens: Integers) -> None:
        """More requests, in order."""
        ids, offsets = prefixes.ids, prefixes.offsets
        self._block_tokens = prefixes.block_tokens
        self._tokens += int(input_tokens.sum())
        self._blocks += len(ids)
        if not len(ids):
            return
        counts = np.diff(offsets)
        unique, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
        row = np.repeat(np.arange(len(counts)), counts)
        at = np.searchsorted(self._known, unique)
        known = np.zeros(len(unique), dtype=bool)
        inside = at < len(self._known)
        known[inside] = self._known[at[inside]] == unique[inside]
        held = known[inverse] | (row[first][inverse] < row)
        place = np.arange(len(ids)) - np.repeat(offsets[:-1], counts)
        leading = counts.copy()
        missed = np.flatnonzero(~held)
        np.minimum.at(leading, row[missed], place[missed])
        self._hit_blocks += int(leading.sum())
        self._hit_tokens += int(np.minimum(leading * prefixes.block_tokens, input_tokens).sum())
        if new := int((~known).sum()):
            if len(self._known) + new > self._most:
                self._exact = False
            else:
                self._known = np.union1d(self._known, unique)

    def finish(self) -> PrefixStatistics | None:
        """The shares; None where no request had a block."""
        if not self._blocks:
            return None
        return PrefixStatistics(
            block_tokens=self._block_tokens,
            hit_share=self._hit_tokens / self._tokens,
            hit_block_share=self._hit_blocks / self._blocks,
            unique_blocks=len(self._known),
            exact=self._exact,
        )

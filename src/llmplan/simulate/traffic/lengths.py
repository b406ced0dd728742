"""Token lengths as they stream by: how often each occurs, so that every percentile is exact."""

from __future__ import annotations

import numpy as np

from llmplan.spec.requests import Integers
from llmplan.spec.traffic import Histogram
from llmplan.spec.traffic_statistics import LengthStatistics

BINS = 40
"""of a histogram: about equally many requests each, and the tail by percentiles of its own"""
_TAIL = (0.98, 0.99, 0.995, 0.999)
_WIDEST = 1.3
"""upper over lower edge of a bin in the tail"""


class LengthCounts:
    """How many requests have each length."""

    def __init__(self) -> None:
        self._counts = np.zeros(1, dtype=np.int64)

    def add(self, tokens: Integers) -> None:
        """More lengths."""
        more = np.bincount(tokens, minlength=len(self._counts))
        more[: len(self._counts)] += self._counts
        self._counts = more

    def finish(self) -> LengthStatistics:
        """Mean and percentiles; there was at least one length."""
        cumulated = np.cumsum(self._counts)
        total = int(cumulated[-1])

        def rank(share: float) -> int:
            return int(np.searchsorted(cumulated, share * total))

        tokens = np.arange(len(self._counts), dtype=float)
        return LengthStatistics(
            mean=float((tokens * self._counts).sum() / total),
            p50=rank(0.5),
            p90=rank(0.9),
            p95=rank(0.95),
            p99=rank(0.99),
            max=len(self._counts) - 1,
            histogram=self._histogram(cumulated, total),
        )

    def _histogram(self, cumulated: Integers, total: int) -> Histogram:
        """Bins that end at percentiles; a length that many requests have gets a bin of its own."""
        shares = [*(step / BINS for step in range(1, BINS)), *_TAIL]
        ranks = {int(np.searchsorted(cumulated, share * total)) for share in shares}
        common = np.flatnonzero(self._counts >= total / BINS).tolist()
        first, last = int(np.flatnonzero(self._counts)[0]), len(self._counts) - 1
        edges = {max(first, 1), last + 1} | {rank + 1 for rank in ranks | set(common)} | set(common)
        tail = max(float(np.searchsorted(cumulated, _TAIL[0] * total)), 1.0) * _WIDEST
        while tail < last:
            edges.add(round(tail))
            tail *= _WIDEST
        kept = sorted(edge for edge in edges if max(first, 1) <= edge <= last + 1)
        below = np.concatenate([[0], cumulated])
        counts = np.diff(below[np.array(kept)])
        return Histogram(edges=tuple(kept), shares=tuple((counts / total).tolist()))

"""Requests in bins of time, as they stream by: no more is kept than sums, the peak and the bin that is not over."""

from __future__ import annotations

import numpy as np

from llmplan.spec.requests import Floats
from llmplan.spec.traffic_statistics import BinStatistics


class BinCounts:
    """Counts of one length of bins. The first bin begins at 0."""

    def __init__(self, bin_s: float) -> None:
        self._bin_s = bin_s
        self._bin = 0
        self._count = 0
        self._used = self._peak = self._total = 0
        self._squares = 0.0

    def add(self, arrival_s: Floats) -> None:
        """More arrivals, none earlier than those before."""
        if not len(arrival_s):
            return
        bins, counts = np.unique((arrival_s // self._bin_s).astype(np.int64), return_counts=True)
        if bins[0] == self._bin:
            counts[0] += self._count
        else:
            self._close(np.array([self._count]))
        self._close(counts[:-1])
        self._bin, self._count = int(bins[-1]), int(counts[-1])

    def _close(self, counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        if len(counts):
            self._used += int((counts > 0).sum())
            self._peak = max(self._peak, int(counts.max()))
            self._total += int(counts.sum())
            self._squares += float((counts.astype(float) ** 2).sum())

    def finish(self, duration_s: float) -> BinStatistics | None:
        """The whole bins of the duration; the one that is not over does not count. None: no bin, or nothing in one."""
        bins = int(duration_s // self._bin_s)
        if self._bin < bins:
            self._close(np.array([self._count]))
        if not bins or not self._total:
            return None
        mean = self._total / bins
        return BinStatistics(
            bin_s=self._bin_s,
            bins=bins,
            peak_to_mean=self._peak / mean,
            idle_share=(bins - self._used) / bins,
            dispersion=(self._squares / bins - mean**2) / mean,
        )


class Hours:
    """Requests of each hour, as long as they are not too many."""

    MOST = 20_000

    def __init__(self, hour_s: float) -> None:
        self._hour_s = hour_s
        self._counts = np.zeros(0, dtype=np.int64)
        self._too_many = False

    def add(self, arrival_s: Floats) -> None:
        """More arrivals."""
        if self._too_many or not len(arrival_s):
            return
        if arrival_s[-1] >= self.MOST * self._hour_s:
            self._too_many = True
            return
        more = np.bincount((arrival_s // self._hour_s).astype(np.int64), minlength=len(self._counts))
        more[: len(self._counts)] += self._counts
        self._counts = more

    def finish(self, duration_s: float) -> tuple[int, ...]:
        """Those of whole hours."""
        return () if self._too_many else tuple(self._counts[: int(duration_s // self._hour_s)].tolist())

"""What a fleet did, in bins of time that grow coarser as the run goes on, so that any length takes little memory."""

from __future__ import annotations

import math

FINEST_S = 1.0 / 64.0
MOST_BINS = 1000


class Sampler:
    """By bin: running sequences x time [s], computing time [s], and the KV shares seen at the bin's end [-].

    A bin is `width_s` long. When there are more than `MOST_BINS`, two become one.
    """

    __slots__ = ("batch_s", "busy_s", "kv_peak", "kv_sum", "width_s")

    def __init__(self, width_s: float = FINEST_S) -> None:
        self.width_s = width_s
        self.batch_s: list[float] = []
        self.busy_s: list[float] = []
        self.kv_sum: list[float] = []
        self.kv_peak = 0.0

    def after(self, at_s: float) -> float:
        """The first boundary after a time."""
        return (math.floor(at_s / self.width_s) + 1) * self.width_s

    def add(self, at_s: float, batch_s: float, busy_s: float, kv_share: float) -> None:
        """One replica: what it did since its last look, and its pool, which counts where a bin ends. Widths are powers
        of two, so that an end is one exactly."""
        place = max(0, math.ceil(at_s / self.width_s) - 1)
        while place >= MOST_BINS:
            self._fold()
            place = max(0, math.ceil(at_s / self.width_s) - 1)
        if place >= len(self.batch_s):
            missing = [0.0] * (place + 1 - len(self.batch_s))
            for column in (self.batch_s, self.busy_s, self.kv_sum):
                column.extend(missing)
        self.batch_s[place] += batch_s
        self.busy_s[place] += busy_s
        if (place + 1) * self.width_s == at_s:
            self.kv_sum[place] += kv_share
        self.kv_peak = max(self.kv_peak, kv_share)

    def _fold(self) -> None:
        """Twice as wide: sums add up, and the pool is as at the end of the second."""
        self.width_s *= 2.0
        for column in (self.batch_s, self.busy_s, self.kv_sum):
            if len(column) % 2:
                column.append(0.0)
        self.batch_s = [a + b for a, b in zip(self.batch_s[::2], self.batch_s[1::2], strict=True)]
        self.busy_s = [a + b for a, b in zip(self.busy_s[::2], self.busy_s[1::2], strict=True)]
        self.kv_sum = self.kv_sum[1::2]

"""What is going to happen to a fleet apart from requests, in the order of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeAlias

Action: TypeAlias = Callable[[float], None]


class Agenda:
    """Actions with their times [s]; of equal times, the first that was written down."""

    __slots__ = ("_entries", "_written")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Action]] = []
        self._written = 0

    @property
    def next_s(self) -> float:
        """When the next one is due; infinite where there is none."""
        return self._entries[0][0] if self._entries else math.inf

    def add(self, at_s: float, action: Action) -> None:
        """Do this then."""
        heappush(self._entries, (at_s, self._written, action))
        self._written += 1

    def do_next(self) -> None:
        """Do what is due next."""
        at_s, _, action = heappop(self._entries)
        action(at_s)

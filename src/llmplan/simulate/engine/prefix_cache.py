"""Blocks of prompts that are kept after their request, until the pool needs the room: least recently used first."""

from __future__ import annotations

from collections.abc import Sequence


class PrefixCache:
    """Units of `unit_tokens` tokens by their id. A unit in use is pinned; an idle one goes when room is needed."""

    __slots__ = ("_idle", "_pinned", "unit_blocks", "unit_tokens")

    def __init__(self, unit_tokens: int, unit_blocks: int) -> None:
        self.unit_tokens, self.unit_blocks = unit_tokens, unit_blocks
        self._pinned: dict[int, int] = {}
        self._idle: dict[int, None] = {}

    @property
    def idle_blocks(self) -> int:
        """Blocks that could be had at once."""
        return len(self._idle) * self.unit_blocks

    @property
    def pinned_blocks(self) -> int:
        """Blocks that requests are using."""
        return len(self._pinned) * self.unit_blocks

    def leading(self, ids: Sequence[int], most: int) -> int:
        """How many units at the start of a prompt are here, of at most `most`."""
        found = 0
        for unit in ids:
            if found >= most or (unit not in self._pinned and unit not in self._idle):
                break
            found += 1
        return found

    def pin(self, ids: Sequence[int]) -> int:
        """Use these units, which are here; the number of them that were idle."""
        woken = 0
        for unit in ids:
            users = self._pinned.get(unit, 0)
            if not users:
                del self._idle[unit]
                woken += 1
            self._pinned[unit] = users + 1
        return woken

    def keep(self, ids: Sequence[int]) -> list[int]:
        """Take over freshly computed units; those that were not here, now pinned by their request."""
        kept = []
        for unit in ids:
            if unit in self._pinned or unit in self._idle:
                continue
            self._pinned[unit] = 1
            kept.append(unit)
        return kept

    def release(self, ids: Sequence[int]) -> int:
        """The request is gone: its last units will be the first to go. The number that nobody uses any more."""
        freed = 0
        for unit in reversed(ids):
            users = self._pinned[unit] - 1
            if users:
                self._pinned[unit] = users
            else:
                del self._pinned[unit]
                self._idle[unit] = None
                freed += 1
        return freed

    def shrink(self, blocks: int) -> None:
        """Drop idle units, oldest first, until they hold at most so many blocks."""
        while self._idle and len(self._idle) * self.unit_blocks > blocks:
            del self._idle[next(iter(self._idle))]

    def clear(self) -> None:
        """Nothing is known any more: the engine was restarted."""
        self._pinned.clear()
        self._idle.clear()

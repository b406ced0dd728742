"""Blocks of KV cache in use, counted exactly without looking at any sequence.

A decoding sequence with `growth + tick` tokens holds ceil((growth + tick) / block) blocks of each table. Sequences
that need a new block at the same tick are counted together, by `growth` modulo the block.
"""

from __future__ import annotations

from operator import mul


class Blocks:
    """`held` blocks that do not change with time, and the tables of sequences that grow with every tick."""

    __slots__ = ("_counts", "_growing", "_places", "_sum", "block_tokens", "held", "limit", "tables")

    def __init__(self, limit: int, block_tokens: int, tables: int) -> None:
        self.limit, self.block_tokens, self.tables = limit, block_tokens, tables
        self.held = 0
        self._growing = 0
        self._sum = 0
        self._counts = [0] * block_tokens
        self._places = range(block_tokens)

    def add(self, growth: int) -> None:
        """A sequence whose cache holds `growth + tick` tokens from now on."""
        self._growing += 1
        self._sum += growth
        self._counts[growth % self.block_tokens] += 1

    def remove(self, growth: int) -> None:
        """It is gone."""
        self._growing -= 1
        self._sum -= growth
        self._counts[growth % self.block_tokens] -= 1

    def at_most(self, tick: int) -> int:
        """Blocks in use at a tick, if every sequence has just begun one."""
        room = self.block_tokens - 1
        return self.held + self.tables * ((self._sum + self._growing * (tick + room)) // self.block_tokens)

    def needed(self, tick: int) -> int:
        """Blocks in use at a tick."""
        if not self._growing:
            return self.held
        block = self.block_tokens
        shift = (tick + block - 1) % block
        begun = self._counts[block - shift :] + self._counts[: block - shift]
        whole: int = self._sum + self._growing * (tick + block - 1) - sum(map(mul, begun, self._places))
        return self.held + self.tables * (whole // block)

    def ticks_within(self, tick: int, ticks: int) -> int:
        """How many of the next `ticks` ticks the pool has room for, all being there already."""
        if not self.tables or self.at_most(tick + ticks - 1) <= self.limit:
            return ticks
        if self.needed(tick + ticks - 1) <= self.limit:
            return ticks
        fits, too_many = 0, ticks
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self.needed(tick + middle - 1) <= self.limit:
                fits = middle
            else:
                too_many = middle
        return fits

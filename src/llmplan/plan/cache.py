"""How a KV pool is cut: block tables of groups of layers, what one request takes of each, how many requests fit."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheGroup:
    """Layers that share one block table: a block holds `block_tokens` tokens of each of them.

    `state_blocks`: blocks of a group of recurrent layers, which a request of any length holds; 0 for attention.
    """

    layers: int
    block_tokens: int
    window_tokens: int | None = None
    chunked: bool = False
    state_blocks: int = 0

    def blocks(self, length_tokens: int, in_flight_tokens: int) -> int:
        """Blocks that a request of this length holds at most.

        length_tokens [tokens]; in_flight_tokens [tokens]: scheduled and not yet computed.
        Full attention: ceil(len / block). Window W: ceil(min(W - 1 + in flight, len) / block) + 1.
        Chunk C: ceil(min(C + in flight, len) / block). A recurrence: its own number, whatever the length.
        Valid for vLLM 0.10 to 0.33. Reference: vLLM 0.33 v1/kv_cache_interface.py.

        >>> CacheGroup(layers=18, block_tokens=16, window_tokens=128).blocks(16384, 2048)
        137
        """
        if self.state_blocks:
            return self.state_blocks
        if self.window_tokens is None:
            return math.ceil(length_tokens / self.block_tokens)
        if self.chunked:
            return math.ceil(min(self.window_tokens + in_flight_tokens, length_tokens) / self.block_tokens)
        held = min(self.window_tokens - 1 + in_flight_tokens, length_tokens)
        return math.ceil(held / self.block_tokens) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLayout:
    """How the pool is cut: every block takes `block_bytes`, whichever group it belongs to."""

    groups: tuple[CacheGroup, ...]
    block_bytes: float
    token_bytes: float
    """all layers of the stage, for a token inside every window"""
    unbounded_bytes: float = 0.0
    """of the same, in the layers that keep every token"""
    state_bytes: float = 0.0
    """all recurrent states of the stage, for one sequence"""
    block_tokens: int

    def blocks_per_request(self, length_tokens: int, in_flight_tokens: int) -> int:
        """Blocks of all groups that one request of this length holds."""
        return sum(group.blocks(length_tokens, in_flight_tokens) for group in self.groups)

    def shared_blocks(self, shared_tokens: float) -> int:
        """Whole blocks of all groups that requests with so many tokens in common hold together."""
        full = (group for group in self.groups if group.window_tokens is None and not group.state_blocks)
        return sum(int(shared_tokens) // group.block_tokens for group in full)

    def blocks_in(self, pool_bytes: float) -> int:
        """Whole blocks in a pool; none where nothing is kept."""
        return max(0, int(pool_bytes // self.block_bytes)) if self.block_bytes else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KvRoom:
    """A cut pool of one GPU, from which `groups` data-parallel groups each serve requests of their own.

    `state_slots`: sequences for whose recurrent states there is room, where those have a pool of their own.
    """

    layout: CacheLayout
    blocks: int
    in_flight_tokens: int = 0
    groups: int = 1
    state_slots: float = math.inf

    def requests(self, length_tokens: float, shared_tokens: float = 0.0, prefixes: int | None = None) -> float:
        """Requests of one length that are in the pool at once, over all groups [-].

        length_tokens [tokens]: of prompt and answer; shared_tokens [tokens]: of these at the start, in common with all
        requests of the same one of `prefixes` (None: with none).
        blocks / blocks of one request, at most `state_slots`. Prefixes lie in the pool once each, in whole blocks:
        (blocks - prefixes x shared) / (blocks of one - shared), where that is more.
        Valid for caches by block; windows and states share nothing. Reference: vLLM 0.33 v1/core/kv_cache_utils.py,
        v1/core/kv_cache_manager.py.

        >>> one = CacheGroup(layers=32, block_tokens=16)
        >>> layout = CacheLayout(groups=(one,), block_bytes=2**21, token_bytes=2**17, block_tokens=16)
        >>> KvRoom(layout=layout, blocks=1000).requests(1600), KvRoom(layout=layout, blocks=1000).requests(1600, 800, 1)
        (10.0, 19.0)
        """
        length = max(1, math.ceil(length_tokens))
        each = self.layout.blocks_per_request(length, min(self.in_flight_tokens, length))
        apart = self.blocks / each if each else math.inf
        shared = self.layout.shared_blocks(shared_tokens) if prefixes is not None else 0
        if 0 < shared < each and prefixes is not None:
            apart = max(apart, (self.blocks - prefixes * shared) / (each - shared))
        return self.groups * min(apart, self.state_slots)

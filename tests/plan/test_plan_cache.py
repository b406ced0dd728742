"""A pool in blocks: requests that share a prefix hold its blocks once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.plan.cache import CacheGroup, CacheLayout, KvRoom

FULL = CacheGroup(layers=16, block_tokens=16)
WINDOW = CacheGroup(layers=16, block_tokens=16, window_tokens=512)
STATE = CacheGroup(layers=16, block_tokens=16, state_blocks=2)


def room(*groups: CacheGroup, blocks: int = 10_000, dp: int = 1) -> KvRoom:
    layout = CacheLayout(groups=groups, block_bytes=2.0**20, token_bytes=2.0**16, block_tokens=16)
    return KvRoom(layout=layout, blocks=blocks, groups=dp)


def test_a_prefix_takes_its_blocks_once() -> None:
    """10,000 blocks: 50 for 800 tokens in common, 50 for what each request has of its own."""
    assert room(FULL).requests(1600, 800, 1) == (10_000 - 50) / 50
    assert room(FULL).requests(1600, 800, 20) == (10_000 - 20 * 50) / 50
    assert room(FULL, dp=4).requests(1600, 800, 1) == 4 * (10_000 - 50) / 50


def test_only_whole_blocks_are_shared() -> None:
    assert room(FULL).requests(1600, 15, 1) == room(FULL).requests(1600)
    assert room(FULL).requests(1600, 31, 1) == (10_000 - 1) / 99


def test_windows_and_states_share_nothing() -> None:
    own = room(FULL, WINDOW, STATE).layout.blocks_per_request(1600, 0)
    assert room(FULL, WINDOW, STATE).requests(1600, 800, 1) == (10_000 - 50) / (own - 50)


@pytest.mark.parametrize("prefixes", [None, 10**6])
def test_requests_with_prefixes_of_their_own_share_nothing(prefixes: int | None) -> None:
    assert room(FULL).requests(1600, 800, prefixes) == room(FULL).requests(1600)


@given(
    length=st.integers(64, 20_000), share=st.floats(0.0, 0.99), prefixes=st.integers(1, 500),
    blocks=st.integers(2000, 10**6),
)  # fmt: skip
def test_sharing_never_costs_room_and_more_prefixes_never_give_any(
    length: int, share: float, prefixes: int, blocks: int
) -> None:
    pool = room(FULL, WINDOW, blocks=blocks)
    alone, shared = pool.requests(length), pool.requests(length, share * length, prefixes)
    assert shared >= alone
    assert pool.requests(length, share * length, prefixes + 1) <= shared

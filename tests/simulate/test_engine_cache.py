"""Blocks, preemption and the prefix cache."""

from __future__ import annotations

import math

import numpy as np
import pytest
from engine_builders import PlainTimes, played, poisson, rules, started
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.plan.cache import CacheGroup
from llmplan.simulate.engine.blocks import Blocks
from llmplan.simulate.engine.prefix_cache import PrefixCache
from llmplan.spec.requests import Prefixes, Requests


@given(
    block=st.sampled_from([1, 4, 16, 33]),
    sequences=st.lists(st.tuples(st.integers(1, 500), st.integers(0, 200)), min_size=1, max_size=20),
    tables=st.integers(1, 3),
    later=st.integers(0, 300),
)
def test_blocks_are_those_of_all_sequences_counted_one_by_one(
    block: int, sequences: list[tuple[int, int]], tables: int, later: int
) -> None:
    """A sequence with `tokens` at tick `joined` has tokens + now - joined at a later tick."""
    blocks = Blocks(10**9, block, tables)
    now = max(joined for _, joined in sequences) + later
    for tokens, joined in sequences:
        blocks.add(tokens - joined)
    expected = tables * sum(math.ceil((tokens + now - joined) / block) for tokens, joined in sequences)
    assert blocks.needed(now) == expected <= blocks.at_most(now)
    for tokens, joined in sequences[1:]:
        blocks.remove(tokens - joined)
    tokens, joined = sequences[0]
    assert blocks.needed(now) == tables * math.ceil((tokens + now - joined) / block)


@given(sequences=st.lists(st.integers(1, 100), min_size=1, max_size=10), room=st.integers(0, 60))
def test_as_many_ticks_fit_as_walking_finds(sequences: list[int], room: int) -> None:
    blocks = Blocks(0, 16, 1)
    for tokens in sequences:
        blocks.add(tokens)
    blocks.limit = blocks.needed(0) + room
    walked = 0
    while walked < 200 and blocks.needed(walked) <= blocks.limit:
        walked += 1
    assert blocks.ticks_within(0, 200) == walked


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 9999),
    rate=st.floats(1.0, 80.0),
    pool=st.integers(40, 150),
    tables=st.integers(1, 2),
    window=st.booleans(),
    reserves=st.booleans(),
)
def test_nothing_is_lost_and_the_pool_is_never_exceeded(
    seed: int, rate: float, pool: int, tables: int, window: bool, reserves: bool
) -> None:
    flat = (CacheGroup(layers=4, block_tokens=16, window_tokens=32),) if window else ()
    limits = rules(blocks=pool, tables=tables, flat=flat, reserves_output=reserves)
    traffic = poisson(150, rate, seed=seed, spread=0.6, prompt=100, output=60)
    run, log = started(traffic, PlainTimes(sequence_s=1e-4), limits)
    most = 0
    for until_s in np.linspace(0.0, float(traffic.arrival_s[-1]) + 1.0, 300):
        run.advance(float(until_s))
        most = max(most, run.used_blocks)
    run.advance(math.inf)
    assert most <= pool
    assert run.used_blocks == run.in_flight == 0
    answered = int((log.column("done_s") > 0).sum())
    assert answered + log.refused == len(traffic)
    if reserves:
        assert log.preemptions == 0


def test_a_full_pool_takes_the_blocks_of_whoever_came_last() -> None:
    """Two requests of 32 tokens of prompt that grow to 64: 4 blocks each, in a pool of 6. The second one loses its
    blocks when both need a third, after 16 tokens, waits for the first and is computed anew with what it had."""
    traffic = Requests(
        arrival_s=np.array([0.0, 0.0]), input_tokens=np.array([32, 32]), output_tokens=np.array([33, 33])
    )
    times = PlainTimes(step_s=1.0, prompt_s=0.01)
    run, log = played(traffic, times, rules(blocks=6))
    assert log.preemptions == 1
    # a step for both prompts (1 + 0.64), 16 steps of two, whose 17th token needs a fourth block: 8 > 6
    first_done_s = 1.64 + 32.0
    assert log.column("done_s")[0] == pytest.approx(first_done_s)
    # preempted with 17 tokens of its answer: a prompt of 49, then 15 more tokens
    assert log.column("done_s")[1] == pytest.approx(first_done_s + 1.49 + 15.0)
    assert log.column("first_s").tolist() == pytest.approx([1.64, 1.64])
    assert run.used_blocks == 0


def test_what_can_never_fit_is_refused_and_counted() -> None:
    traffic = Requests(
        arrival_s=np.array([0.0, 0.0, 1.0]), input_tokens=np.array([100, 10, 10]), output_tokens=np.array([1, 200, 10])
    )
    _, log = played(traffic, PlainTimes(), rules(blocks=6, longest_tokens=150))
    assert log.refused == 2
    assert (log.column("done_s") >= 0).tolist() == [False, False, True]


def shared_traffic(prefixes: list[list[int]], prompt: int, gap_s: float = 10.0) -> Requests:
    count = len(prefixes)
    offsets = np.cumsum([0, *map(len, prefixes)])
    ids = np.array([unit for each in prefixes for unit in each], dtype=np.int64)
    return Requests(
        arrival_s=np.arange(count) * gap_s, input_tokens=np.full(count, prompt), output_tokens=np.full(count, 2),
        prefixes=Prefixes(block_tokens=64, offsets=offsets, ids=ids),
    )  # fmt: skip


def test_a_prompt_that_was_seen_before_is_not_computed_again() -> None:
    """200 tokens, of which 3 x 64 have ids: the second request computes the last 8."""
    traffic = shared_traffic([[1, 2, 3], [1, 2, 3], [1, 9, 3]], prompt=200)
    _, log = played(traffic, PlainTimes(step_s=0.01, prompt_s=0.001), rules(prefix_caching=True))
    ttft_s = log.column("first_s") - traffic.arrival_s
    assert ttft_s.tolist() == pytest.approx([0.21, 0.018, 0.01 + 0.001 * (200 - 64)])
    assert log.cached_tokens == 192 + 64


def test_without_a_cache_everything_is_computed() -> None:
    traffic = shared_traffic([[1, 2, 3], [1, 2, 3]], prompt=200)
    _, log = played(traffic, PlainTimes(), rules())
    assert log.cached_tokens == 0
    assert log.computed_tokens == 400


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    traffic = shared_traffic([[1, 2, 3], [1, 2, 3]], prompt=192)
    _, log = played(traffic, PlainTimes(), rules(prefix_caching=True))
    assert log.cached_tokens == 128


def test_the_least_recently_used_prefix_makes_room() -> None:
    """A pool of 40 blocks of 16: a prompt of 200 + 2 tokens takes 13, of which 12 stay. Of four prefixes the oldest
    is gone when it comes again, the newest is there."""
    again = shared_traffic([[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [10, 11, 12], [1, 2, 3]], prompt=200)
    _, log = played(again, PlainTimes(), rules(blocks=40, prefix_caching=True))
    assert log.cached_tokens == 192


def test_requests_at_once_share_the_blocks_of_a_prefix() -> None:
    """After the first has computed 192 tokens, three more hold 12 blocks together and 2 each of their own."""
    traffic = shared_traffic([[1, 2, 3]] * 4, prompt=200, gap_s=0.0)
    late = Requests(
        arrival_s=np.array([0.0, 5.0, 5.0, 5.0]), input_tokens=traffic.input_tokens, output_tokens=np.full(4, 50),
        prefixes=traffic.prefixes,
    )  # fmt: skip
    run, _ = started(late, PlainTimes(step_s=0.1), rules(prefix_caching=True))
    run.advance(5.25)
    assert run.running == 3
    assert run.used_blocks == 12 + 3 * math.ceil((202 - 192) / 16)


@given(seed=st.integers(0, 999), blocks=st.integers(30, 200))
@settings(max_examples=20, deadline=None)
def test_prefixes_in_a_small_pool_never_exceed_it(seed: int, blocks: int) -> None:
    rng = np.random.default_rng(seed)
    prefixes = [[int(rng.integers(3)) * 100 + place for place in range(int(rng.integers(0, 4)))] for _ in range(60)]
    run, log = started(
        shared_traffic(prefixes, prompt=210, gap_s=0.02), PlainTimes(), rules(blocks=blocks, prefix_caching=True)
    )
    for until_s in np.linspace(0, 3, 200):
        run.advance(float(until_s))
        assert run.used_blocks + run.idle_blocks <= blocks
    run.advance(math.inf)
    assert run.used_blocks == 0
    assert log.cached_tokens + log.computed_tokens >= 60 * 210


def test_units_in_use_stay_and_idle_ones_go_last_in_first_of_a_prompt() -> None:
    cache = PrefixCache(64, 4)
    assert cache.keep([1, 2, 3]) == [1, 2, 3]
    assert (cache.pinned_blocks, cache.idle_blocks) == (12, 0)
    assert cache.release([1, 2, 3]) == 3
    cache.shrink(8)
    assert cache.leading([1, 2, 3], 9) == 2
    assert cache.pin([1, 2]) == 2
    cache.shrink(0)
    assert (cache.pinned_blocks, cache.idle_blocks) == (8, 0)

"""The scheduler's limits as they follow from a replica and its memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from perf_builders import MIXTRAL, budget, engine, replica

from llmplan.plan.cache import CacheGroup
from llmplan.plan.deployment import Offload, Parallelism
from llmplan.simulate.engine import Rules, rules_of


def test_a_pool_of_vllm_has_a_block_that_nobody_gets() -> None:
    found = rules_of(replica(), budget(160_000))
    assert (found.blocks, found.block_tokens, found.tables, found.flat) == (9_999, 16, 1, ())
    other = rules_of(replica(engine=engine(kv_pool_rule="fraction_of_free")), budget(160_000))
    assert other.blocks == 10_000


def test_groups_have_pools_and_sequences_of_their_own() -> None:
    memory = budget(160_000)
    memory = replace(memory, room=replace(memory.room, groups=4))
    found = rules_of(replica(MIXTRAL, parallel=Parallelism(dp=4, ep=True), max_num_seqs=64), memory)
    assert (found.blocks, found.max_num_seqs) == (4 * 9_999, 256)


def test_a_host_pool_adds_blocks() -> None:
    """131,072 bytes a token: 2 GiB hold 16,384 tokens, 1,024 blocks."""
    found = rules_of(replica(offload=Offload(kind="kv", host_kv_bytes=2 * 1024**3)), budget(160_000))
    assert found.blocks == 9_999 + 1024


def test_windows_hold_what_they_can_reach_and_full_layers_everything() -> None:
    memory = budget(160_000)
    groups = (CacheGroup(layers=16, block_tokens=16), CacheGroup(layers=16, block_tokens=16, window_tokens=128))
    layout = replace(memory.room.layout, groups=groups)
    found = rules_of(replica(), replace(memory, room=replace(memory.room, layout=layout)))
    assert found.growing_blocks(1000) == 63
    assert found.flat_blocks(1000) == 9
    assert found.flat == groups[1:]


def test_states_bound_the_sequences() -> None:
    memory = budget(160_000)
    found = rules_of(replica(), replace(memory, room=replace(memory.room, state_slots=20.0)))
    assert found.max_num_seqs == 20


@pytest.mark.parametrize(("prompt", "output", "admitted"), [(100, 60, True), (100, 61, False), (150, 20, False)])
def test_a_request_longer_than_the_engine_or_the_pool_is_not_admitted(prompt: int, output: int, admitted: bool) -> None:
    """Ten blocks of 16 hold 160 tokens; the engine takes 165."""
    assert Rules(max_num_seqs=4, blocks=10, block_tokens=16, longest_tokens=165).admits(prompt, output) is admitted


def test_prefixes_are_looked_for_where_the_engine_does() -> None:
    assert rules_of(replica(), budget()).prefix_caching
    slots = replica(engine=engine("llama-cpp", kv_pool_rule="explicit_context"))
    assert not rules_of(slots, budget()).prefix_caching

"""What a pool holds where the replica cannot start: the same blocks, below one request at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmplan import memory
from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import MemoryBudget, Rejection
from llmplan.units import GIB

Make = Callable[..., Replica]
PER_TOKEN = 131072
"""Llama 3.1 8B in 16 bit: 32 layers x 8 KV heads x (K, V) x 128 x 2 bytes"""


def test_a_pool_in_blocks_tokens_and_requests(make: Make) -> None:
    replica = make(max_model_len=131072, kv_cache_memory_bytes=4 * GIB)
    found = memory.kv_pool(replica, 4 * GIB)
    assert (found.blocks, found.capacity_tokens) == (4 * GIB // (16 * PER_TOKEN), 4 * GIB // PER_TOKEN)
    assert found.max_concurrency == 4 * GIB / PER_TOKEN / 131072
    assert found.kv_bytes_per_token == PER_TOKEN


def test_data_parallel_groups_add_up(make: Make) -> None:
    one, two = (memory.kv_pool(make(dp=dp, max_model_len=131072), 4 * GIB) for dp in (1, 2))
    assert two.blocks == one.blocks
    assert two.capacity_tokens == 2 * one.capacity_tokens


def test_llama_cpp_shares_its_cells_out_in_proportion(make: Make) -> None:
    replica = make(engine="llama-cpp", weights="q4_k_m", kv="fp16", max_model_len=4096, max_num_seqs=4)
    found = memory.kv_pool(replica, 2 * 4096 * PER_TOKEN)
    assert found.capacity_tokens == 2 * 4096
    assert found.max_concurrency == 2


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gib=st.floats(min_value=0.01, max_value=60.0), context=st.integers(min_value=512, max_value=131072))
@pytest.mark.parametrize("stated", [True, False])
def test_below_one_request_exactly_where_there_is_no_room(make: Make, stated: bool, gib: float, context: int) -> None:
    replica = make(max_model_len=context, gpu_gib=18.0 + gib)
    if stated:
        known = replace(replica.settings, kv_cache_memory_bytes=round(gib * GIB))
        replica = replace(replica, settings=known)
    outcome = memory.budget(replica)
    if isinstance(outcome, MemoryBudget):
        held = memory.kv_pool(replica, outcome.kv_cache_bytes.mid)
        assert (held.blocks, held.capacity_tokens) == (outcome.blocks, outcome.capacity_tokens)
        assert held.max_concurrency >= 1
    elif isinstance(outcome, Rejection) and outcome.code == "no_room_for_one_request":
        assert outcome.ledger is not None
        pool_bytes = outcome.ledger["KV pool"].amount
        assert pool_bytes is not None
        assert memory.kv_pool(replica, pool_bytes).max_concurrency < 1

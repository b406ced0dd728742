"""A KV pool in blocks and tokens: how much of it there is, and how much one request takes."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.memory.kv_cache import CacheLayout, cache_layout, in_flight_tokens
from llmplan.memory.offload import place_weights, stage_cache_bytes
from llmplan.memory.runtime import version_of
from llmplan.memory.shards import weights_on_rank
from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import KvPool

LENGTH_SINCE = (0, 15)
"""Version from which vLLM schedules ahead, and counts tokens of mixed windows by whole requests (it did neither in
0.11 and does both in 0.21)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A pool in blocks: all of them, those that requests may have, those that the longest request takes."""

    blocks: int
    usable_blocks: int
    per_request: int
    ahead_tokens: int
    capacity_tokens: int


def cut_pool(replica: Replica, layout: CacheLayout, pool_bytes: float) -> Cut:
    """A paged pool in whole blocks. vLLM keeps one back, which a pool of stated size has beside it."""
    engine, settings = replica.engine, replica.settings
    early = engine.kv_pool_rule == "fraction_of_total" and version_of(engine.version) < LENGTH_SINCE
    ahead = in_flight_tokens(settings.max_num_batched_tokens, replica.parallel.pp, asynchronous=not early)
    per_request = layout.blocks_per_request(settings.max_model_len, ahead)
    blocks = layout.blocks_in(pool_bytes)
    capacity = blocks // len(layout.groups) * layout.block_tokens
    if len(layout.groups) > 1 and not early:
        capacity = int(blocks / per_request * settings.max_model_len)
    kept_back = 1 if settings.kv_cache_memory_bytes is None else 0
    return Cut(
        blocks=blocks,
        usable_blocks=max(0, blocks - kept_back),
        per_request=per_request,
        ahead_tokens=ahead,
        capacity_tokens=capacity,
    )


def contiguous_bytes(replica: Replica, host_layers: int) -> float:
    """llama.cpp's cache for the whole context of every slot [bytes], of the layers that are on the GPU.

    replica: what runs; host_layers [layers] on the CPU. Cache of all layers x layers on the GPU / layers.
    Valid where the cache is laid out in advance. Reference: `stage_cache_bytes`.
    """
    layers = replica.model.layer_count
    return stage_cache_bytes(replica, replica.parallel.pp) * (layers - host_layers) / layers


def kv_pool(replica: Replica, pool_bytes: float) -> KvPool:
    """What a pool holds, whether or not one whole request goes into it.

    replica: what runs; pool_bytes [B]: known or estimated, on one GPU.
    blocks = floor(pool / block); concurrency = blocks that requests may have / blocks of one of `max_model_len`, below
    1 where there is no room for one. llama.cpp's cells: in proportion to the whole cache.
    Valid as `budget`, of which it is the last step. Reference: docs/how-it-works/memory.md.
    """
    parallel, settings = replica.parallel, replica.settings
    layout = cache_layout(replica.model, replica.kv, parallel.tp, parallel.pp, settings.block_tokens)
    if replica.engine.kv_pool_rule == "explicit_context" and settings.kv_cache_memory_bytes is None:
        share = weights_on_rank(replica.model, replica.weights, parallel, replica.engine)
        part = pool_bytes / contiguous_bytes(replica, place_weights(replica, share).host_layers)
        concurrency = part * settings.max_num_seqs
        capacity = int(concurrency * settings.max_model_len)
        blocks = capacity // settings.block_tokens
    else:
        cut = cut_pool(replica, layout, pool_bytes)
        blocks, capacity, concurrency = cut.blocks, cut.capacity_tokens, cut.usable_blocks / cut.per_request
    return KvPool(
        kv_bytes_per_token=layout.token_bytes,
        block_tokens=settings.block_tokens,
        blocks=blocks,
        capacity_tokens=capacity * parallel.dp,
        max_concurrency=concurrency * parallel.dp,
    )

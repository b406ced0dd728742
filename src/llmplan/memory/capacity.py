"""A KV pool in blocks and tokens: how much of it there is, and how much one request takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from llmplan.memory.kv_cache import cache_kinds, in_flight_tokens
from llmplan.memory.offload import place_weights, stage_cache_bytes
from llmplan.memory.paging import Paging, cache_layout
from llmplan.memory.runtime import version_of
from llmplan.memory.shards import weights_on_rank
from llmplan.plan.cache import CacheLayout, KvRoom
from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import KvPool

LENGTH_SINCE: Final = (0, 15)
"""Version from which vLLM schedules ahead, counts tokens by whole requests of `max_model_len`, and caches prefixes of
recurrent states (it did none of these in 0.11 and does them in 0.21; what changed when between is not known)."""
GROUPED_SINCE: Final = (0, 10)
"""Version from which vLLM has a block table for each kind of layer."""
STATE_SHARE: Final = 0.9 / 1.9
"""Share of SGLang's pool that recurrent states get (`mamba_full_memory_ratio` 0.9 of what tokens get)."""
WINDOW_RATIO: Final = 0.8
"""Tokens for which SGLang's window layers have room, of those of full layers (`swa_full_tokens_ratio`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A pool in blocks: how they serve requests, and what the longest request takes."""

    room: KvRoom
    usable_blocks: int
    per_request: int
    capacity_tokens: int

    @property
    def concurrency(self) -> float:
        """Requests of `max_model_len` in the pool of one GPU."""
        if not self.room.layout.groups:
            return self.room.state_slots
        return min(self.room.blocks / self.per_request, self.room.state_slots)


def layout_of(replica: Replica) -> CacheLayout:
    """The block tables of a replica's engine.

    replica: model, formats, ranks, engine and version. vLLM since 0.10: a table for each kind of layer. TensorRT-LLM,
    and vLLM before: one for all, windows keep everything. SGLang: window layers have room for 0.8 of the tokens.
    Valid for the engines' defaults. Reference: vLLM 0.33 v1/core/kv_cache_planning.py; SGLang 0.5.23
    model_executor/pool_configurator.py; TensorRT-LLM _torch/pyexecutor/resource_manager.py.
    """
    engine, parallel = replica.engine, replica.parallel
    version = version_of(engine.version)
    if engine.kv_pool_rule == "fraction_of_total":
        early = version < LENGTH_SINCE
        paging = Paging(
            grouped=version >= GROUPED_SINCE, dcp=parallel.dcp,
            state_blocks=2 if replica.settings.prefix_caching and not early else 1,
        )  # fmt: skip
    elif engine.kv_pool_rule == "explicit_context":
        paging = Paging(state_blocks=1)
    else:
        paging = Paging(grouped=False, state_blocks=1)
    block_tokens = replica.settings.block_tokens
    layout = cache_layout(replica.model, replica.kv, parallel.tp, parallel.pp, block_tokens, paging)
    return _narrowed(replica, layout) if engine.kv_pool_rule == "fraction_static" else layout


def _narrowed(replica: Replica, layout: CacheLayout) -> CacheLayout:
    """SGLang's cell: full layers and 0.8 of the window layers."""
    kinds = [k for k in cache_kinds(replica.model, replica.kv, replica.parallel.tp, replica.parallel.pp) if not k.state]
    if len({kind.window_tokens is None for kind in kinds}) < 2:
        return layout
    share = [1.0 if kind.window_tokens is None else WINDOW_RATIO for kind in kinds]
    cell = math.fsum(kind.layers * kind.token_bytes * part for kind, part in zip(kinds, share, strict=True))
    return replace(layout, block_bytes=cell * layout.block_tokens)


def cut_pool(replica: Replica, layout: CacheLayout, pool_bytes: float) -> Cut:
    """A paged pool in whole blocks.

    replica, layout: what is cut and how; pool_bytes [B] on one GPU.
    blocks = floor(pool / block), after what recurrent states have for themselves: 0.9 / 1.9 of the pool in SGLang,
    those of `max_num_seqs` sequences in TensorRT-LLM. vLLM keeps one block back, which a pool of stated size has
    beside it. Tokens: whole requests x `max_model_len`, or blocks / groups x block in early vLLM and other engines.
    Valid as `layout_of`. Reference: as `layout_of`.
    """
    engine, settings = replica.engine, replica.settings
    vllm = engine.kv_pool_rule == "fraction_of_total"
    early = vllm and version_of(engine.version) < LENGTH_SINCE
    ahead = in_flight_tokens(settings.max_num_batched_tokens, replica.parallel.pp, asynchronous=not early)
    slots = math.inf
    if layout.state_bytes and not vllm:
        slots = float(settings.max_num_seqs)
        if engine.kv_pool_rule == "fraction_static":
            slots = pool_bytes * STATE_SHARE // layout.state_bytes
        pool_bytes -= slots * layout.state_bytes
    if not layout.groups:
        return _nothing_kept(replica, layout)
    blocks = layout.blocks_in(max(0.0, pool_bytes))
    room = KvRoom(
        layout=layout, blocks=blocks, in_flight_tokens=ahead, groups=replica.parallel.dp, state_slots=slots
    )  # fmt: skip
    per_request = max(1, layout.blocks_per_request(settings.max_model_len, ahead))
    capacity = blocks // max(1, len(layout.groups)) * layout.block_tokens
    if vllm and not early:
        capacity = int(blocks / per_request * settings.max_model_len)
    kept_back = 1 if settings.kv_cache_memory_bytes is None else 0
    return Cut(
        room=room, usable_blocks=max(0, blocks - kept_back), per_request=per_request, capacity_tokens=capacity
    )  # fmt: skip


def _nothing_kept(replica: Replica, layout: CacheLayout) -> Cut:
    """An encoder keeps no cache: as many requests as the scheduler takes."""
    settings = replica.settings
    room = KvRoom(layout=layout, blocks=0, groups=replica.parallel.dp, state_slots=float(settings.max_num_seqs))
    return Cut(
        room=room, usable_blocks=1, per_request=1, capacity_tokens=settings.max_num_seqs * settings.max_model_len
    )  # fmt: skip


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
    layout = layout_of(replica)
    if replica.engine.kv_pool_rule == "explicit_context" and settings.kv_cache_memory_bytes is None:
        share = weights_on_rank(replica.model, replica.weights, parallel, replica.engine)
        part = pool_bytes / contiguous_bytes(replica, place_weights(replica, share).host_layers)
        concurrency = part * settings.max_num_seqs
        capacity = int(concurrency * settings.max_model_len)
        blocks = capacity // settings.block_tokens
    else:
        cut = cut_pool(replica, layout, pool_bytes)
        blocks, capacity = cut.room.blocks, cut.capacity_tokens
        concurrency = cut.concurrency if cut.usable_blocks >= cut.per_request else cut.usable_blocks / cut.per_request
    return KvPool(
        kv_bytes_per_token=layout.token_bytes,
        kv_bytes_per_sequence=layout.state_bytes,
        block_tokens=layout.block_tokens,
        blocks=blocks,
        capacity_tokens=capacity * parallel.dp,
        max_concurrency=concurrency * parallel.dp,
    )

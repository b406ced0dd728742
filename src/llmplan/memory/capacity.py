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
from llmplan.spec.formats import KvFormat
from llmplan.spec.model import CompressedAttention, GqaAttention, MlaAttention, RecurrentKind, RecurrentMixer

LENGTH_SINCE: Final = (0, 15)
"""Version from which vLLM schedules ahead, counts tokens by whole requests of `max_model_len`, and caches prefixes of
recurrent states (it did none of these in 0.11 and does them in 0.21; what changed when between is not known)."""
STAGES_AHEAD_SINCE: Final = (0, 32)
"""Version from which vLLM schedules ahead across pipeline stages too (it does in 0.32; since when is not known)."""
GROUPED_SINCE: Final = (0, 10)
"""Version from which vLLM has a block table for each kind of layer."""
CHECKPOINTS_SINCE: Final = {RecurrentKind.MAMBA2: (0, 32), RecurrentKind.GATED_DELTA: (0, 33)}
"""Version from which vLLM's kernels write a state from inside a prompt, which is one block more of a request (Mamba 2
does in 0.32, proposed in September 2026)."""
CHECKPOINT_CAPABILITIES: Final = {RecurrentKind.GATED_DELTA: (9, 10, 12)}
"""Compute capabilities whose kernels do so; else all."""
STATE_SHARE: Final = 0.9 / 1.9
"""Share of SGLang's pool that recurrent states get (`mamba_full_memory_ratio` 0.9 of what tokens get)."""
CACHED_STATES: Final = 3
"""States that SGLang sets aside for a request where prefixes are cached."""
TRACKED_STATES: Final = 2
"""Further ones for kernels that write states while the next step is prepared."""
UNTRACKED: Final = frozenset({RecurrentKind.MAMBA1, RecurrentKind.SHORT_CONV})
"""Recurrences whose kernels do not."""
WINDOW_RATIO: Final = 0.8
"""Tokens for which SGLang's window layers have room, of those of full layers (`swa_full_tokens_ratio`)."""
PACKED_WINDOW_RATIO: Final = 0.1
"""The same beside compressed latents."""
PACKED_PAGE_TOKENS: Final = 256
"""Tokens of SGLang's page there."""
SPARE_RINGS: Final = 3
"""Rings of tokens on their way into a compressed entry that SGLang has beyond one per sequence."""


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
    and vLLM before: one for all, windows keep everything. SGLang: window layers have room for 0.8 of the tokens. States
    have a pool of their own but in vLLM.
    Valid for the engines' defaults. Reference: vLLM 0.33 v1/core/kv_cache_planning.py; SGLang 0.5.23
    model_executor/pool_configurator.py; TensorRT-LLM _torch/pyexecutor/resource_manager.py.
    """
    engine, parallel = replica.engine, replica.parallel
    kv = stored_format(replica)
    if engine.kv_pool_rule == "fraction_of_total":
        paging = _vllm_paging(replica)
    else:
        paging = Paging(grouped=engine.kv_pool_rule == "explicit_context", state_blocks=1, states_apart=True)
    layout = cache_layout(replica.model, kv, parallel.tp, parallel.pp, replica.settings.block_tokens, paging)
    return _narrowed(replica, kv, layout) if engine.kv_pool_rule == "fraction_static" else layout


def _vllm_paging(replica: Replica) -> Paging:
    version = version_of(replica.engine.version)
    major = (replica.gpu.compute_capability or (0, 0))[0]
    writes = (
        kind
        for kind, since in CHECKPOINTS_SINCE.items()
        if version >= since and major in CHECKPOINT_CAPABILITIES.get(kind, (major,))
    )
    cached = replica.settings.prefix_caching and version >= LENGTH_SINCE
    return Paging(
        grouped=version >= GROUPED_SINCE, dcp=replica.parallel.dcp, state_blocks=2 if cached else 1,
        checkpoints=frozenset(writes),
    )  # fmt: skip


def stored_format(replica: Replica) -> KvFormat:
    """The format in which the engine keeps what was asked for.

    replica: engine, model and GPU. Kernels that choose among latents, or compress them, take 8 bit only as packed
    latents, but for capability 10.x, where those that choose take plain ones. SGLang packs compressed latents always.
    Valid for vLLM 0.33 and SGLang 0.5.23. Reference: vLLM 0.33 model_executor/layers/attention/mla_attention.py,
    models/deepseek_v4/attention.py; SGLang 0.5.23 mem_cache/kv_cache_configurator.py.
    """
    kv, rule = replica.kv, replica.engine.kv_pool_rule
    mixers = [mixer for mixer in replica.model.mixers() if not isinstance(mixer, GqaAttention | RecurrentMixer)]
    compressed = any(isinstance(mixer, CompressedAttention) for mixer in mixers)
    choosing = any(mixer.indexer is not None for mixer in mixers if _has_rotary_part(mixer))
    plain = (replica.gpu.compute_capability or (0, 0))[0] == 10 and not compressed
    packs = rule in ("fraction_of_total", "fraction_static") and kv.bytes_per_element == 1 and choosing and not plain
    return replace(kv, packs_latents=True) if packs or (compressed and rule == "fraction_static") else kv


def _has_rotary_part(mixer: MlaAttention | CompressedAttention) -> bool:
    """Packed latents have one."""
    return isinstance(mixer, CompressedAttention) or mixer.qk_rope_head_dim > 0


def _narrowed(replica: Replica, kv: KvFormat, layout: CacheLayout) -> CacheLayout:
    """SGLang's cell: full layers and 0.8 of the window layers; of compressed latents by pages, 0.1 of the windows and
    of the short buffers that go with them. Classes that are not on its list keep windows whole."""
    kinds = [k for k in cache_kinds(replica.model, kv, replica.parallel.tp, replica.parallel.pp) if not k.state]
    mixed = len({kind.window_tokens is None for kind in kinds}) > 1
    if not mixed or replica.model.architecture not in replica.engine.windowed_architectures:
        return layout
    if not any(kind.buffer_tokens for kind in kinds):
        share = [1.0 if kind.window_tokens is None else WINDOW_RATIO for kind in kinds]
        cell = math.fsum(kind.layers * kind.token_bytes * part for kind, part in zip(kinds, share, strict=True))
        return replace(layout, block_bytes=cell * layout.block_tokens)
    cell = rings = 0.0
    widest = max(kind.window_tokens or 0 for kind in kinds if not kind.buffer_tokens)
    for kind in kinds:
        window = kind.window_tokens or 0
        if kind.buffer_tokens and window >= widest:
            rings += kind.layers * window * kind.entry_bytes
        elif kind.buffer_tokens:
            cell += kind.layers * PACKED_WINDOW_RATIO * window * kind.entry_bytes / PACKED_PAGE_TOKENS
        elif kind.index:
            cell += kind.layers * kind.token_bytes
        else:
            share_of = PACKED_WINDOW_RATIO if window else 1.0
            cell += kind.layers * share_of * kind.page_bytes(PACKED_PAGE_TOKENS) / PACKED_PAGE_TOKENS
    return replace(layout, block_bytes=cell * layout.block_tokens, state_bytes=layout.state_bytes + rings)


def cut_pool(replica: Replica, layout: CacheLayout, pool_bytes: float) -> Cut:
    """A paged pool in whole blocks.

    replica, layout: what is cut and how; pool_bytes [B] on one GPU.
    blocks = floor(pool / block), after what recurrent states have for themselves: 0.9 / 1.9 of the pool in SGLang,
    those of `max_num_seqs` sequences in TensorRT-LLM. vLLM keeps one block back, which a pool of stated size has
    beside it. Tokens: whole requests x `max_model_len`, or blocks / groups x block in early vLLM and other engines.
    Valid as `layout_of`. Reference: as `layout_of`.
    """
    engine, settings, parallel = replica.engine, replica.settings, replica.parallel
    vllm = engine.kv_pool_rule == "fraction_of_total"
    version = version_of(engine.version)
    early = vllm and version < LENGTH_SINCE
    asynchronous = not early and (parallel.pp == 1 or version >= STAGES_AHEAD_SINCE)
    ahead = in_flight_tokens(settings.max_num_batched_tokens, parallel.pp, asynchronous=asynchronous)
    slots, apart_bytes = _states_apart(replica, layout, pool_bytes)
    if not layout.groups:
        return _nothing_per_token(replica, layout, slots)
    blocks = layout.blocks_in(max(0.0, pool_bytes - apart_bytes))
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


def _states_apart(replica: Replica, layout: CacheLayout, pool_bytes: float) -> tuple[float, float]:
    """Sequences for whose states there is a pool beside the blocks, and its bytes.

    SGLang has one slot more than it hands out, and sets several aside for a request where prefixes are cached.
    """
    settings, rule = replica.settings, replica.engine.kv_pool_rule
    if rule == "fraction_of_total" or not layout.state_bytes:
        return math.inf, 0.0
    slots = float(settings.max_num_seqs)
    if rule != "fraction_static":
        return slots, slots * layout.state_bytes
    kinds = {mixer.kind for mixer in replica.model.mixers() if isinstance(mixer, RecurrentMixer)}
    if not kinds:
        return slots, (slots + SPARE_RINGS) * layout.state_bytes
    if not settings.prefix_caching:
        return slots, (slots + 1) * layout.state_bytes
    slots = max(0.0, pool_bytes * STATE_SHARE // layout.state_bytes - 1)
    each = CACHED_STATES if kinds & UNTRACKED else CACHED_STATES + TRACKED_STATES
    return slots // each, (slots + 1) * layout.state_bytes


def _nothing_per_token(replica: Replica, layout: CacheLayout, slots: float) -> Cut:
    """An encoder keeps no cache, a recurrence alone its states: as many requests as the scheduler takes."""
    settings = replica.settings
    seqs = min(float(settings.max_num_seqs), slots)
    room = KvRoom(layout=layout, blocks=0, groups=replica.parallel.dp, state_slots=seqs)
    return Cut(room=room, usable_blocks=1, per_request=1, capacity_tokens=int(seqs) * settings.max_model_len)


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
        unbounded_kv_bytes_per_token=layout.unbounded_bytes,
        kv_bytes_per_sequence=layout.state_bytes,
        block_tokens=layout.block_tokens,
        blocks=blocks,
        capacity_tokens=capacity * parallel.dp,
        max_concurrency=concurrency * parallel.dp,
    )

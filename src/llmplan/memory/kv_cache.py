"""The KV cache: bytes per token, how the engine groups layers into blocks, and how many blocks a request takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.memory.stages import layers_in, stage_ranges
from llmplan.plan.deployment import Parallelism
from llmplan.spec.formats import KvFormat
from llmplan.spec.identity import remembered
from llmplan.spec.model import Attention, GqaAttention, MlaAttention, ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKind:
    """`layers` layers whose cache is alike: bytes per token on one GPU, and the window (None: whole context)."""

    layers: int
    token_bytes: float
    window_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheGroup:
    """Layers that share one block table: a block holds `block_tokens` tokens of each of them."""

    layers: int
    block_tokens: int
    window_tokens: int | None

    def blocks(self, length_tokens: int, in_flight_tokens: int) -> int:
        """Blocks that a request of this length holds at most.

        length_tokens [tokens]; in_flight_tokens [tokens]: scheduled and not yet computed.
        Full attention: ceil(len / block). Window W: ceil(min(W - 1 + in flight, len) / block) + 1.
        Valid for vLLM 0.10 to 0.33. Reference: vLLM 0.33 v1/kv_cache_interface.py.

        >>> CacheGroup(layers=18, block_tokens=16, window_tokens=128).blocks(16384, 2048)
        137
        """
        if self.window_tokens is None:
            return math.ceil(length_tokens / self.block_tokens)
        held = min(self.window_tokens - 1 + in_flight_tokens, length_tokens)
        return math.ceil(held / self.block_tokens) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLayout:
    """How the pool is cut: every block takes `block_bytes`, whichever group it belongs to."""

    groups: tuple[CacheGroup, ...]
    block_bytes: float
    token_bytes: float
    """all layers of the stage, for a token inside every window"""
    block_tokens: int

    def blocks_per_request(self, length_tokens: int, in_flight_tokens: int) -> int:
        """Blocks of all groups that one request of this length holds."""
        return sum(group.blocks(length_tokens, in_flight_tokens) for group in self.groups)

    def blocks_in(self, pool_bytes: float) -> int:
        """Whole blocks in a pool."""
        return max(0, int(pool_bytes // self.block_bytes))


def layer_token_bytes(attention: Attention, kv: KvFormat, tp: int) -> float:
    """Bytes of one token in one layer on one GPU.

    attention: its kind; kv: the cache's number format; tp [ranks].
    GQA: max(1, kv_heads / tp) (d_k + d_v) b. MLA: (r_kv + d_rope) b, the same on every rank.
    Valid for all TP; fewer KV heads than ranks are replicated. Reference: vLLM 0.33 v1/kv_cache_interface.py.

    >>> from llmplan.memory.formats import kv_format
    >>> gqa = GqaAttention(query_heads=64, kv_heads=8, head_dim=128, v_head_dim=128, tensors=())
    >>> [layer_token_bytes(gqa, kv_format("bf16"), tp) for tp in (1, 4, 16)]
    [4096.0, 1024.0, 512.0]
    """
    match attention:
        case GqaAttention():
            heads = math.ceil(attention.kv_heads / tp)
            return heads * (attention.head_dim + attention.v_head_dim) * kv.bytes_per_element
        case MlaAttention():
            return attention.cache_elements_per_token * kv.bytes_per_element


@remembered
def cache_kinds(model: ModelSpec, kv: KvFormat, tp: int, pp: int) -> tuple[CacheKind, ...]:
    """The layers of the fullest stage by equal cache, most layers first."""
    stages = (_stage_kinds(model, kv, tp, stage) for stage in stage_ranges(model.layer_count, pp))
    return max(stages, key=lambda kinds: sum(kind.layers * kind.token_bytes for kind in kinds))


def _stage_kinds(model: ModelSpec, kv: KvFormat, tp: int, stage: range) -> tuple[CacheKind, ...]:
    counts: dict[tuple[float, int | None], float] = {}
    for group in model.layers:
        key = (layer_token_bytes(group.attention, kv, tp), group.attention.window_tokens)
        counts[key] = counts.get(key, 0.0) + layers_in(group, model, stage)
    kinds = (
        CacheKind(layers=math.ceil(count), token_bytes=size, window_tokens=window)
        for (size, window), count in counts.items()
        if count > 0
    )
    return tuple(sorted(kinds, key=lambda kind: -kind.layers))


@remembered
def cache_layout(model: ModelSpec, kv: KvFormat, tp: int, pp: int, block_tokens: int) -> CacheLayout:
    """Group the layers as vLLM does.

    model, kv: what is cached; tp, pp [ranks]; block_tokens [tokens]: the engine's block size.
    One kind, or several that all see the whole context: one group, a block holds every layer's page. Windows mixed
    with full attention: pages are brought to the largest (more tokens per block where it divides, else padded), layers
    dealt into groups of g = the smallest kind's layers (or the largest's if under 1.5 times that), a block is g pages.
    Valid for vLLM 0.10 to 0.33. Reference: vLLM 0.33 v1/core/kv_cache_planning.py.
    """
    kinds = cache_kinds(model, kv, tp, pp)
    token_bytes = math.fsum(kind.layers * kind.token_bytes for kind in kinds)
    windows = {kind.window_tokens for kind in kinds}
    if len(windows) == 1:
        layers = sum(kind.layers for kind in kinds)
        one = CacheGroup(layers=layers, block_tokens=block_tokens, window_tokens=kinds[0].window_tokens)
        return CacheLayout(
            groups=(one,), block_bytes=token_bytes * block_tokens, token_bytes=token_bytes, block_tokens=block_tokens
        )
    page = max(kind.token_bytes for kind in kinds) * block_tokens
    counts = [kind.layers for kind in kinds]
    width = max(counts) if max(counts) < 1.5 * min(counts) else min(counts)
    groups: list[CacheGroup] = []
    for kind in kinds:
        fits, rest = divmod(page, kind.token_bytes * block_tokens)
        tokens = block_tokens * int(fits) if rest == 0 else block_tokens
        one = CacheGroup(layers=width, block_tokens=tokens, window_tokens=kind.window_tokens)
        groups += [one] * math.ceil(kind.layers / width)
    return CacheLayout(
        groups=tuple(groups), block_bytes=width * page, token_bytes=token_bytes, block_tokens=block_tokens
    )


def kv_bytes_per_token_per_gpu(model: ModelSpec, kv_format: KvFormat, parallel: Parallelism) -> float:
    """Bytes that one token takes in the cache of one GPU, over the layers of the fullest stage.

    model, kv_format: what is cached; parallel: ranks (DP does not divide a token's cache).
    Sum over layers of `layer_token_bytes`; layers with a window count while the token is inside it.
    Valid for every supported attention kind. Reference: as `layer_token_bytes`.
    """
    return math.fsum(kind.layers * kind.token_bytes for kind in cache_kinds(model, kv_format, parallel.tp, parallel.pp))


def in_flight_tokens(max_num_batched_tokens: int, pp: int, *, asynchronous: bool = True) -> int:
    """Tokens that may be scheduled beyond what is computed, which a sliding window must keep.

    max_num_batched_tokens [tokens] per step; pp [stages]; asynchronous: whether the next step is scheduled early.
    Steps in flight: the number of stages under PP, else 2 with asynchronous scheduling, else 1.
    Valid for vLLM 0.33, which is asynchronous; early versions were not. Reference: vLLM 0.33
    v1/kv_cache_interface.py.

    >>> in_flight_tokens(2048, 1), in_flight_tokens(2048, 1, asynchronous=False)
    (4096, 2048)
    """
    return max_num_batched_tokens * (pp if pp > 1 else 1 + asynchronous)


def contiguous_cache_bytes(
    model: ModelSpec, kv_format: KvFormat, pp: int, context_tokens: int, slots: int, step_tokens: int
) -> float:
    """Bytes of a cache that is laid out for `slots` whole contexts in advance (llama.cpp), all layers of a stage.

    model, kv_format: what is cached; pp [GPUs] that share the layers; context_tokens [tokens] of one slot;
    slots [-]; step_tokens [tokens]: the physical batch.
    Full layers: context x slots cells. Window layers: min(that, W x slots + step) cells, rounded up to 256.
    Valid for llama.cpp since 2025 (split SWA cache). Reference: llama.cpp build 11434 src/llama-kv-cache-iswa.cpp.
    """
    cells = context_tokens * slots
    total = 0.0
    for kind in cache_kinds(model, kv_format, 1, pp):
        held = cells
        if kind.window_tokens is not None:
            held = min(cells, math.ceil((kind.window_tokens * slots + step_tokens) / 256) * 256)
        total += kind.layers * kind.token_bytes * held
    return total

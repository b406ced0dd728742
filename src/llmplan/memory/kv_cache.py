"""The KV cache: what each kind of layer keeps of a token and of a sequence, on the GPU that keeps most."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmplan.memory.stages import stage_ranges
from llmplan.plan.deployment import Parallelism
from llmplan.spec.caches import entry_bytes, state_bytes
from llmplan.spec.formats import KvFormat
from llmplan.spec.identity import remembered
from llmplan.spec.model import (
    CompressedAttention,
    GqaAttention,
    LayerGroup,
    Mixer,
    MlaAttention,
    ModelSpec,
    RecurrentKind,
    RecurrentMixer,
)
from llmplan.units import HALF_BYTES

CELL_STEP = 256
"""llama.cpp rounds the cells of a window up to this"""
PACKED_PAGE_BYTES = 576
"""pages of packed latents that are compressed are rounded up to this, so that kernels read them in whole rows"""
PLAIN_PAGE_BYTES = 512
"""the same where they are not packed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKind:
    """`layers` layers whose cache is alike on one GPU: `entry_bytes` for every `tokens_per_entry` tokens.

    `window_tokens` None: of the whole context. `state`: `entry_bytes` once per sequence, of a `recurrence` if one.
    """

    layers: int
    entry_bytes: float
    tokens_per_entry: int = 1
    window_tokens: int | None = None
    chunked: bool = False
    latent: bool = False
    index: bool = False
    state: bool = False
    buffer_tokens: int | None = None
    """tokens of a block of a buffer, which no token stays in"""
    page_multiple_bytes: int = 1
    """a page is rounded up to a multiple of this"""
    recurrence: RecurrentKind | None = None

    @property
    def token_bytes(self) -> float:
        """Bytes that one more token inside the window takes in one layer."""
        return 0.0 if self.state or self.buffer_tokens else self.entry_bytes / self.tokens_per_entry

    def page_bytes(self, block_tokens: int) -> float:
        """Bytes of one layer in a block of so many tokens: whole entries, rounded up."""
        if self.state:
            return self.entry_bytes
        entries = block_tokens // self.tokens_per_entry
        return math.ceil(entries * self.entry_bytes / self.page_multiple_bytes) * self.page_multiple_bytes

    def held_bytes(self, length_tokens: float) -> float:
        """Bytes of one layer for a sequence of this length."""
        if self.state:
            return self.entry_bytes
        seen = length_tokens if self.window_tokens is None else min(length_tokens, self.window_tokens)
        return seen * self.token_bytes


@remembered
def cache_kinds(model: ModelSpec, kv: KvFormat, tp: int, pp: int) -> tuple[CacheKind, ...]:
    """The layers of the fullest stage by equal cache, most layers first."""
    layers = layer_kinds(model, kv, tp)
    stages = (_counted(layers[stage.start : stage.stop]) for stage in stage_ranges(model.layer_count, pp))
    return max(stages, key=lambda kinds: sum(kind.layers * (kind.token_bytes or kind.entry_bytes) for kind in kinds))


def _counted(layers: Sequence[Sequence[CacheKind]]) -> tuple[CacheKind, ...]:
    counts = Counter(kind for kept in layers for kind in kept)
    return tuple(replace(kind, layers=count) for kind, count in counts.most_common())


@remembered
def layer_kinds(model: ModelSpec, kv: KvFormat, tp: int) -> tuple[tuple[CacheKind, ...], ...]:
    """What each layer of the stack keeps on one GPU, in order.

    model, kv: what is cached; tp [ranks]. Layers whose positions nobody stated are spread evenly.
    Valid for all inventories. Reference: `LayerGroup.indices`.
    """
    places: list[tuple[float, LayerGroup]] = []
    stated = all(len(group.indices) == group.count for group in model.layers)
    for group in model.layers:
        places += [(group.indices[i] if stated else (i + 0.5) / group.count, group) for i in range(group.count)]
    kept = {id(group): tuple(_all_kinds(group, kv, tp)) for group in model.layers}
    return tuple(kept[id(group)] for _, group in sorted(places, key=lambda place: place[0]))


def _all_kinds(group: LayerGroup, kv: KvFormat, tp: int) -> list[CacheKind]:
    return [kind for mixer in group.mixers for kind in _kinds_of(mixer, kv, tp)]


def _kinds_of(mixer: Mixer, kv: KvFormat, tp: int) -> list[CacheKind]:
    """What one layer's mixer keeps; all its states are one.

    An index of pooled keys also keeps the keys (of latents, their gates too) of the pool that is not full yet.
    """
    multiple = 1
    if isinstance(mixer, CompressedAttention):
        multiple = PACKED_PAGE_BYTES if kv.packs_latents else PLAIN_PAGE_BYTES
    found = [
        CacheKind(
            layers=1, entry_bytes=entry_bytes(cache, kv, tp), tokens_per_entry=cache.tokens_per_entry,
            window_tokens=cache.window_tokens, chunked=cache.chunked, latent=cache.latent,
            index=cache.fixed_bytes is not None, buffer_tokens=cache.buffer_tokens, page_multiple_bytes=multiple,
        )
        for cache in mixer.caches
    ]  # fmt: skip
    if isinstance(mixer, RecurrentMixer) and mixer.states:
        kept = sum(state_bytes(state, tp) for state in mixer.states)
        found.append(CacheKind(layers=1, entry_bytes=kept, state=True, recurrence=mixer.kind))
    if isinstance(mixer, GqaAttention | MlaAttention) and mixer.indexer and mixer.indexer.pool_tokens > 1:
        numbers = mixer.indexer.pool_tokens * mixer.indexer.head_dim * (2 if isinstance(mixer, MlaAttention) else 1)
        found.append(CacheKind(layers=1, entry_bytes=float(HALF_BYTES * numbers), state=True))
    return found


def kv_bytes_per_token_per_gpu(model: ModelSpec, kv_format: KvFormat, parallel: Parallelism) -> float:
    """Bytes that one token takes in the cache of one GPU, over the layers of the fullest stage.

    model, kv_format: what is cached; parallel: ranks (DP does not divide a token's cache).
    Sum over layers of `entry_bytes` / tokens per entry / dcp; layers with a window count while the token is inside it.
    Valid for every supported attention kind. Reference: as `entry_bytes`.
    """
    kinds = cache_kinds(model, kv_format, parallel.tp, parallel.pp)
    return math.fsum(kind.layers * kind.token_bytes for kind in kinds) / parallel.dcp


def state_bytes_per_sequence_per_gpu(model: ModelSpec, kv_format: KvFormat, parallel: Parallelism) -> float:
    """Bytes of all recurrent states of one sequence on one GPU, over the layers of the fullest stage.

    model, kv_format: what is kept; parallel: ranks. Sum over layers of `state_bytes`; 0 without recurrences.
    Valid for every supported recurrence. Reference: as `state_bytes`.
    """
    kinds = cache_kinds(model, kv_format, parallel.tp, parallel.pp)
    return math.fsum(kind.layers * kind.entry_bytes for kind in kinds if kind.state)


def in_flight_tokens(max_num_batched_tokens: int, pp: int, *, asynchronous: bool = True) -> int:
    """Tokens that may be scheduled beyond what is computed, which a sliding window must keep.

    max_num_batched_tokens [tokens] per step; pp [stages]; asynchronous: whether the next step is scheduled early.
    Steps in flight: one for every stage, and one more with asynchronous scheduling.
    Valid for vLLM 0.33, which is asynchronous; early versions were not, and later ones at first not across stages.
    Reference: vLLM 0.33 config/vllm.py.

    >>> in_flight_tokens(2048, 1), in_flight_tokens(2048, 1, asynchronous=False), in_flight_tokens(2048, 4)
    (4096, 2048, 10240)
    """
    return max_num_batched_tokens * (pp + asynchronous)


def contiguous_cache_bytes(
    model: ModelSpec, kv_format: KvFormat, pp: int, context_tokens: int, slots: int, step_tokens: int
) -> float:
    """Bytes of a cache that is laid out for `slots` whole contexts in advance (llama.cpp), all layers of a stage.

    model, kv_format: what is cached; pp [GPUs] that share the layers; context_tokens [tokens] of one slot;
    slots [-]; step_tokens [tokens]: the physical batch.
    Full layers: context x slots cells. Window layers: min(that, W x slots + step) cells, rounded up to 256. A
    recurrence: its states once per slot.
    Valid for llama.cpp since 2025 (split SWA cache). Reference: llama.cpp build 11434 src/llama-kv-cache-iswa.cpp.
    """
    cells = context_tokens * slots
    total = 0.0
    for kind in cache_kinds(model, kv_format, 1, pp):
        held = cells
        if kind.window_tokens is not None:
            held = min(cells, math.ceil((kind.window_tokens * slots + step_tokens) / CELL_STEP) * CELL_STEP)
        total += kind.layers * (kind.entry_bytes * slots if kind.state else kind.token_bytes * held)
    return total

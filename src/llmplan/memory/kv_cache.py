"""The KV cache: what each kind of layer keeps of a token and of a sequence, on the GPU that keeps most."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.memory.stages import layers_in, stage_ranges
from llmplan.plan.deployment import Parallelism
from llmplan.spec.formats import KvFormat
from llmplan.spec.identity import remembered
from llmplan.spec.model import Cache, Mixer, ModelSpec, State

FP32_BYTES = 4
HALF_BYTES = 2
CELL_STEP = 256
"""llama.cpp rounds the cells of a window up to this"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKind:
    """`layers` layers whose cache is alike on one GPU: `entry_bytes` for every `tokens_per_entry` tokens.

    `window_tokens` None: of the whole context. `state`: `entry_bytes` once per sequence.
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

    @property
    def token_bytes(self) -> float:
        """Bytes that one more token inside the window takes in one layer."""
        return 0.0 if self.state or self.buffer_tokens else self.entry_bytes / self.tokens_per_entry

    def held_bytes(self, length_tokens: float) -> float:
        """Bytes of one layer for a sequence of this length."""
        if self.state:
            return self.entry_bytes
        seen = length_tokens if self.window_tokens is None else min(length_tokens, self.window_tokens)
        return seen * self.token_bytes


def entry_bytes(cache: Cache, kv: KvFormat, tp: int) -> float:
    """Bytes of one entry of one layer's cache on one GPU.

    cache: what the layer keeps; kv: the cache's number format; tp [ranks].
    GQA: max(1, kv_heads / tp) (d_k + d_v) b. A latent: (r_kv + d_rope) b, or its packed bytes where the format packs
    latents, the same on every rank. An index: its own bytes.
    Valid for all TP; fewer KV heads than ranks are replicated. Reference: vLLM 0.33 v1/kv_cache_interface.py.

    >>> from llmplan.memory.formats import kv_format
    >>> gqa = Cache(heads=8, elements=256)
    >>> [entry_bytes(gqa, kv_format("bf16"), tp) for tp in (1, 4, 16)]
    [4096.0, 1024.0, 512.0]
    """
    if cache.fixed_bytes is not None:
        return cache.fixed_bytes
    if cache.packed_bytes is not None and kv.packs_latents:
        return cache.packed_bytes
    heads = 1 if cache.latent else math.ceil(cache.heads / tp)
    return heads * cache.elements * kv.bytes_per_element


def state_bytes(state: State, tp: int) -> float:
    """Bytes of one layer's state of one sequence on one GPU.

    state: heads x elements; tp [ranks]. ceil(heads / tp) x elements x 2 B, or 4 B in 32 bit.
    Valid for all TP; fewer groups than ranks are replicated. Reference: vLLM 0.33 layers/mamba/mamba_utils.py.

    >>> state_bytes(State(heads=32, elements=128 * 128, dtype="fp32"), 2)
    1048576.0
    """
    width = FP32_BYTES if state.dtype == "fp32" else HALF_BYTES
    return float(math.ceil(state.heads / tp) * state.elements * width)


@remembered
def cache_kinds(model: ModelSpec, kv: KvFormat, tp: int, pp: int) -> tuple[CacheKind, ...]:
    """The layers of the fullest stage by equal cache, most layers first."""
    stages = (_stage_kinds(model, kv, tp, stage) for stage in stage_ranges(model.layer_count, pp))
    return max(stages, key=lambda kinds: sum(kind.layers * (kind.token_bytes or kind.entry_bytes) for kind in kinds))


def _stage_kinds(model: ModelSpec, kv: KvFormat, tp: int, stage: range) -> tuple[CacheKind, ...]:
    counts: dict[CacheKind, float] = {}
    for group in model.layers:
        for kind in (kind for mixer in group.mixers for kind in _kinds_of(mixer, kv, tp)):
            counts[kind] = counts.get(kind, 0.0) + layers_in(group, model, stage)
    kinds = (
        CacheKind(
            layers=math.ceil(count), entry_bytes=kind.entry_bytes, tokens_per_entry=kind.tokens_per_entry,
            window_tokens=kind.window_tokens, chunked=kind.chunked, latent=kind.latent, index=kind.index,
            state=kind.state, buffer_tokens=kind.buffer_tokens,
        )
        for kind, count in counts.items()
        if count > 0
    )  # fmt: skip
    return tuple(sorted(kinds, key=lambda kind: -kind.layers))


def _kinds_of(mixer: Mixer, kv: KvFormat, tp: int) -> list[CacheKind]:
    """What one layer's mixer keeps; all its states are one."""
    found = [
        CacheKind(
            layers=1, entry_bytes=entry_bytes(cache, kv, tp), tokens_per_entry=cache.tokens_per_entry,
            window_tokens=cache.window_tokens, chunked=cache.chunked, latent=cache.latent,
            index=cache.fixed_bytes is not None, buffer_tokens=cache.buffer_tokens,
        )
        for cache in mixer.caches
    ]  # fmt: skip
    if mixer.states:
        found.append(CacheKind(layers=1, entry_bytes=sum(state_bytes(s, tp) for s in mixer.states), state=True))
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

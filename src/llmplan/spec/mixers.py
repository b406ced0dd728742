"""What mixes the tokens of a layer: attention of several kinds, or a recurrent state.

A mixer lists its tensors and what it keeps of a request: `Cache` entries, of which there is one per token (or per
few), and `State`s, of which there is one per sequence. A new model is data; only a new kind is code, and
`assert_never` points at every place that has to know it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from llmplan.spec.tensor import Tensor, TensorRole
from llmplan.units import FP32_BYTES

INDEX_KEYS_PER_SCALE = 128
SCALE_BYTES = 4
PACKED_ROTARY = 64
"""rotary numbers of an entry of the packed layout"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """One cache of a layer: `heads` x `elements` numbers for every `tokens_per_entry` tokens.

    Tensor parallelism divides the heads, at least one on each rank; a `latent` (one head) is on every rank.
    """

    heads: int
    elements: int
    """of one head and one entry, keys and values together"""
    window_tokens: int | None = None
    """None: the whole context"""
    chunked: bool = False
    """the window is a chunk of fixed position: a token sees its own chunk, not the last `window_tokens` tokens"""
    tokens_per_entry: int = 1
    latent: bool = False
    packed_bytes: float | None = None
    """of an entry in the engines' packed 8-bit layout for latents (`fp8_ds_mla`)"""
    fixed_bytes: float | None = None
    """of an entry, whatever the format of the KV cache (an index of 8-bit keys and their scales)"""
    buffer_tokens: int | None = None
    """tokens of a block of a buffer for tokens on their way into another cache; None: an ordinary cache"""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Numbers that a layer keeps once per sequence: `heads` x `elements`, the heads divided as `Cache`'s are."""

    heads: int
    elements: int
    dtype: str | None = None
    """format id (`fp32`); None: the 16-bit type of the model"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexer:
    """Chooses the tokens that sparse attention attends to: one key of `head_dim` per token, on every rank.

    Cache: head_dim + 4 B x head_dim / 128 bytes per token; keys of more than one byte a number have no scales.
    """

    heads: int
    head_dim: int
    key_bytes: int = 1
    """of one number of a key"""
    pool_tokens: int = 1
    """tokens behind one key: of a pool of them where keys are compressed"""

    def cache(self, tokens_per_entry: int | None = None) -> Cache:
        """The index keys, one for every `tokens_per_entry` tokens; None: as many as the indexer pools."""
        tokens_per_entry = self.pool_tokens if tokens_per_entry is None else tokens_per_entry
        scales = SCALE_BYTES * self.head_dim / INDEX_KEYS_PER_SCALE if self.key_bytes == 1 else 0.0
        size_bytes = self.head_dim * self.key_bytes + scales
        return Cache(
            heads=1, elements=self.head_dim, latent=True, fixed_bytes=size_bytes, tokens_per_entry=tokens_per_entry
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GqaAttention:
    """Multi-head, grouped-query or multi-query attention. `window_tokens` None is full attention.

    Cache: `kv_heads * (head_dim + v_head_dim)` elements per token.
    """

    query_heads: int
    kv_heads: int
    head_dim: int
    v_head_dim: int
    window_tokens: int | None = None
    chunked: bool = False
    """the window is a chunk of fixed position (Llama 4)"""
    borrowed_cache: bool = False
    """reads the cache of an earlier layer and keeps none (Gemma 3n)"""
    cross: bool = False
    """keys and values come from an encoder's output, none from the tokens (Llama 3.2 Vision)"""
    encoder: bool = False
    """every token sees all others, so that an input is processed at once and nothing kept (BERT)"""
    selected_tokens: int | None = None
    """tokens that sparse attention attends to, out of those that it sees; None: all"""
    indexer: Indexer | None = None
    tensors: tuple[Tensor, ...] = field(repr=False)

    @property
    def cache_elements_per_token(self) -> int:
        """K and V elements stored for one token of one layer, over all heads."""
        return sum(cache.heads * cache.elements for cache in self.caches if cache.fixed_bytes is None)

    @property
    def caches(self) -> tuple[Cache, ...]:
        """Keys and values, and the index where there is one."""
        if self.borrowed_cache or self.cross or self.encoder:
            return ()
        own = Cache(
            heads=self.kv_heads, elements=self.head_dim + self.v_head_dim,
            window_tokens=self.window_tokens, chunked=self.chunked,
        )  # fmt: skip
        return (own,) if self.indexer is None else (own, self.indexer.cache())

    @property
    def states(self) -> tuple[State, ...]:
        """Nothing is kept once per sequence."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MlaAttention:
    """Multi-head latent attention (DeepSeek V2, V3, Kimi): one compressed latent per token, never divided by TP.

    Cache: `kv_lora_rank + qk_rope_head_dim` elements per token.
    """

    query_heads: int
    kv_lora_rank: int
    qk_rope_head_dim: int
    qk_nope_head_dim: int
    v_head_dim: int
    q_lora_rank: int | None = None
    selected_tokens: int | None = None
    """tokens that sparse attention attends to; None: all"""
    indexer: Indexer | None = None
    tensors: tuple[Tensor, ...] = field(repr=False)

    @property
    def kv_heads(self) -> int:
        """The latent is one head."""
        return 1

    @property
    def window_tokens(self) -> int | None:
        """Latent attention sees the whole context."""
        return None

    @property
    def cache_elements_per_token(self) -> int:
        """Latent elements stored for one token of one layer."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    @property
    def caches(self) -> tuple[Cache, ...]:
        """The latent, and the index where there is one.

        Packed in 8 bit: the latent with one 4-byte scale per 128, the rotary part in 16 bit, for which the layout has
        room also where there is none.
        """
        rotary = self.qk_rope_head_dim or PACKED_ROTARY
        packed = self.kv_lora_rank * (1 + SCALE_BYTES / INDEX_KEYS_PER_SCALE) + 2 * rotary
        own = Cache(heads=1, elements=self.cache_elements_per_token, latent=True, packed_bytes=packed)
        return (own,) if self.indexer is None else (own, self.indexer.cache())

    @property
    def states(self) -> tuple[State, ...]:
        """Nothing is kept once per sequence."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedAttention:
    """A window of latents of single tokens, and one latent for every `compress_tokens` tokens (DeepSeek V4).

    Key and value are the same latent of `head_dim`, of which `rope_dim` is rotary; one head, never divided by TP.
    `compress_tokens` 0: the window alone. `selected_entries`: compressed latents that attention attends to, chosen by
    the indexer; None: all.
    """

    query_heads: int
    head_dim: int
    rope_dim: int
    window_tokens: int
    compress_tokens: int
    selected_entries: int | None = None
    indexer: Indexer | None = None
    tensors: tuple[Tensor, ...] = field(repr=False)

    @property
    def kv_heads(self) -> int:
        """The latent is one head."""
        return 1

    @property
    def cache_elements_per_token(self) -> int:
        """Elements of the window's entry of one token."""
        return self.head_dim

    @property
    def packed_bytes(self) -> float:
        """An entry in the 8-bit layout: one byte an element and per 64 of them, rounded up to 8; rotary in 16 bit."""
        plain = self.head_dim - self.rope_dim
        return plain + 8 * -(-plain // 512) + 2 * self.rope_dim

    @property
    def caches(self) -> tuple[Cache, ...]:
        """The window, the compressed latents and their index, and the buffers of what is being compressed.

        A buffer holds keys and scores in 32 bit, of two overlapping stretches where an index chooses among the results,
        else of one.
        """
        packed, elements = self.packed_bytes, self.head_dim
        found = [
            Cache(heads=1, elements=elements, window_tokens=self.window_tokens, latent=True, packed_bytes=packed)
        ]  # fmt: skip
        if self.compress_tokens:
            ratio = self.compress_tokens
            found.append(
                Cache(heads=1, elements=elements, latent=True, packed_bytes=packed, tokens_per_entry=ratio)
            )  # fmt: skip
            found.append(self._buffer(elements))
            if self.indexer is not None:
                found += [self.indexer.cache(ratio), self._buffer(self.indexer.head_dim)]
        return tuple(found)

    def _buffer(self, elements: int) -> Cache:
        """Tokens on their way into one compressed entry."""
        stretches = 1 if self.indexer is None else 2
        return Cache(
            heads=1, elements=2 * stretches * elements, window_tokens=stretches * self.compress_tokens, latent=True,
            fixed_bytes=FP32_BYTES * 2.0 * stretches * elements, buffer_tokens=8 // stretches,
        )  # fmt: skip

    @property
    def states(self) -> tuple[State, ...]:
        """Nothing is kept once per sequence."""
        return ()


class RecurrentKind(StrEnum):
    """Which recurrence: decides the arithmetic per token."""

    MAMBA1 = "mamba1"
    MAMBA2 = "mamba2"
    GATED_DELTA = "gated_delta"
    LINEAR = "linear"
    """linear attention with a decay and no correction (MiniMax lightning attention, RWKV)"""
    SHORT_CONV = "short_conv"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrentMixer:
    """A recurrence: its memory of a sequence is `states`, however long the sequence is.

    `heads` states of `key_dim` x `value_dim` (Mamba 1: one per channel, value_dim 1); `kv_heads` are the groups or key
    heads, which TP divides as it does KV heads. A short convolution has no state but its last inputs.
    """

    kind: RecurrentKind
    heads: int
    kv_heads: int
    key_dim: int
    value_dim: int
    conv_width: int = 0
    """taps of the causal convolution before the recurrence; 0: none"""
    states: tuple[State, ...]
    tensors: tuple[Tensor, ...] = field(repr=False)

    @property
    def query_heads(self) -> int:
        """What TP must divide."""
        return self.heads

    @property
    def conv_channels(self) -> int:
        """Channels of the convolution."""
        kernels = (t for t in self.tensors if t.role is TensorRole.CONV and len(t.shape) > 1)
        return sum(kernel.shape[0] * kernel.copies for kernel in kernels)

    @property
    def window_tokens(self) -> int | None:
        """The state has seen everything."""
        return None

    @property
    def cache_elements_per_token(self) -> int:
        """Nothing is kept per token."""
        return 0

    @property
    def caches(self) -> tuple[Cache, ...]:
        """Nothing is kept per token."""
        return ()


Mixer: TypeAlias = GqaAttention | MlaAttention | CompressedAttention | RecurrentMixer

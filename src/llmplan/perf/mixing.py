"""What the mixers of a layer read and compute for one token: attention over a context, or one step of a recurrence.

Both have one form. A token reads some bytes and spends some FLOP for each token of context inside a window; a
recurrence has a window of one token, whose entry is its state, read and written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from llmplan.spec.caches import entry_bytes, state_bytes
from llmplan.spec.formats import KvFormat
from llmplan.spec.model import (
    Cache,
    CompressedAttention,
    GqaAttention,
    Indexer,
    Mixer,
    MlaAttention,
    RecurrentKind,
    RecurrentMixer,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """One rank's work of one layer for each token of context within `window_tokens` (inf: all of it)."""

    window_tokens: float
    read_bytes: float
    decode_flop: float
    prefill_flop: float
    grows: bool = True
    """whether the bytes are kept per token of context, not per sequence or by another layer"""


def mixings(mixer: Mixer, kv: KvFormat, tp: int) -> Iterator[Mixing]:
    """Everything that a mixer does for one token on one of `tp` ranks, in the order of its caches.

    mixer: its kind; kv: format of the cache; tp [ranks].
    GQA: 2 q (d_k + d_v) FLOP per context token. MLA decode (absorbed): 2 q (2 r_kv + d_rope); prefill:
    2 q (d_nope + d_rope + d_v). Sparse attention: the same within its selected tokens, and 2 h d of the index over
    all. A recurrence: `recurrent_flop` and its state read and written.
    Valid for exact softmax attention and for one step of a recurrence; a chunked prefill of a recurrence costs up to
    1.3 times that. Reference: Kaplan et al. 2020 (arXiv 2001.08361); DeepSeek-V2 (2405.04434); Dao & Gu 2024
    (2405.21060); Yang et al. 2024 (2412.06464).

    >>> from llmplan.spec.formats import KV_FORMATS
    >>> gqa = GqaAttention(query_heads=32, kv_heads=8, head_dim=128, v_head_dim=128, tensors=())
    >>> [work.decode_flop for work in mixings(gqa, KV_FORMATS[0], 1)]
    [16384.0]
    """
    match mixer:
        case GqaAttention():
            yield from _grouped(mixer, kv, tp)
        case MlaAttention():
            yield from _latent(mixer, kv, tp)
        case CompressedAttention():
            yield from _compressed(mixer, kv, tp)
        case RecurrentMixer():
            flop = recurrent_flop(mixer) / tp
            moved = 2.0 * sum(state_bytes(state, tp) for state in mixer.states)
            yield Mixing(window_tokens=1.0, read_bytes=moved, decode_flop=flop, prefill_flop=flop, grows=False)


def _grouped(mixer: GqaAttention, kv: KvFormat, tp: int) -> Iterator[Mixing]:
    if mixer.cross:
        return
    flop = 2.0 * mixer.query_heads * (mixer.head_dim + mixer.v_head_dim) / tp
    # also where it is another layer's, or nothing that is kept
    cache = Cache(heads=mixer.kv_heads, elements=mixer.head_dim + mixer.v_head_dim)
    yield Mixing(
        window_tokens=_reach(mixer.window_tokens, mixer.selected_tokens), read_bytes=entry_bytes(cache, kv, tp),
        decode_flop=flop, prefill_flop=flop, grows=not (mixer.borrowed_cache or mixer.encoder),
    )  # fmt: skip
    yield from _index(mixer.indexer, mixer.indexer.pool_tokens if mixer.indexer else 1)


def _latent(mixer: MlaAttention, kv: KvFormat, tp: int) -> Iterator[Mixing]:
    heads = 2.0 * mixer.query_heads / tp
    yield Mixing(
        window_tokens=_reach(None, mixer.selected_tokens),
        read_bytes=entry_bytes(mixer.caches[0], kv, tp),
        decode_flop=heads * (2 * mixer.kv_lora_rank + mixer.qk_rope_head_dim),
        prefill_flop=heads * (mixer.qk_nope_head_dim + mixer.qk_rope_head_dim + mixer.v_head_dim),
    )
    yield from _index(mixer.indexer, mixer.indexer.pool_tokens if mixer.indexer else 1)


def _compressed(mixer: CompressedAttention, kv: KvFormat, tp: int) -> Iterator[Mixing]:
    flop = 2.0 * mixer.query_heads * 2 * mixer.head_dim / tp
    read = entry_bytes(mixer.caches[0], kv, tp)
    yield Mixing(window_tokens=float(mixer.window_tokens), read_bytes=read, decode_flop=flop, prefill_flop=flop)
    ratio = mixer.compress_tokens
    if ratio:
        chosen = None if mixer.selected_entries is None else mixer.selected_entries * ratio
        yield Mixing(
            window_tokens=_reach(None, chosen), read_bytes=read / ratio, decode_flop=flop / ratio,
            prefill_flop=flop / ratio,
        )  # fmt: skip
        yield from _index(mixer.indexer, ratio)


def _index(indexer: Indexer | None, tokens_per_entry: int) -> Iterator[Mixing]:
    """Scores of the index over the whole context, on every rank."""
    if indexer is None:
        return
    flop = 2.0 * indexer.heads * indexer.head_dim / tokens_per_entry
    size_bytes = (indexer.cache().fixed_bytes or 0.0) / tokens_per_entry
    yield Mixing(window_tokens=math.inf, read_bytes=size_bytes, decode_flop=flop, prefill_flop=flop)


def _reach(window_tokens: int | None, selected_tokens: int | None) -> float:
    limits = [float(limit) for limit in (window_tokens, selected_tokens) if limit is not None]
    return min(limits, default=math.inf)


def recurrent_flop(mixer: RecurrentMixer) -> float:
    """FLOP of one token in one recurrence, all heads, without its projections.

    mixer: its sizes. Per head with a state of d_k x d_v: delta rule 7 d_k d_v (decay, read, rank-1 correction,
    query), Mamba 2 and linear attention 6 d_k d_v, Mamba 1 9 d_k d_v; the convolution 2 K per channel.
    Valid for one step at a time. Reference: Dao & Gu 2024 (arXiv 2405.21060); Yang et al. 2024 (2412.06464).

    >>> recurrent_flop(RecurrentMixer(
    ...     kind=RecurrentKind.GATED_DELTA, heads=32, kv_heads=16, key_dim=128, value_dim=128, states=(), tensors=()))
    3670016.0
    """
    per_cell = {
        RecurrentKind.MAMBA1: 9.0,
        RecurrentKind.MAMBA2: 6.0,
        RecurrentKind.LINEAR: 6.0,
        RecurrentKind.GATED_DELTA: 7.0,
        RecurrentKind.SHORT_CONV: 0.0,
    }[mixer.kind]
    convolution = 2.0 * mixer.conv_width * mixer.conv_channels
    return per_cell * mixer.heads * mixer.key_dim * mixer.value_dim + convolution


def is_unmeasured(mixer: Mixer) -> bool:
    """Whether hardly any measurement that the coefficients were fitted on has such a mixer: recurrences but the gated
    delta rule (Qwen3.5), sparse and compressed attention."""
    match mixer:
        case RecurrentMixer():
            return mixer.kind is not RecurrentKind.GATED_DELTA
        case CompressedAttention():
            return True
        case GqaAttention() | MlaAttention():
            return mixer.selected_tokens is not None

"""How vLLM groups layers into block tables: the bytes of a block, and the blocks of a request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from llmplan.memory.kv_cache import CacheKind, cache_kinds, layer_kinds
from llmplan.memory.stages import stage_ranges
from llmplan.memory.tables import Page, block_tables, is_packed, stride_bytes, widest
from llmplan.plan.cache import CacheGroup, CacheLayout
from llmplan.spec.formats import KvFormat
from llmplan.spec.identity import remembered
from llmplan.spec.model import ModelSpec, RecurrentKind

KERNEL_BLOCK_TOKENS: Final = 16
"""attention kernels take blocks of a multiple of this"""
LATENT_BLOCK_TOKENS: Final = 128
"""the same for latents beside recurrences"""
INDEX_BLOCK_TOKENS: Final = {True: 64, False: 128}
"""least tokens of a block beside an index: of latents, of keys and values"""
POOLED_BLOCK_KEYS: Final = 32
"""least keys of a block of an index whose keys stand for several tokens"""
PACKED_BLOCK_TOKENS: Final = 256
"""tokens of a block where latents are compressed"""
WINDOW_BLOCK_TOKENS: Final = 64
"""tokens of a block of a window of latents beside those"""
CHECKPOINT_TOKENS: Final = {RecurrentKind.GATED_DELTA: 64}
"""where prefill kernels write states from inside a prompt, they do so at multiples of this"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """What the engine, its version and the GPU decide.

    `grouped`: layers of different reach have block tables of their own; else every layer keeps every token.
    `state_blocks`: blocks that a recurrent group holds of a request: two where prefixes of states are cached.
    `checkpoints`: recurrences of which a state from inside a prompt is kept as well then, in one block more.
    `states_apart`: states have a pool of their own and no part in blocks.
    `dcp`: ranks that share one copy of what attention keeps of the whole context.
    """

    grouped: bool = True
    state_blocks: int = 2
    checkpoints: frozenset[RecurrentKind] = frozenset()
    states_apart: bool = False
    dcp: int = 1


NEWEST: Final = Paging()


@remembered
def cache_layout(
    model: ModelSpec, kv: KvFormat, tp: int, pp: int, block_tokens: int, paging: Paging = NEWEST
) -> CacheLayout:
    """Group the layers as vLLM does.

    model, kv: what is cached; tp, pp [ranks]; block_tokens [tokens]: the engine's block size; paging: its version's.
    One reach (all full attention, or all the same window): one group, a block holds every layer's page. Recurrences:
    the block of attention grows until a page holds a state, and states are padded to it. Mixed reaches: pages are
    brought to the largest (more tokens per block where it divides, else padded), layers dealt into groups of g = the
    smallest kind's layers (or the largest's if under 1.5 times that), a block is g pages. With compressed latents the
    pages of a group lie side by side instead, and a block is as wide as the widest group. Stages of a pipeline share
    the groups of the whole model, and the widest block decides. Decode context parallel: a block of full attention
    covers dcp times its tokens.
    Valid for vLLM 0.10 to 0.33. Reference: vLLM 0.33 v1/core/kv_cache_planning.py, platforms/interface.py.
    """
    pages = _pages(model, kv, tp, pp, block_tokens, paging)
    tables = block_tables(pages, grouped=paging.grouped)
    kept = cache_kinds(model, kv, tp, pp)
    groups = [_group(table, paging, alone=all(page.kind.state for page in pages)) for table in tables]
    full = [group.block_tokens for group in groups if not group.state_blocks and group.window_tokens is None]
    block_bytes = max((widest(table, lambda page: page.size_bytes) for table in tables), default=0.0)
    if paging.grouped and is_packed(page.kind for page in pages):
        multiple = stride_bytes(pages)
        block_bytes = float(math.ceil(block_bytes / multiple) * multiple)
    return CacheLayout(
        groups=tuple(groups), block_bytes=block_bytes,
        token_bytes=math.fsum(kind.layers * kind.token_bytes for kind in kept) / paging.dcp,
        unbounded_bytes=math.fsum(k.layers * k.token_bytes for k in kept if k.window_tokens is None) / paging.dcp,
        state_bytes=math.fsum(kind.layers * kind.entry_bytes for kind in kept if kind.state),
        block_tokens=min(full, default=groups[0].block_tokens if groups else block_tokens),
    )  # fmt: skip


def _pages(model: ModelSpec, kv: KvFormat, tp: int, pp: int, block_tokens: int, paging: Paging) -> list[Page]:
    """Every cache of every layer with the tokens that a block holds of it."""
    layers = layer_kinds(model, kv, tp)
    stages = [index for index, stage in enumerate(stage_ranges(model.layer_count, pp)) for _ in stage]
    kinds = {kind for kept in layers for kind in kept if not (kind.state and paging.states_apart)}
    attention, states = [k for k in kinds if not k.state], [k for k in kinds if k.recurrence]
    packed = is_packed(kinds)
    block_tokens = max(block_tokens, _least_tokens(attention)) if paging.grouped else block_tokens
    state_page = 0.0
    if states and attention:
        counted = layer_kinds(model, replace(kv, packs_latents=False), tp) if kv.packs_latents else layers
        attention = [kind for kept in counted for kind in kept if not kind.state]
        block_tokens = hybrid_block_tokens(attention, states, block_tokens, _checkpoint_tokens(states, paging))
        state_page = block_tokens * max(kind.token_bytes for kind in attention)
    elif states:
        block_tokens = model.max_context_tokens
    found = []
    for stage, kind in ((s, k) for s, kept in zip(stages, layers, strict=True) for k in kept if k in kinds):
        if not paging.grouped and not kind.state:
            found.append(
                Page(kind=kind, stage=stage, tokens=block_tokens, size_bytes=kind.token_bytes * block_tokens)
            )  # fmt: skip
            continue
        latent_window = packed and kind.window_tokens is not None
        tokens = kind.buffer_tokens or (WINDOW_BLOCK_TOKENS if latent_window else block_tokens)
        size_bytes = max(kind.page_bytes(tokens), state_page if kind.recurrence else 0.0)
        found.append(Page(kind=kind, stage=stage, tokens=tokens, size_bytes=size_bytes))
    return found


def _least_tokens(attention: Sequence[CacheKind]) -> int:
    """Tokens of a block that the kernels of an index ask for."""
    pools = {kind.tokens_per_entry for kind in attention if kind.index}
    if any(kind.buffer_tokens for kind in attention):
        return PACKED_BLOCK_TOKENS
    if max(pools, default=1) > 1:
        return POOLED_BLOCK_KEYS * max(pools)
    if not pools:
        return 1
    return INDEX_BLOCK_TOKENS[any(kind.latent and not kind.index for kind in attention)]


def _checkpoint_tokens(states: Sequence[CacheKind], paging: Paging) -> int:
    """Multiple of the tokens of a block at which every recurrence can keep a state."""
    if paging.state_blocks < 2 or not all(kind.recurrence in paging.checkpoints for kind in states):
        return 1
    return math.lcm(*(CHECKPOINT_TOKENS.get(kind.recurrence, 1) for kind in states if kind.recurrence))


def hybrid_block_tokens(
    attention: Sequence[CacheKind], states: Sequence[CacheKind], block_tokens: int, multiple_tokens: int = 1
) -> int:
    """Tokens of a block of attention that is at least as large as a layer's state [tokens].

    attention, states: the kinds of layers; block_tokens [tokens]: the engine's block size; multiple_tokens [tokens]:
    what it must be a multiple of besides.
    align x ceil(state / (align x token bytes)), align = lcm(max(kernel's multiple, block size), multiple).
    Valid for vLLM 0.10 to 0.33. Reference: vLLM 0.33 platforms/interface.py.

    >>> gdn = CacheKind(layers=36, entry_bytes=3 * 4096 * 2 + 16 * 128 * 128 * 2, state=True)
    >>> hybrid_block_tokens([CacheKind(layers=12, entry_bytes=1024)], [gdn], 16)
    544
    """
    latent = any(kind.latent for kind in attention)
    align = max(block_tokens, LATENT_BLOCK_TOKENS if latent else KERNEL_BLOCK_TOKENS)
    align = math.lcm(align, multiple_tokens)
    token_bytes = max(kind.token_bytes for kind in attention)
    return align * math.ceil(max(kind.entry_bytes for kind in states) / (align * token_bytes))


def _group(table: Sequence[Page], paging: Paging, *, alone: bool) -> CacheGroup:
    """A table's blocks of a request; recurrences `alone` have no prefixes to keep."""
    page, kind = table[0], table[0].kind
    layers = int(widest(table, lambda _: 1))
    if kind.state:
        kept = 1 if alone or kind.recurrence is None else paging.state_blocks
        blocks = kept + (kept > 1 and kind.recurrence in paging.checkpoints)
        return CacheGroup(layers=layers, block_tokens=page.tokens, state_blocks=blocks)
    if kind.window_tokens is None or not paging.grouped:
        return CacheGroup(layers=layers, block_tokens=page.tokens * paging.dcp)
    return CacheGroup(layers=layers, block_tokens=page.tokens, window_tokens=kind.window_tokens, chunked=kind.chunked)

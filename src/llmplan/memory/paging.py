"""How vLLM groups layers into block tables: the bytes of a block, and the blocks of a request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from llmplan.memory.kv_cache import CacheKind, cache_kinds
from llmplan.plan.cache import CacheGroup, CacheLayout
from llmplan.spec.formats import KvFormat
from llmplan.spec.identity import remembered
from llmplan.spec.model import ModelSpec

KERNEL_BLOCK_TOKENS: Final = 16
"""attention kernels take blocks of a multiple of this"""
LATENT_BLOCK_TOKENS: Final = 128
"""the same for latents beside recurrences"""
PACKED_BLOCK_TOKENS: Final = 256
"""tokens of a block where latents are compressed"""
WINDOW_BLOCK_TOKENS: Final = 64
"""tokens of a block of a window of latents beside those"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """What the engine's version decides.

    `grouped`: layers of different reach have block tables of their own; else every layer keeps every token.
    `state_blocks`: blocks that a recurrent group holds of a request: two where prefixes of states are cached.
    `dcp`: ranks that share one copy of what attention keeps of the whole context.
    """

    grouped: bool = True
    state_blocks: int = 2
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
    smallest kind's layers (or the largest's if under 1.5 times that), a block is g pages. With an index of latents the
    pages of a group lie side by side instead, and a block is as wide as the widest group. Decode context parallel: a
    block of full attention covers dcp times its tokens.
    Valid for vLLM 0.10 to 0.33. Reference: vLLM 0.33 v1/core/kv_cache_planning.py, platforms/interface.py.
    """
    kinds = cache_kinds(model, kv, tp, pp)
    attention, states = [k for k in kinds if not k.state], [k for k in kinds if k.state]
    if not kinds:
        return CacheLayout(groups=(), block_bytes=0.0, token_bytes=0.0, block_tokens=block_tokens)
    if not attention:
        groups, block_bytes = _states_alone(states, model.max_context_tokens, paging)
    elif not states and (not paging.grouped or len({(k.window_tokens, k.chunked) for k in attention}) == 1):
        groups, block_bytes = _one_group(attention, block_tokens, paging)
    elif any(kind.tokens_per_entry > 1 for kind in attention):
        groups, block_bytes = _side_by_side(attention, max(block_tokens, PACKED_BLOCK_TOKENS))
    else:
        groups, block_bytes = _dealt(attention, states, block_tokens, paging)
    groups = [
        replace(group, block_tokens=group.block_tokens * paging.dcp)
        if group.window_tokens is None and not group.state_blocks
        else group
        for group in groups
    ]
    full = [group.block_tokens for group in groups if not group.state_blocks and group.window_tokens is None]
    return CacheLayout(
        groups=tuple(groups), block_bytes=block_bytes,
        token_bytes=math.fsum(kind.layers * kind.token_bytes for kind in kinds) / paging.dcp,
        state_bytes=math.fsum(kind.layers * kind.entry_bytes for kind in states),
        block_tokens=min(full, default=groups[0].block_tokens),
    )  # fmt: skip


def _one_group(kinds: Sequence[CacheKind], block_tokens: int, paging: Paging) -> tuple[list[CacheGroup], float]:
    """All layers share a block table; without groups, windows keep everything."""
    first = kinds[0]
    group = CacheGroup(
        layers=sum(kind.layers for kind in kinds), block_tokens=block_tokens,
        window_tokens=first.window_tokens if paging.grouped else None, chunked=first.chunked and paging.grouped,
    )  # fmt: skip
    return [group], math.fsum(kind.layers * kind.token_bytes for kind in kinds) * block_tokens


def _states_alone(kinds: Sequence[CacheKind], context_tokens: int, paging: Paging) -> tuple[list[CacheGroup], float]:
    """A model of recurrences alone: a block is the whole memory of one sequence."""
    layers = sum(kind.layers for kind in kinds)
    group = CacheGroup(layers=layers, block_tokens=context_tokens, state_blocks=paging.state_blocks)
    return [group], math.fsum(kind.layers * kind.entry_bytes for kind in kinds)


def _dealt(
    attention: Sequence[CacheKind], states: Sequence[CacheKind], block_tokens: int, paging: Paging
) -> tuple[list[CacheGroup], float]:
    """Pages of one size, layers dealt into groups of one width."""
    if states:
        block_tokens = hybrid_block_tokens(attention, states, block_tokens)
    page = max(kind.token_bytes * block_tokens for kind in attention)
    page = max([page, *(kind.entry_bytes for kind in states)])
    kinds = [*attention, *states]
    counts = [kind.layers for kind in kinds]
    width = max(counts) if max(counts) < 1.5 * min(counts) else min(counts)
    groups: list[CacheGroup] = []
    for kind in kinds:
        if kind.state:
            one = CacheGroup(layers=width, block_tokens=block_tokens, state_blocks=paging.state_blocks)
        else:
            fits, rest = divmod(page, kind.token_bytes * block_tokens)
            tokens = block_tokens * int(fits) if rest == 0 else block_tokens
            one = CacheGroup(
                layers=width, block_tokens=tokens, window_tokens=kind.window_tokens, chunked=kind.chunked
            )  # fmt: skip
        groups += [one] * math.ceil(kind.layers / width)
    return groups, width * page


def hybrid_block_tokens(attention: Sequence[CacheKind], states: Sequence[CacheKind], block_tokens: int) -> int:
    """Tokens of a block of attention that is at least as large as a layer's state [tokens].

    attention, states: the kinds of layers; block_tokens [tokens]: the engine's block size.
    align x ceil(state / (align x token bytes)), align = max(kernel's multiple, block size).
    Valid for vLLM 0.10 to 0.33. Reference: vLLM 0.33 platforms/interface.py.

    >>> gdn = CacheKind(layers=36, entry_bytes=3 * 4096 * 2 + 16 * 128 * 128 * 2, state=True)
    >>> hybrid_block_tokens([CacheKind(layers=12, entry_bytes=1024)], [gdn], 16)
    544
    """
    latent = any(kind.latent for kind in attention)
    align = max(block_tokens, LATENT_BLOCK_TOKENS if latent else KERNEL_BLOCK_TOKENS)
    token_bytes = max(kind.token_bytes for kind in attention)
    return align * math.ceil(max(kind.entry_bytes for kind in states) / (align * token_bytes))


def _side_by_side(kinds: Sequence[CacheKind], block_tokens: int) -> tuple[list[CacheGroup], float]:
    """Compressed latents: what sees the whole context is one group, windows are cut to fit a block of it."""
    full = [kind for kind in kinds if kind.window_tokens is None]
    widest = math.fsum(kind.layers * kind.token_bytes * block_tokens for kind in full)
    groups = [CacheGroup(layers=sum(kind.layers for kind in full), block_tokens=block_tokens)]
    alike: dict[tuple[int, int], list[CacheKind]] = {}
    for kind in (kind for kind in kinds if kind.window_tokens is not None):
        alike.setdefault((kind.buffer_tokens or WINDOW_BLOCK_TOKENS, kind.window_tokens or 0), []).append(kind)
    for (tokens, window), same in alike.items():
        layers = max(kind.layers for kind in same)
        page = tokens * math.fsum(kind.entry_bytes * kind.layers for kind in same) / layers
        width = max(1, int(widest // page))
        one = CacheGroup(layers=min(width, layers), block_tokens=tokens, window_tokens=window)
        groups += [one] * math.ceil(layers / width)
        widest = max(widest, page)
    return groups, widest

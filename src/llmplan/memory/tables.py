"""How caches of layers are dealt to block tables: pages of one size in tables of one width, or side by side."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from llmplan.memory.kv_cache import CacheKind

EVEN_ENOUGH: Final = 1.5
"""kinds of layers whose numbers differ by less than this are padded to the larger number"""

INDEX_KERNEL_KEYS: Final = 64
"""keys of an index that its kernels take at once"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One cache of one layer of a pipeline stage, in a block: `tokens` of it take `size_bytes`."""

    kind: CacheKind
    stage: int
    tokens: int
    size_bytes: float


def is_packed(kinds: Iterable[CacheKind]) -> bool:
    """Whether pages of unequal size lie side by side in a block: kernels of compressed latents ask for it."""
    return any(kind.tokens_per_entry > 1 for kind in kinds)


def block_tables(pages: Sequence[Page], *, grouped: bool) -> list[list[Page]]:
    """The pages of each block table; not `grouped`: attention of every reach has one."""
    alike: defaultdict[tuple[object, ...], list[Page]] = defaultdict(list)
    for page in pages:
        alike[_reach(page, grouped=grouped)].append(page)
    if len(alike) < 2:
        return list(alike.values())
    if is_packed(page.kind for page in pages) and len({page.size_bytes for page in pages}) > 1:
        return _side_by_side(list(alike.values()))
    return _dealt(pages)


def _reach(page: Page, *, grouped: bool) -> tuple[object, ...]:
    """What pages of one table have in common: the tokens that they hold of a request."""
    kind = page.kind
    if kind.state:
        return ("state", page.size_bytes)
    if kind.window_tokens is None or not grouped:
        return ("full", page.tokens)
    return (kind.chunked, kind.latent, kind.window_tokens, page.tokens)


def _dealt(pages: Sequence[Page]) -> list[list[Page]]:
    """Pages of one size, layers dealt into tables of one width."""
    largest = max(page.size_bytes for page in pages)
    alike: defaultdict[tuple[CacheKind, int], list[Page]] = defaultdict(list)
    for page in pages:
        fits, rest = divmod(largest, page.size_bytes)
        tokens = page.tokens if rest or page.kind.state else page.tokens * int(fits)
        alike[page.kind, tokens].append(replace(page, tokens=tokens, size_bytes=largest))
    counts = [len(same) for same in alike.values()]
    width = max(counts) if max(counts) < EVEN_ENOUGH * min(counts) else min(counts)
    return [table for same in alike.values() for table in _every(same, math.ceil(len(same) / width))]


def _every(pages: Sequence[Page], tables: int) -> list[list[Page]]:
    return [list(pages[first::tables]) for first in range(tables)]


def _side_by_side(buckets: Sequence[Sequence[Page]]) -> list[list[Page]]:
    """Pages of unequal size: as few tables as make about equally many repeats of a pattern of pages.

    A bucket with equally many pages of each size repeats a pattern of one page of each; one with several sizes stays
    whole, and the others are split into about as many repeats. What a request keeps little of (states; windows, where
    nothing repeats a pattern) is split further, so as not to widen a block beyond what the others need.
    """
    sizes = [Counter(page.size_bytes for page in bucket) for bucket in buckets]
    even = [len(set(counts.values())) == 1 for counts in sizes]
    repeats = [max(counts.values()) for counts in sizes]
    mixed = [most for most, counts, is_even in zip(repeats, sizes, even, strict=True) if is_even and len(counts) > 1]
    each = 0
    if mixed:
        each = _common_size([most for most, is_even in zip(repeats, even, strict=True) if is_even], max(mixed))
    tables = [math.ceil(most / each) if each and is_even else 1 for most, is_even in zip(repeats, even, strict=True)]
    kinds = [bucket[0].kind for bucket in buckets]
    narrow = [kind.state or (not each and kind.window_tokens is not None and not kind.chunked) for kind in kinds]
    needed = max(
        math.fsum(math.ceil(count / (len(bucket) if cut else parts)) * size for size, count in counts.items())
        for bucket, counts, parts, cut in zip(buckets, sizes, tables, narrow, strict=True)
    )
    found: list[list[Page]] = []
    for bucket, parts, cut in zip(buckets, tables, narrow, strict=True):
        fit = max(1, int(needed // bucket[0].size_bytes))
        found += _patterns(bucket, max(parts, math.ceil(len(bucket) / fit)) if cut else parts)
    return found


def _patterns(bucket: Sequence[Page], tables: int) -> list[list[Page]]:
    """Split so that each table has its share of the pages of each size."""
    by_size: defaultdict[float, list[Page]] = defaultdict(list)
    for page in bucket:
        by_size[page.size_bytes].append(page)
    parts = [_every(same, tables) for same in by_size.values()]
    return [[page for part in parts for page in part[index]] for index in range(tables)]


def _common_size(counts: Sequence[int], at_least: int) -> int:
    """The size of parts into which numbers split with the least padding; the largest of equally good ones."""
    return min(range(at_least, max(counts) + 1), key=lambda size: (sum(-count % size for count in counts), -size))


def stride_bytes(pages: Sequence[Page]) -> int:
    """What the distance between blocks is a multiple of: rows of latents, and what kernels of an index take at once.

    pages: all of a model. Kernels read latents as rows of the whole cache, and an index of pooled keys by blocks of
    INDEX_KERNEL_KEYS keys. Compressed latents are rounded page by page instead.
    Valid for vLLM 0.33. Reference: vLLM 0.33 v1/kv_cache_interface.py, v1/worker/utils.py.
    """
    found = {1}
    for page in (page for page in pages if page.kind.latent and page.kind.page_multiple_bytes == 1):
        kernel = math.gcd(INDEX_KERNEL_KEYS * page.kind.tokens_per_entry, page.tokens)
        if not page.kind.index:
            found.add(int(page.kind.entry_bytes))
        elif kernel != page.tokens:
            found.add(int(page.kind.page_bytes(kernel)))
    return math.lcm(*found)


def widest(table: Sequence[Page], weight: Callable[[Page], float]) -> float:
    """Sum over the pages of the pipeline stage that has most [unit of the weights].

    table: pages that share blocks; weight: of a page. Max over stages of the sum of weights.
    Valid for pools of which the smallest rank decides. Reference: vLLM 0.33 v1/core/kv_cache_planning.py.
    """
    sums: defaultdict[int, float] = defaultdict(float)
    for page in table:
        sums[page.stage] += weight(page)
    return max(sums.values())

"""Requests as the generator makes them, before they are cut into runs: arrivals, lengths, and how much each shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from llmplan.spec.requests import Floats, Integers, Prefixes, Requests

BLOCK_TOKENS = 16
"""of the smallest block by which shared text is told: what engines use"""
BLOCK_TOKENS_MOST = 512
_GROUP_BITS = 22
"""block j of text g has the id g x 2^22 + j"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """`common_tokens` of the prompt are those of the prefix `prefix`; up to `own_tokens` it is the text of the
    conversation `session`, which another request has too."""

    arrival_s: Floats
    input_tokens: Integers
    output_tokens: Integers
    tenant: Integers
    prefix: Integers
    common_tokens: Integers
    session: Integers
    own_tokens: Integers

    def __len__(self) -> int:
        return len(self.arrival_s)

    def taken(self, which: slice | Integers) -> Columns:
        """Some of the rows."""
        return Columns(**{field.name: getattr(self, field.name)[which] for field in fields(self)})


def joined(parts: Sequence[Columns]) -> Columns:
    """Rows after rows."""
    return Columns(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Columns)}
    )


def requests_of(rows: Columns, *, block_tokens: int | None, tenants: bool, prefixes: int) -> Requests:
    """The rows as requests, with the ids of the blocks that they share."""
    return Requests(
        arrival_s=rows.arrival_s,
        input_tokens=rows.input_tokens,
        output_tokens=rows.output_tokens,
        tenant=rows.tenant if tenants else None,
        prefixes=_blocks(rows, block_tokens, prefixes) if block_tokens is not None else None,
    )


def _blocks(rows: Columns, block_tokens: int, prefixes: int) -> Prefixes:
    """Block ids row by row: those of the common prefix, then those of the conversation."""
    common = rows.common_tokens // block_tokens
    counts = np.maximum(common, rows.own_tokens // block_tokens)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    row = np.repeat(np.arange(len(rows)), counts)
    block = np.arange(int(offsets[-1])) - offsets[row]
    group = np.where(block < common[row], rows.prefix[row], prefixes + rows.session[row])
    return Prefixes(block_tokens=block_tokens, offsets=offsets, ids=(group << _GROUP_BITS) + block)


def block_tokens_for(shared_tokens: float) -> int:
    """Tokens of a block so small that whole blocks hold nearly all of a shared text, and ids stay few: 16 to 512."""
    size = BLOCK_TOKENS
    while size < BLOCK_TOKENS_MOST and size * 64 <= shared_tokens:
        size *= 2
    return size

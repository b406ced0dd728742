"""Requests as they arrive: columns of arrival times and lengths, in runs that need not all be in memory at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefixes:
    """Which leading blocks of prompts are the same: request i starts with blocks `ids[offsets[i]:offsets[i + 1]]`.

    Equal ids are equal text after equal text, each of `block_tokens` tokens. `offsets` has one entry more than there
    are requests. A prompt need not be covered to its end.
    """

    block_tokens: int
    offsets: Integers
    ids: Integers

    def __post_init__(self) -> None:
        if self.block_tokens < 1:
            raise ValueError(f"a block has at least one token, not {self.block_tokens}")

    def of(self, index: int) -> tuple[int, ...]:
        """The leading blocks of one request."""
        return tuple(self.ids[self.offsets[index] : self.offsets[index + 1]].tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """A run of requests in the order of arrival. `arrival_s` counts from the start of the trace and never falls;
    prompts and answers have at least one token. `tenant` None: all are one tenant's."""

    arrival_s: Floats
    input_tokens: Integers
    output_tokens: Integers
    tenant: Integers | None = None
    prefixes: Prefixes | None = None

    def __post_init__(self) -> None:
        sizes = {len(self.arrival_s), len(self.input_tokens), len(self.output_tokens)}
        sizes |= {len(self.tenant)} if self.tenant is not None else set()
        sizes |= {len(self.prefixes.offsets) - 1} if self.prefixes is not None else set()
        if len(sizes) != 1:
            raise ValueError(f"columns of one length are needed, not of {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.arrival_s)


Traffic: TypeAlias = Iterable[Requests]
"""Runs of requests one after the other: each begins no earlier than the last one ended."""

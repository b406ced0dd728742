"""One tensor of a model: what it is for, its shape, and how parallel ranks share it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class TensorRole(StrEnum):
    """What a tensor is for: decides whether a weight format may quantize it and when it is read."""

    LINEAR = "linear"
    EXPERT = "expert"
    ROUTER = "router"
    EMBED = "embed"
    HEAD = "head"
    NORM = "norm"
    BIAS = "bias"
    CONV = "conv"
    OTHER = "other"


class Shard(StrEnum):
    """How tensor or expert parallelism divides a tensor among the ranks."""

    COLUMN = "column"
    """output features divided by TP"""
    ROW = "row"
    """input features divided by TP"""
    KV_COLUMN = "kv_column"
    """output features divided by TP, replicated where there are fewer KV heads (or state groups) than ranks"""
    VOCAB = "vocab"
    """vocabulary rows divided by TP, padded to the engine's multiple"""
    EXPERT = "expert"
    """experts divided by EP, or each expert's intermediate size by TP"""
    REPLICATED = "replicated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """`copies` equal tensors of `shape` ([out, in] for a linear) under the checkpoint's module path.

    A layer's tensors have `{i}` in the name for the layer's number, and `{e}` for an expert's where the checkpoint
    numbers them. A fused projection is one entry per part that is sharded differently (q, and k with v), all under
    the checkpoint's one name. A one-dimensional tensor (a norm, a bias, an expert's bias) is never quantized.
    """

    name: str
    shape: tuple[int, ...]
    role: TensorRole
    shard: Shard
    copies: int = 1
    dtype: str | None = None
    """format id in which checkpoints keep it whatever their own format (`fp32`); None: as the rest"""
    buffer: bool = False
    """stored and loaded like a weight, but not trained and not counted as a parameter (a router's score bias)"""
    unused: bool = False
    """stored, but nothing reads it and engines skip it when they load (keys of layers that borrow a cache)"""
    stored_bytes: float | None = None
    """bytes of one layer's copies with their scales, where the header of a checkpoint was read; None: by formula"""

    @property
    def elements(self) -> int:
        """Number of weights in all copies."""
        return math.prod(self.shape) * self.copies

    @property
    def is_token_table(self) -> bool:
        """Whether it has a row for each token: the embedding, or a second one that the layers mix in."""
        further = self.role is TensorRole.OTHER and self.shard is Shard.VOCAB and len(self.shape) == 2
        return self.role is TensorRole.EMBED or further

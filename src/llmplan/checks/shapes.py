"""How tensor parallelism cuts a model's linear layers: the distinct sizes that rules about divisibility look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from llmplan.plan.deployment import Parallelism, Replica
from llmplan.spec.model import GqaAttention, ModelSpec, MoeFeedForward, Shard, TensorRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One dimension of a linear layer that is divided among `ranks`, leaving `part` = `size` / `ranks` on each."""

    tensor: str
    side: str
    """`output` (column-parallel) or `input` (row-parallel)"""
    size: int
    ranks: int
    quantized: bool
    """whether a weight format applies to it: a checkpoint may keep some modules in 16 bit"""

    @property
    def exact(self) -> bool:
        """Whether nothing is left over."""
        return self.size % self.ranks == 0

    @property
    def part(self) -> int:
        """Size on each rank."""
        return self.size // self.ranks


_Dimension: TypeAlias = tuple[str, str, int, int | None, bool]
"""tensor, side, size, KV heads, whether quantized"""
_KNOWN: dict[int, tuple[ModelSpec, tuple[_Dimension, ...]]] = {}
_KNOWN_MAX = 512


def _divided(model: ModelSpec) -> tuple[_Dimension, ...]:
    """Every distinct dimension that TP divides. Kept by identity: a candidate search
    asks for the same few models thousands of times."""
    known = _KNOWN.get(id(model))
    if known is not None and known[0] is model:
        return known[1]
    found: dict[tuple[str, int, int | None, bool], str] = {}
    for group in model.layers:
        kv_heads = group.attention.kv_heads if isinstance(group.attention, GqaAttention) else None
        for tensor in group.tensors():
            if tensor.role is not TensorRole.LINEAR or len(tensor.shape) != 2:
                continue
            quantized = not _kept_wide(model, tensor.name)
            if tensor.shard is Shard.COLUMN:
                found.setdefault(("output", tensor.shape[0], None, quantized), tensor.name)
            elif tensor.shard is Shard.KV_COLUMN:
                found.setdefault(("output", tensor.shape[0], kv_heads, quantized), tensor.name)
            elif tensor.shard is Shard.ROW:
                found.setdefault(("input", tensor.shape[1], None, quantized), tensor.name)
    result = tuple((name, *dimension) for dimension, name in found.items())
    if len(_KNOWN) >= _KNOWN_MAX:
        _KNOWN.clear()
    _KNOWN[id(model)] = (model, result)
    return result


def _kept_wide(model: ModelSpec, name: str) -> bool:
    return any(module in name for module in model.unquantized_modules)


def cuts(replica: Replica) -> tuple[Cut, ...]:
    """Every dimension that this replica's TP divides. KV projections stop shrinking at one head a rank."""
    tp = replica.parallel.tp
    if tp == 1:
        return ()
    return tuple(
        Cut(tensor=name, side=side, size=size, ranks=tp if heads is None else min(tp, heads), quantized=quantized)
        for name, side, size, heads, quantized in _divided(replica.model)
    )


def expert_ranks(parallel: Parallelism) -> int:
    """Ranks among which each expert's intermediate size is divided: none with expert parallelism."""
    return 1 if parallel.ep else parallel.tp * parallel.dp


def expert_sizes(model: ModelSpec) -> frozenset[int]:
    """Intermediate sizes of the routed experts."""
    return frozenset(
        group.feed_forward.expert_intermediate_size
        for group in model.layers
        if isinstance(group.feed_forward, MoeFeedForward)
    )


def kv_heads(model: ModelSpec) -> frozenset[int]:
    """Numbers of KV heads of the layers that have any; empty for latent attention."""
    return frozenset(g.attention.kv_heads for g in model.layers if isinstance(g.attention, GqaAttention))

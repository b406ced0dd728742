"""How tensor parallelism cuts a model's linear layers: the distinct sizes that rules about divisibility look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from llmplan.plan.deployment import Parallelism, Replica
from llmplan.spec.identity import remembered
from llmplan.spec.kept import kept_share
from llmplan.spec.model import GqaAttention, LayerGroup, ModelSpec, MoeFeedForward, Shard, Tensor, TensorRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One dimension of a linear layer that is divided among `ranks`, leaving `part` = `size` / `ranks` on each."""

    tensor: str
    side: str
    """`output` (column-parallel) or `input` (row-parallel)"""
    size: int
    ranks: int
    quantized: bool
    """whether the replica's weight format applies to it: a checkpoint keeps some modules in 16 bit"""

    @property
    def exact(self) -> bool:
        """Whether nothing is left over."""
        return self.size % self.ranks == 0

    @property
    def part(self) -> int:
        """Size on each rank."""
        return self.size // self.ranks


_Dimension: TypeAlias = tuple[str, str, int, int | None, bool]
"""tensor, side, size, KV heads, whether the checkpoint keeps it in 16 bit"""


@remembered
def _divided(model: ModelSpec) -> tuple[_Dimension, ...]:
    """Every distinct dimension that TP divides."""
    modules = frozenset(model.unquantized_modules)
    found: dict[tuple[str, int, int | None, bool], str] = {}
    for group in model.layers:
        for tensor, kv_heads in _with_heads(group):
            if tensor.role is not TensorRole.LINEAR or len(tensor.shape) != 2:
                continue
            kept = kept_share(tensor, group, modules) == 1.0
            if tensor.shard is Shard.COLUMN:
                found.setdefault(("output", tensor.shape[0], None, kept), tensor.name)
            elif tensor.shard is Shard.KV_COLUMN:
                found.setdefault(("output", tensor.shape[0], kv_heads, kept), tensor.name)
            elif tensor.shard is Shard.ROW:
                found.setdefault(("input", tensor.shape[1], None, kept), tensor.name)
    return tuple((name, *dimension) for dimension, name in found.items())


def _with_heads(group: LayerGroup) -> Iterator[tuple[Tensor, int | None]]:
    """Every tensor of a layer with the KV heads or state groups of its mixer, if it has one."""
    for mixer in group.mixers:
        yield from ((tensor, mixer.kv_heads) for tensor in mixer.tensors)
    feed_forward = group.feed_forward.tensors if group.feed_forward else ()
    yield from ((tensor, None) for tensor in (*feed_forward, *group.norms))


def cuts(replica: Replica) -> tuple[Cut, ...]:
    """Every dimension that this replica's TP divides. KV projections stop shrinking at one head a rank."""
    tp = replica.parallel.tp
    if tp == 1:
        return ()
    as_published = replica.weights.id == replica.model.checkpoint_format
    return tuple(
        Cut(
            tensor=name, side=side, size=size, ranks=tp if heads is None else min(tp, heads),
            quantized=not (kept and as_published),
        )
        for name, side, size, heads, kept in _divided(replica.model)
    )  # fmt: skip


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


def spreads(heads: int, ranks: int) -> bool:
    """Whether KV heads are divided by the ranks, or copied a whole number of times.

    >>> spreads(8, 4), spreads(8, 16), spreads(8, 3)
    (True, True, False)
    """
    return heads % ranks == 0 or ranks % heads == 0


def kv_heads(model: ModelSpec) -> frozenset[int]:
    """Numbers of KV heads of the layers that have any; empty for latent attention."""
    return frozenset(mixer.kv_heads for mixer in model.mixers() if isinstance(mixer, GqaAttention))

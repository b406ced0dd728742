"""Where each tensor sits: in which layers, and in which part of a layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from llmplan.spec.model import GqaAttention, LayerGroup, ModelSpec, MoeFeedForward, Tensor


class Part(Enum):
    """Part of the model that a tensor belongs to."""

    GLOBAL = "global"
    ATTENTION = "attention"
    FEED_FORWARD = "feed_forward"
    NORM = "norm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One tensor of `layers` equal layers (1 for what is outside the layers, where `group` is None)."""

    tensor: Tensor
    layers: int
    part: Part
    group: LayerGroup | None = None

    @property
    def kv_heads(self) -> int:
        """Key/value heads of the layer: 1 where the cache is one latent, or outside the layers."""
        attention = self.group.attention if self.group else None
        return attention.kv_heads if isinstance(attention, GqaAttention) else 1

    @property
    def expert_intermediate(self) -> int | None:
        """Width of one expert, None where there are none."""
        feed_forward = self.group.feed_forward if self.group else None
        return feed_forward.expert_intermediate_size if isinstance(feed_forward, MoeFeedForward) else None


def places(model: ModelSpec) -> Iterator[Place]:
    """Every tensor of the model with its place."""
    for tensor in model.globals:
        yield Place(tensor=tensor, layers=1, part=Part.GLOBAL)
    for group in model.layers:
        for part, tensors in (
            (Part.ATTENTION, group.attention.tensors),
            (Part.FEED_FORWARD, group.feed_forward.tensors),
            (Part.NORM, group.norms),
        ):
            for tensor in tensors:
                yield Place(tensor=tensor, layers=group.count, part=part, group=group)

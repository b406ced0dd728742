"""Where each tensor sits: in which layers, and in which part of a layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from llmplan.spec.model import LayerGroup, Mixer, MlaAttention, ModelSpec, MoeFeedForward, Tensor


class Part(Enum):
    """Part of the model that a tensor belongs to."""

    GLOBAL = "global"
    MIXER = "mixer"
    FEED_FORWARD = "feed_forward"
    NORM = "norm"
    TOWER = "tower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One tensor of `layers` equal layers (1 for what is outside the layers, where `group` is None).

    `mixer` is the attention or recurrence that it belongs to, None for the rest.
    """

    tensor: Tensor
    layers: int
    part: Part
    group: LayerGroup | None = None
    mixer: Mixer | None = None

    @property
    def kv_heads(self) -> int:
        """Key/value heads or state groups of its mixer: 1 where the cache is one latent, or outside mixers."""
        return self.mixer.kv_heads if self.mixer else 1

    @property
    def expert_intermediate(self) -> int | None:
        """Width of one expert, None where there are none."""
        feed_forward = self.group.feed_forward if self.group else None
        return feed_forward.expert_intermediate_size if isinstance(feed_forward, MoeFeedForward) else None

    @property
    def expands_latent(self) -> bool:
        """Whether it is the up-projection of a latent to the keys and values of all heads."""
        if not isinstance(self.mixer, MlaAttention):
            return False
        rows = self.mixer.query_heads * (self.mixer.qk_nope_head_dim + self.mixer.v_head_dim)
        return self.tensor.shape == (rows, self.mixer.kv_lora_rank)


def places(model: ModelSpec, *, unused: bool = False) -> Iterator[Place]:
    """Every tensor that is loaded to serve the model, with its place: towers too, drafting layers not.

    `unused`: also those that are stored and skipped.
    """
    yield from (place for place in _places(model) if unused or not place.tensor.unused)


def _places(model: ModelSpec) -> Iterator[Place]:
    for tensor in model.globals:
        yield Place(tensor=tensor, layers=1, part=Part.GLOBAL)
    for group in model.layers:
        yield from places_in(group)
    for tower in model.towers:
        for layers, tensor in tower.tensors:
            yield Place(tensor=tensor, layers=layers, part=Part.TOWER)


def draft_places(model: ModelSpec) -> Iterator[Place]:
    """Every tensor of the layers that only draft tokens."""
    if model.draft is None:
        return
    for tensor in model.draft.globals:
        yield Place(tensor=tensor, layers=1, part=Part.GLOBAL)
    for group in model.draft.layers:
        yield from places_in(group)


def places_in(group: LayerGroup) -> Iterator[Place]:
    """Every tensor of one group of layers."""
    for mixer in group.mixers:
        for tensor in mixer.tensors:
            yield Place(tensor=tensor, layers=group.count, part=Part.MIXER, group=group, mixer=mixer)
    for tensor in group.feed_forward.tensors if group.feed_forward else ():
        yield Place(tensor=tensor, layers=group.count, part=Part.FEED_FORWARD, group=group)
    for tensor in group.norms:
        yield Place(tensor=tensor, layers=group.count, part=Part.NORM, group=group)

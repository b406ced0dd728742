"""A model as one tensor inventory: weights, cache, FLOPs and shards all derive from it, so they cannot disagree.

A model is a list of layer groups, each `count` equal layers with their mixers (attention, recurrence) and one kind of
feed-forward, plus the tensors outside the layers, the encoders of images and sound in front of them, and the layers
that only draft tokens. A new model is data; only a new *kind* of mixer is code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmplan.spec.mixers import (
    Cache,
    CompressedAttention,
    GqaAttention,
    Indexer,
    Mixer,
    MlaAttention,
    RecurrentKind,
    RecurrentMixer,
    State,
)
from llmplan.spec.provenance import ProvenanceMap
from llmplan.spec.tensor import Shard, Tensor, TensorRole
from llmplan.spec.weight_format import ModuleFormat, WeightFormat

__all__ = [
    "Cache",
    "CompressedAttention",
    "DenseFeedForward",
    "Draft",
    "FeedForward",
    "GqaAttention",
    "Indexer",
    "LayerGroup",
    "Mixer",
    "MlaAttention",
    "ModelSpec",
    "MoeFeedForward",
    "RecurrentKind",
    "RecurrentMixer",
    "Shard",
    "State",
    "Tensor",
    "TensorRole",
    "Tower",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseFeedForward:
    """A gated or plain multi-layer perceptron."""

    intermediate_size: int
    tensors: tuple[Tensor, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoeFeedForward:
    """A router, `experts` experts of which `experts_per_token` run for a token, and shared experts that always run.

    Routed experts' tensors have role EXPERT and `copies == experts`; shared experts' have role LINEAR.
    """

    experts: int
    experts_per_token: int
    expert_intermediate_size: int
    shared_intermediate_size: int = 0
    tensors: tuple[Tensor, ...] = field(repr=False)


FeedForward: TypeAlias = DenseFeedForward | MoeFeedForward


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGroup:
    """`count` equal layers; `norms` are one layer's tensors outside its mixers and feed-forward.

    `mixers` are what sees other tokens: one attention mostly; none in a layer that is a feed-forward alone, two where
    attention and a recurrence stand side by side. `feed_forward` None: the layer has none.
    """

    count: int
    mixers: tuple[Mixer, ...]
    feed_forward: FeedForward | None
    norms: tuple[Tensor, ...] = field(default=(), repr=False)
    indices: tuple[int, ...] = field(default=(), repr=False)
    """positions of the group's layers in the stack, `count` of them; empty where nobody stated them"""

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor of one layer of the group."""
        for mixer in self.mixers:
            yield from mixer.tensors
        if self.feed_forward is not None:
            yield from self.feed_forward.tensors
        yield from self.norms


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """An encoder of images or sound with its projector: loaded with the model, run once for each item of a prompt.

    `tensors` are pairs of a number of equal layers and one layer's tensor, as `ModelSpec.tensors` yields them.
    """

    kind: Literal["vision", "audio"]
    hidden_size: int
    layer_count: int
    max_item_tokens: int | None = None
    """tokens that its largest image or clip becomes in the prompt, where the file states it"""
    tensors: tuple[tuple[int, Tensor], ...] = field(repr=False)

    @property
    def parameters(self) -> int:
        """Its weights."""
        return sum(count * tensor.elements for count, tensor in self.tensors if not tensor.buffer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Layers that predict further tokens (MTP): stored with the model, loaded only where they draft tokens."""

    layers: tuple[LayerGroup, ...]
    globals: tuple[Tensor, ...] = field(default=(), repr=False)

    def tensors(self) -> Iterator[tuple[int, Tensor]]:
        """Every tensor with the number of layers that hold it."""
        for tensor in self.globals:
            yield 1, tensor
        for group in self.layers:
            for tensor in group.tensors():
                yield group.count, tensor

    @property
    def parameters(self) -> int:
        """Its weights, with the copies of embedding and head that the checkpoint stores for it."""
        return sum(count * tensor.elements for count, tensor in self.tensors() if not tensor.buffer)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model. `globals` are the tensors outside the layers: embedding, final norm, head (absent when tied).

    `checkpoint_format` is the id of the weight format that the checkpoint is published in (`bf16`, `fp8-block`,
    `mxfp4`, ...), `dtype` the type of what is not quantized (`fp32` where the file says so; engines run it in 16
    bit). `unquantized_modules` names the modules that a quantized checkpoint keeps in that type, as its
    `quantization_config` says: module paths without `.weight`, with `{i}` where it holds for that module of every
    layer that has it, else one path per layer.
    """

    id: str
    aliases: tuple[str, ...] = ()
    model_type: str
    architecture: str
    hidden_size: int
    vocab_size: int
    max_context_tokens: int
    default_context_tokens: int | None = None
    """what engines start with where no length is asked for; None: the longest"""
    states_context: bool = True
    """whether the config states a context length; else `max_context_tokens` is a bound of this project's"""
    layers: tuple[LayerGroup, ...] = field(repr=False)
    globals: tuple[Tensor, ...] = field(repr=False)
    tied_embeddings: bool
    dtype: str
    checkpoint_format: str
    kv_cache_format: str | None = None
    """format id of the KV cache that a quantized checkpoint asks for; None: the model's own 16-bit type"""
    quantization_method: str | None = None
    """the `quant_method` under which a quantized checkpoint tells engines how to read it; None: not stated"""
    unquantized_modules: tuple[str, ...] = ()
    module_formats: tuple[ModuleFormat, ...] = field(default=(), repr=False)
    """modules in another format than most, or of a kind (head, tower) that the checkpoint's format leaves alone"""
    checkpoint_weights: WeightFormat | None = None
    """`checkpoint_format` with the group size, scales and zeros of this checkpoint; None: the format's own"""
    towers: tuple[Tower, ...] = field(default=(), repr=False)
    """encoders of images and sound: part of the checkpoint and of what is loaded, no part of a token's work"""
    draft: Draft | None = field(default=None, repr=False)
    """layers for drafting tokens: part of the checkpoint, not of `total_parameters`"""
    uncounted_parameters: int | None = None
    """weights of the published model outside this inventory (a tower of a kind that is not read), where known"""
    notes: tuple[str, ...] = field(default=(), repr=False)
    """what a reader of the numbers should know (a vision tower that is not counted)"""
    provenance: ProvenanceMap = field(default_factory=dict, repr=False)

    @property
    def layer_count(self) -> int:
        """Number of decoder layers."""
        return sum(group.count for group in self.layers)

    @property
    def query_heads(self) -> int:
        """Query heads of the widest attention; of the widest recurrence where there is no attention."""
        attention = [mixer.query_heads for mixer in self.mixers() if not isinstance(mixer, RecurrentMixer)]
        return max(attention or [mixer.query_heads for mixer in self.mixers()], default=1)

    @property
    def divisible_heads(self) -> int:
        """The largest number of ranks that divides the heads of every attention and recurrence: TP must divide it."""
        return math.gcd(*(mixer.query_heads for mixer in self.mixers())) or 1

    @property
    def is_moe(self) -> bool:
        """Whether any layer routes tokens to experts."""
        return any(isinstance(group.feed_forward, MoeFeedForward) for group in self.layers)

    @property
    def is_mla(self) -> bool:
        """Whether the cache is a latent that TP does not divide."""
        return any(isinstance(mixer, MlaAttention | CompressedAttention) for mixer in self.mixers())

    @property
    def compresses_latents(self) -> bool:
        """Whether the cache holds latents of many tokens, which engines keep in 8 bits."""
        return any(isinstance(mixer, CompressedAttention) for mixer in self.mixers())

    @property
    def packs_latents(self) -> bool:
        """Whether an 8-bit cache is the packed layout of latents: sparse or compressed attention."""
        return any(
            isinstance(mixer, CompressedAttention)
            or (isinstance(mixer, MlaAttention) and mixer.selected_tokens is not None)
            for mixer in self.mixers()
        )

    @property
    def total_parameters(self) -> int:
        """Every weight with the towers', tied ones once; layers that only draft are apart."""
        return self.text_parameters + self.tower_parameters

    @property
    def text_parameters(self) -> int:
        """Weights of the decoder, tied ones once."""
        return sum(count * tensor.elements for count, tensor in self.tensors() if not tensor.buffer)

    @property
    def tower_parameters(self) -> int:
        """Weights of the encoders of images and sound."""
        return sum(tower.parameters for tower in self.towers)

    @property
    def draft_parameters(self) -> int:
        """Weights of the layers that draft tokens."""
        return self.draft.parameters if self.draft else 0

    @property
    def embedding_parameters(self) -> int:
        """Weights of the token embedding."""
        return sum(t.elements for t in self.globals if t.role is TensorRole.EMBED)

    @property
    def active_parameters(self) -> int:
        """The decoder's weights that take part in one token: all but the experts that the router leaves out."""
        return self.text_parameters - self._idle_expert_parameters

    @property
    def _idle_expert_parameters(self) -> int:
        idle = 0
        for group in self.layers:
            match group.feed_forward:
                case MoeFeedForward(experts=experts, experts_per_token=chosen, tensors=tensors):
                    routed = sum(t.elements for t in tensors if t.role is TensorRole.EXPERT)
                    idle += group.count * routed * (experts - chosen) // experts
                case DenseFeedForward() | None:
                    pass
        return idle

    def mixers(self) -> Iterator[Mixer]:
        """The mixers of every group of layers, once each."""
        for group in self.layers:
            yield from group.mixers

    def tensors(self) -> Iterator[tuple[int, Tensor]]:
        """Every tensor of the decoder with the number of layers that hold it."""
        for tensor in self.globals:
            yield 1, tensor
        for group in self.layers:
            for tensor in group.tensors():
                yield group.count, tensor

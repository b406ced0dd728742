"""A model as one tensor inventory: weights, cache, FLOPs and shards all derive from it, so they cannot disagree.

A model is a list of layer groups, each `count` equal layers with one kind of attention and one kind of
feed-forward, plus the tensors outside the layers. A new model is data; only a new *kind* of attention is code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from llmplan.spec.provenance import ProvenanceMap


class TensorRole(StrEnum):
    """What a tensor is for: decides whether a weight format may quantize it and when it is read."""

    LINEAR = "linear"
    EXPERT = "expert"
    ROUTER = "router"
    EMBED = "embed"
    HEAD = "head"
    NORM = "norm"
    BIAS = "bias"
    OTHER = "other"


class Shard(StrEnum):
    """How tensor or expert parallelism divides a tensor among the ranks."""

    COLUMN = "column"
    """output features divided by TP"""
    ROW = "row"
    """input features divided by TP"""
    KV_COLUMN = "kv_column"
    """output features divided by TP, replicated where there are fewer KV heads than ranks"""
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

    @property
    def elements(self) -> int:
        """Number of weights in all copies."""
        return math.prod(self.shape) * self.copies


@dataclass(frozen=True, slots=True, kw_only=True)
class GqaAttention:
    """Multi-head, grouped-query or multi-query attention. `window_tokens` None is full attention.

    Cache: `kv_heads * (head_dim + v_head_dim)` elements per token.
    """

    query_heads: int
    kv_heads: int
    head_dim: int
    v_head_dim: int
    window_tokens: int | None = None
    tensors: tuple[Tensor, ...] = field(repr=False)

    @property
    def cache_elements_per_token(self) -> int:
        """K and V elements stored for one token of one layer, over all heads."""
        return self.kv_heads * (self.head_dim + self.v_head_dim)


@dataclass(frozen=True, slots=True, kw_only=True)
class MlaAttention:
    """Multi-head latent attention (DeepSeek V2, V3, Kimi): one compressed latent per token, never divided by TP.

    Cache: `kv_lora_rank + qk_rope_head_dim` elements per token.
    """

    query_heads: int
    kv_lora_rank: int
    qk_rope_head_dim: int
    qk_nope_head_dim: int
    v_head_dim: int
    q_lora_rank: int | None = None
    tensors: tuple[Tensor, ...] = field(repr=False)

    @property
    def window_tokens(self) -> int | None:
        """Latent attention sees the whole context."""
        return None

    @property
    def cache_elements_per_token(self) -> int:
        """Latent elements stored for one token of one layer."""
        return self.kv_lora_rank + self.qk_rope_head_dim


Attention: TypeAlias = GqaAttention | MlaAttention


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
    """`count` equal layers; `norms` are one layer's tensors outside attention and feed-forward."""

    count: int
    attention: Attention
    feed_forward: FeedForward
    norms: tuple[Tensor, ...] = field(default=(), repr=False)
    indices: tuple[int, ...] = field(default=(), repr=False)
    """positions of the group's layers in the stack, `count` of them; empty where nobody stated them"""

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor of one layer of the group."""
        yield from self.attention.tensors
        yield from self.feed_forward.tensors
        yield from self.norms


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
    layers: tuple[LayerGroup, ...] = field(repr=False)
    globals: tuple[Tensor, ...] = field(repr=False)
    tied_embeddings: bool
    dtype: str
    checkpoint_format: str
    unquantized_modules: tuple[str, ...] = ()
    checkpoint_group_size: int | None = None
    """inputs per scale, where the checkpoint states another than its format's own; 0: one scale per output row"""
    uncounted_parameters: int | None = None
    """weights of the published model outside this inventory (a vision or audio tower), where their number is known"""
    notes: tuple[str, ...] = field(default=(), repr=False)
    """what a reader of the numbers should know (a vision tower that is not counted)"""
    provenance: ProvenanceMap = field(default_factory=dict, repr=False)

    @property
    def layer_count(self) -> int:
        """Number of decoder layers."""
        return sum(group.count for group in self.layers)

    @property
    def query_heads(self) -> int:
        """Query heads of the widest layer: what TP must divide."""
        return max(group.attention.query_heads for group in self.layers)

    @property
    def is_moe(self) -> bool:
        """Whether any layer routes tokens to experts."""
        return any(isinstance(group.feed_forward, MoeFeedForward) for group in self.layers)

    @property
    def is_mla(self) -> bool:
        """Whether the cache is a latent that TP does not divide."""
        return any(isinstance(group.attention, MlaAttention) for group in self.layers)

    @property
    def total_parameters(self) -> int:
        """Every weight, tied ones once."""
        return sum(count * tensor.elements for count, tensor in self.tensors() if not tensor.buffer)

    @property
    def embedding_parameters(self) -> int:
        """Weights of the token embedding."""
        return sum(t.elements for t in self.globals if t.role is TensorRole.EMBED)

    @property
    def active_parameters(self) -> int:
        """Weights that take part in one token: all but the experts that the router leaves out."""
        return self.total_parameters - self._idle_expert_parameters

    @property
    def _idle_expert_parameters(self) -> int:
        idle = 0
        for group in self.layers:
            match group.feed_forward:
                case MoeFeedForward(experts=experts, experts_per_token=chosen, tensors=tensors):
                    routed = sum(t.elements for t in tensors if t.role is TensorRole.EXPERT)
                    idle += group.count * routed * (experts - chosen) // experts
                case DenseFeedForward():
                    pass
        return idle

    def tensors(self) -> Iterator[tuple[int, Tensor]]:
        """Every tensor with the number of layers that hold it."""
        for tensor in self.globals:
            yield 1, tensor
        for group in self.layers:
            for tensor in group.tensors():
                yield group.count, tensor

"""What a family of models looks like, as data: modules, their names, and the config keys that decide.

A new family of a known kind is a new `Style` in a `Family`. Where layers of one model differ, `mixers`, `feeds`,
`windows` and `at_layer` say how, each for one layer or all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from llmplan.catalogs.hf_config.blocks import GATED, SEPARATE, MlpNames, QkvNames
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.windows import WindowRule, full
from llmplan.spec.model import Draft, FeedForward, Mixer, Tensor

MixerName: TypeAlias = Literal["attention", "recurrent", "again"]
"""again: the layer runs once more for a token, with the same weights and a cache of its own"""
LayerMixers: TypeAlias = tuple[MixerName, ...]
"""what a layer mixes tokens with: one mostly, none in a feed-forward layer, two side by side"""


def attention_everywhere(config: Config) -> tuple[LayerMixers, ...]:
    """Every layer has attention and nothing else."""
    return (("attention",),) * config.layers


Flag: TypeAlias = bool | str
"""a fixed answer, or the name of the config key that decides"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Where the checkpoint keeps the decoder and its head (multimodal checkpoints put a prefix before both)."""

    base: str = ""
    head: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moe:
    """How a family lays out a mixture of experts, and under which config keys it states the sizes."""

    path: str = "mlp"
    router: str = "gate"
    router_bias: Flag = False
    idle: Callable[[Config], int] | None = None
    """experts without weights that the router may choose, too (LongCat's identities): fewer with weights run"""
    router_dtype: str | None = None
    """format id where checkpoints keep the router in another than the rest"""
    score_bias: str | None = None
    """path below `path` of the router's load-balancing bias"""
    experts: str = "experts.{e}"
    names: MlpNames = GATED
    bias: Flag = False
    count_key: str = "num_experts"
    chosen_key: str = "num_experts_per_tok"
    size_key: str = "moe_intermediate_size"
    expert_hidden: Callable[[Config], int] | None = None
    """width that the experts see; None: the model's"""
    extra: Callable[[Config, str], Iterable[Tensor]] | None = None
    """more tensors of the mixture, below its path (projections to and from the experts' own width)"""
    shared_path: str | None = None
    shared_names: MlpNames = GATED
    shared_size: Callable[[Config], int] | None = None
    shared_bias: Flag = False
    shared_gate: str | None = None
    shared_beside: bool = False
    """the shared experts are a module of the layer, not of the mixture: `shared_path` is below the layer"""
    is_moe: Callable[[Config], tuple[bool, ...]] | None = None
    """which layers route; None: all"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One family's layer. Paths are the checkpoint's, below `layers`."""

    base: str = "model"
    head: str = "lm_head"
    layers: str = "layers.{i}"
    embed: str = "embed_tokens"
    embed_width: Callable[[Config], int] | None = None
    """width of the token embedding and the head; None: the model's"""
    positions: str | None = None
    position_rows: Callable[[Config], int] | None = None
    attention: str = "self_attn"
    latent: bool = False
    qkv: QkvNames = SEPARATE
    qkv_bias: Flag = False
    out_bias: Flag = False
    qk_norm: Literal["none", "per_head", "full"] = "none"
    qk_norm_if: Flag = True
    qk_norm_names: tuple[str, str] = ("q_norm", "k_norm")
    qk_norm_bias: bool = False
    sinks: str | None = None
    beside: Callable[[Config, str], Iterable[Tensor]] | None = None
    """more tensors of a layer's attention, below its path (a projection that gates the output)"""
    encoder: Flag = False
    """attention sees the tokens behind, too, and keeps no cache"""
    query_gate: bool = False
    """the query projection is twice as wide: its second half gates the output"""
    windows: WindowRule = full
    chunked: bool = False
    """the windows are chunks of fixed position"""
    layer_kinds: frozenset[str] = frozenset()
    """entries of `layer_types` that this family knows besides full and windowed attention"""
    mixers: Callable[[Config], tuple[LayerMixers, ...]] = attention_everywhere
    again_window: Callable[[Config], int] | None = None
    """window of a layer that runs again; None: as the first time"""
    attention_of: Callable[[Config, str, int | None], Mixer] | None = None
    """builds a layer's attention from its keys, path and window, where it is of no ordinary kind"""
    recurrent_of: Callable[[Config, str], Mixer] | None = None
    """builds a layer's recurrence from its keys and path"""
    feeds: Callable[[Config], tuple[bool, ...]] | None = None
    """which layers have a feed-forward; None: all"""
    dense_of: Callable[[Config, str], FeedForward] | None = None
    """builds a layer's dense feed-forward, where it is of no ordinary kind"""
    at_layer: Callable[[Config, int], Mapping[str, Any]] | None = None
    """canonical keys that have another value in one layer (heads of its own number)"""
    vary: Callable[[Config, Style], Style] | None = None
    """adapts the style to one layer's keys"""
    extra: Callable[[Config, str], Iterable[Tensor]] | None = None
    """more tensors of a layer, below its path"""
    extra_globals: Callable[[Config, str], Iterable[Tensor]] | None = None
    """more tensors outside the layers, below the model's path"""
    norms: tuple[str, ...] = ("input_layernorm", "post_attention_layernorm")
    norm_bias: Flag = False
    final_norm: str | None = "norm"
    mlp_path: str = "mlp"
    mlp_names: MlpNames = GATED
    mlp_bias: Flag = False
    mlp_size: Callable[[Config], int] = lambda config: config.integer("intermediate_size")
    moe: Moe | None = None
    head_bias: Flag = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Model types that share a style. `defaults` are the model class's own for keys that files leave out.

    `aliases` maps canonical keys to this family's. `notes` go with every model that is read.
    """

    model_types: tuple[str, ...]
    style: Style
    defaults: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    derive: Callable[[Config], Mapping[str, Any]] | None = None
    """canonical values that follow from this family's own keys (`multi_query` means one KV head)"""
    variant: Callable[[Config, Style], Style] | None = None
    """adapts the style where one model type has variants (one norm or two)"""
    draft: Callable[[Config, Style, Names], Draft | None] | None = None
    """the layers that only draft tokens; None as an answer: the file states none"""
    notes: tuple[str, ...] = ()
    states_scaled_length: bool = False
    """the length keys already state the scaled length, whatever the kind of RoPE scaling"""

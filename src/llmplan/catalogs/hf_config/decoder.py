"""A decoder built from its config and its family's style: the one place where blocks become layers and layers groups.

A `Style` is data: which modules a layer has, what they are called, which config key decides about a bias. A new
family of a known kind is a new `Style`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from llmplan.catalogs.hf_config.blocks import (
    GATED,
    SEPARATE,
    Heads,
    MlaSizes,
    MlpNames,
    QkvNames,
    embedding,
    gqa,
    head,
    linear,
    mla,
    mlp,
    norm,
    router,
    score_bias,
)  # fmt: skip
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, Config
from llmplan.catalogs.hf_config.windows import WindowRule, full, layer_types
from llmplan.spec.model import (
    Attention,
    DenseFeedForward,
    FeedForward,
    LayerGroup,
    MoeFeedForward,
    Shard,
    Tensor,
    TensorRole,
)  # fmt: skip

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
    shared_path: str | None = None
    shared_size: Callable[[Config], int] | None = None
    shared_gate: str | None = None
    is_moe: Callable[[Config], tuple[bool, ...]] | None = None
    """which layers route; None: all"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One family's layer. Paths are the checkpoint's, below `layers`."""

    base: str = "model"
    head: str = "lm_head"
    layers: str = "layers.{i}"
    embed: str = "embed_tokens"
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
    sinks: str | None = None
    windows: WindowRule = full
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
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """The inventory of one decoder."""

    layers: tuple[LayerGroup, ...]
    globals: tuple[Tensor, ...]
    tied: bool


def build(config: Config, style: Style, names: Names) -> Decoder:
    """Every tensor of the decoder, equal layers grouped."""
    base = names.base or style.base
    layer_types(config)
    windows = style.windows(config)
    routed = _routed(config, style.moe)
    found: dict[tuple[int | None, bool], list[int]] = {}
    for index in range(config.layers):
        found.setdefault((windows[index], routed[index]), []).append(index)
    path = f"{base}.{style.layers}"
    groups = []
    for (window, is_moe), indices in found.items():
        feed_forward = _moe(config, style.moe, path) if is_moe and style.moe else _dense(config, style, path)
        groups.append(
            LayerGroup(
                count=len(indices), indices=tuple(indices), feed_forward=feed_forward,
                attention=_attention(config, style, path, window), norms=_norms(config, style, path),
            )
        )  # fmt: skip
    tied = config.flag("tie_word_embeddings")
    return Decoder(layers=tuple(groups), globals=tuple(_globals(config, style, base, names, tied)), tied=tied)


def _decides(config: Config, flag: Flag) -> bool:
    return flag if isinstance(flag, bool) else config.flag(flag)


def _attention(config: Config, style: Style, layer: str, window: int | None) -> Attention:
    path = f"{layer}.{style.attention}"
    if style.latent:
        sizes = MlaSizes(
            heads=config.heads, q_rank=config.optional_integer("q_lora_rank", low=1),
            kv_rank=config.integer("kv_lora_rank"), nope=config.integer("qk_nope_head_dim"),
            rope=config.integer("qk_rope_head_dim"), value=config.integer("v_head_dim"),
        )  # fmt: skip
        return mla(path, config.hidden, sizes, bias=_decides(config, style.qkv_bias))
    heads = Heads(query=config.heads, kv=config.kv_heads, dim=config.head_dim)
    extra: list[Tensor] = []
    if style.qk_norm != "none" and _decides(config, style.qk_norm_if):
        q_name, k_name = (f"{path}.{name}" for name in style.qk_norm_names)
        if style.qk_norm == "per_head":
            extra += [*norm(q_name, heads.dim), *norm(k_name, heads.dim)]
        else:
            extra += norm(q_name, heads.query * heads.dim, shard=Shard.COLUMN)
            extra += norm(k_name, heads.kv * heads.dim, shard=Shard.KV_COLUMN)
    if style.sinks is not None:
        extra.append(
            Tensor(name=f"{path}.{style.sinks}", shape=(heads.query,), role=TensorRole.OTHER, shard=Shard.COLUMN)
        )
    return gqa(
        path, config.hidden, heads, names=style.qkv, qkv_bias=_decides(config, style.qkv_bias),
        out_bias=_decides(config, style.out_bias), window=window, extra=tuple(extra),
    )  # fmt: skip


def _dense(config: Config, style: Style, layer: str) -> FeedForward:
    size = style.mlp_size(config)
    bias = _decides(config, style.mlp_bias)
    tensors = mlp(f"{layer}.{style.mlp_path}", config.hidden, size, style.mlp_names, bias=bias)
    return DenseFeedForward(intermediate_size=size, tensors=tensors)


def _moe(config: Config, moe: Moe, layer: str) -> FeedForward:
    path, hidden = f"{layer}.{moe.path}", config.hidden
    experts = config.integer(moe.count_key, high=MAX_EXPERTS)
    chosen = config.integer(moe.chosen_key, high=MAX_EXPERTS)
    if chosen > experts:
        raise config.fail(moe.chosen_key, f"{chosen} of {experts} experts cannot be chosen")
    size = config.integer(moe.size_key)
    tensors = [*router(
            f"{path}.{moe.router}", experts, hidden, bias=_decides(config, moe.router_bias), dtype=moe.router_dtype,
        )]  # fmt: skip
    if moe.score_bias is not None:
        tensors.append(score_bias(f"{path}.{moe.score_bias}", experts))
    tensors += mlp(
        f"{path}.{moe.experts}" if moe.experts else path, hidden, size, moe.names,
        bias=_decides(config, moe.bias), role=TensorRole.EXPERT, copies=experts,
    )  # fmt: skip
    shared = moe.shared_size(config) if moe.shared_size else 0
    if shared:
        tensors += mlp(f"{path}.{moe.shared_path}", hidden, shared, GATED)
        if moe.shared_gate is not None:
            tensors += router(f"{path}.{moe.shared_gate}", 1, hidden)
    return MoeFeedForward(
        experts=experts, experts_per_token=chosen, expert_intermediate_size=size,
        shared_intermediate_size=shared, tensors=tuple(tensors),
    )  # fmt: skip


def _routed(config: Config, moe: Moe | None) -> tuple[bool, ...]:
    if moe is None:
        return (False,) * config.layers
    return moe.is_moe(config) if moe.is_moe else (True,) * config.layers


def _norms(config: Config, style: Style, layer: str) -> tuple[Tensor, ...]:
    bias = _decides(config, style.norm_bias)
    return tuple(tensor for name in style.norms for tensor in norm(f"{layer}.{name}", config.hidden, bias=bias))


def _globals(config: Config, style: Style, base: str, names: Names, tied: bool) -> Iterator[Tensor]:
    vocabulary, hidden = config.integer("vocab_size"), config.hidden
    yield embedding(f"{base}.{style.embed}", vocabulary, hidden)
    if style.positions is not None and style.position_rows is not None:
        rows = style.position_rows(config)
        yield from linear(f"{base}.{style.positions}", rows, hidden, Shard.REPLICATED, role=TensorRole.OTHER)
    if style.final_norm is not None:
        yield from norm(f"{base}.{style.final_norm}", hidden, bias=_decides(config, style.norm_bias))
    if not tied:
        yield from head(names.head or style.head, vocabulary, hidden, bias=_decides(config, style.head_bias))

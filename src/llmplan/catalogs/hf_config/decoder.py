"""A decoder built from its config and its family's style: where blocks become layers, and equal layers groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmplan.catalogs.hf_config.blocks import (
    Heads,
    MlaSizes,
    embedding,
    gqa,
    head,
    head_bias,
    linear,
    mla,
    mlp,
    norm,
    router,
    score_bias,
)  # fmt: skip
from llmplan.catalogs.hf_config.layer_lists import demand_lengths
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_PARAMETERS, Config
from llmplan.catalogs.hf_config.style import Flag, LayerMixers, MixerName, Moe, Names, Style
from llmplan.catalogs.hf_config.windows import layer_types
from llmplan.spec.model import (
    DenseFeedForward,
    FeedForward,
    LayerGroup,
    Mixer,
    MoeFeedForward,
    Shard,
    Tensor,
    TensorRole,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """The inventory of one decoder."""

    layers: tuple[LayerGroup, ...]
    globals: tuple[Tensor, ...]
    tied: bool

    @property
    def elements(self) -> int:
        """Numbers in all of its tensors."""
        inside = sum(group.count * tensor.elements for group in self.layers for tensor in group.tensors())
        return inside + sum(tensor.elements for tensor in self.globals)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """What decides how one layer is built: layers with equal plans are equal."""

    window: int | None
    routed: bool
    mixers: LayerMixers
    feeds: bool
    keys: tuple[tuple[str, Any], ...]


def build(config: Config, style: Style, names: Names) -> Decoder:
    """Every tensor of the decoder, equal layers grouped."""
    base = names.base or style.base
    demand_lengths(config)
    layer_types(config, style.layer_kinds)
    tied = config.flag("tie_word_embeddings")
    decoder = Decoder(
        layers=grouped(config, style, f"{base}.{style.layers}" if base else style.layers, layer_plans(config, style)),
        globals=tuple(_globals(config, style, base, names, tied)), tied=tied,
    )  # fmt: skip
    if decoder.elements > MAX_PARAMETERS:
        raise config.fail("hidden_size", f"with the other sizes, {decoder.elements:.1e} weights: no model has so many")
    return decoder


def layer_plans(config: Config, style: Style) -> tuple[LayerPlan, ...]:
    """The plan of every layer, in their order."""
    windows, mixers = style.windows(config), style.mixers(config)
    routed = _routed(config, style.moe)
    feeds = style.feeds(config) if style.feeds else (True,) * config.layers
    return tuple(
        LayerPlan(
            window=windows[i], routed=routed[i], mixers=mixers[i], feeds=feeds[i],
            keys=tuple(sorted(style.at_layer(config, i).items())) if style.at_layer else (),
        )
        for i in range(config.layers)
    )  # fmt: skip


def grouped(
    config: Config, style: Style, path: str, plans: Sequence[LayerPlan], first: int = 0
) -> tuple[LayerGroup, ...]:
    """Layers with equal plans as one group; `first` is the position of the first plan's layer."""
    found: dict[LayerPlan, list[int]] = {}
    for index, plan in enumerate(plans, first):
        found.setdefault(plan, []).append(index)
    return tuple(_group(config, style, path, plan, indices) for plan, indices in found.items())


def _group(config: Config, style: Style, path: str, plan: LayerPlan, indices: list[int]) -> LayerGroup:
    if plan.keys:
        config = replace(config, values={**config.values, **dict(plan.keys)})
    if style.vary is not None:
        style = style.vary(config, style)
    mixers = (_mixer(config, style, path, plan.window, name) for name in plan.mixers)
    more = tuple(style.extra(config, path)) if style.extra else ()
    return LayerGroup(
        count=len(indices), indices=tuple(indices), mixers=tuple(mixers),
        feed_forward=_feed_forward(config, style, path, plan), norms=(*_norms(config, style, path), *more),
    )  # fmt: skip


def _mixer(config: Config, style: Style, path: str, window: int | None, name: MixerName) -> Mixer:
    if name == "recurrent" and style.recurrent_of is not None:
        return style.recurrent_of(config, path)
    if name != "again":
        return attention(config, style, path, window)
    window = style.again_window(config) if style.again_window else window
    return replace(attention(config, style, path, window), tensors=())


def decides(config: Config, flag: Flag) -> bool:
    """What a flag says: itself, or the config key that it names."""
    return flag if isinstance(flag, bool) else config.flag(flag)


def attention(config: Config, style: Style, layer: str, window: int | None) -> Mixer:
    """One layer's attention: its own kind, latent, or grouped-query."""
    if style.attention_of is not None:
        return style.attention_of(config, layer, window)
    path = f"{layer}.{style.attention}"
    if style.latent:
        return mla(path, config.hidden, latent_sizes(config), bias=decides(config, style.qkv_bias))
    heads = Heads(query=config.heads, kv=config.kv_heads, dim=config.head_dim)
    return gqa(
        path, config.hidden, heads, names=style.qkv, qkv_bias=decides(config, style.qkv_bias),
        out_bias=decides(config, style.out_bias), window=window, chunked=style.chunked,
        query_gate=style.query_gate, borrowed_cache=config.flag("borrowed_cache"),
        encoder=decides(config, style.encoder),
        extra=tuple(_beside(config, style, path, heads)),
    )  # fmt: skip


def latent_sizes(config: Config) -> MlaSizes:
    """Ranks and head sizes of latent attention."""
    return MlaSizes(
        heads=config.heads, q_rank=config.optional_integer("q_lora_rank", low=1),
        kv_rank=config.integer("kv_lora_rank"), nope=config.integer("qk_nope_head_dim"),
        rope=config.integer("qk_rope_head_dim", low=0), value=config.integer("v_head_dim"),
    )  # fmt: skip


def _beside(config: Config, style: Style, path: str, heads: Heads) -> Iterator[Tensor]:
    """Norms of queries and keys, and attention sinks."""
    if style.qk_norm != "none" and decides(config, style.qk_norm_if):
        q_name, k_name = (f"{path}.{name}" for name in style.qk_norm_names)
        if style.qk_norm == "per_head":
            yield from norm(q_name, heads.dim, bias=style.qk_norm_bias)
            yield from norm(k_name, heads.dim, bias=style.qk_norm_bias)
        else:
            yield from norm(q_name, heads.query * heads.dim, shard=Shard.COLUMN)
            yield from norm(k_name, heads.kv * heads.dim, shard=Shard.KV_COLUMN)
    if style.sinks is not None:
        yield Tensor(name=f"{path}.{style.sinks}", shape=(heads.query,), role=TensorRole.OTHER, shard=Shard.COLUMN)
    if style.beside is not None:
        yield from style.beside(config, path)


def _feed_forward(config: Config, style: Style, path: str, plan: LayerPlan) -> FeedForward | None:
    if not plan.feeds:
        return None
    if plan.routed and style.moe is not None:
        return _moe(config, style.moe, path)
    return style.dense_of(config, path) if style.dense_of else _dense(config, style, path)


def _dense(config: Config, style: Style, layer: str) -> FeedForward:
    size = style.mlp_size(config)
    bias = decides(config, style.mlp_bias)
    path = f"{layer}.{style.mlp_path}" if style.mlp_path else layer
    tensors = mlp(path, config.hidden, size, style.mlp_names, bias=bias)
    return DenseFeedForward(intermediate_size=size, tensors=tensors)


def _moe(config: Config, moe: Moe, layer: str) -> FeedForward:
    path, hidden = f"{layer}.{moe.path}" if moe.path else layer, config.hidden
    experts = config.integer(moe.count_key, high=MAX_EXPERTS)
    chosen = config.integer(moe.chosen_key, high=MAX_EXPERTS)
    if chosen > experts:
        raise config.fail(moe.chosen_key, f"{chosen} of {experts} experts cannot be chosen")
    size = config.integer(moe.size_key)
    scored = experts + (moe.idle(config) if moe.idle else 0)
    tensors = [*router(
            f"{path}.{moe.router}", scored, hidden, bias=decides(config, moe.router_bias), dtype=moe.router_dtype,
        )]  # fmt: skip
    if moe.score_bias is not None:
        tensors.append(score_bias(f"{path}.{moe.score_bias}", scored))
    if moe.extra is not None:
        tensors += moe.extra(config, path)
    tensors += mlp(
        f"{path}.{moe.experts}" if moe.experts else path, moe.expert_hidden(config) if moe.expert_hidden else hidden,
        size, moe.names,
        bias=decides(config, moe.bias), role=TensorRole.EXPERT, copies=experts,
    )  # fmt: skip
    shared = moe.shared_size(config) if moe.shared_size else 0
    if shared:
        within = layer if moe.shared_beside else path
        tensors += mlp(
            f"{within}.{moe.shared_path}", hidden, shared, moe.shared_names, bias=decides(config, moe.shared_bias)
        )  # fmt: skip
        if moe.shared_gate is not None:
            tensors += router(f"{path}.{moe.shared_gate}", 1, hidden)
    return MoeFeedForward(
        experts=experts, experts_per_token=max(1, round(chosen * experts / scored)), expert_intermediate_size=size,
        shared_intermediate_size=shared, tensors=tuple(tensors),
    )  # fmt: skip


def _routed(config: Config, moe: Moe | None) -> tuple[bool, ...]:
    if moe is None:
        return (False,) * config.layers
    return moe.is_moe(config) if moe.is_moe else (True,) * config.layers


def _norms(config: Config, style: Style, layer: str) -> tuple[Tensor, ...]:
    bias = decides(config, style.norm_bias)
    return tuple(tensor for name in style.norms for tensor in norm(f"{layer}.{name}", config.hidden, bias=bias))


def _globals(config: Config, style: Style, base: str, names: Names, tied: bool) -> Iterator[Tensor]:
    vocabulary, hidden = config.integer("vocab_size"), config.hidden
    width = style.embed_width(config) if style.embed_width else hidden
    below = f"{base}." if base else ""
    yield embedding(f"{below}{style.embed}", vocabulary, width)
    if style.positions is not None and style.position_rows is not None:
        rows = style.position_rows(config)
        yield from linear(f"{below}{style.positions}", rows, hidden, Shard.REPLICATED, role=TensorRole.OTHER)
    if style.final_norm is not None:
        yield from norm(f"{below}{style.final_norm}", hidden, bias=decides(config, style.norm_bias))
    if style.extra_globals is not None:
        yield from style.extra_globals(config, base)
    if tied and decides(config, style.head_bias):
        yield from head_bias(names.head or style.head, vocabulary)
    if not tied:
        yield from head(names.head or style.head, vocabulary, width, bias=decides(config, style.head_bias))

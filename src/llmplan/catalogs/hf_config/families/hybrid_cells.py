"""xLSTM (a matrix memory per head, no attention) and ZAYA (attention whose queries and keys a convolution mixes)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, linear, mlp, norm
from llmplan.catalogs.hf_config.families.hybrid_mamba1 import NO_BOUND, NO_LENGTH, recurrent_everywhere
from llmplan.catalogs.hf_config.layer_lists import listed
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_HEADS, MAX_TOKENS, Config
from llmplan.catalogs.hf_config.recurrent import conv1d, vector
from llmplan.catalogs.hf_config.recurrent_keys import taps
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Style
from llmplan.catalogs.hf_config.windows import Windows
from llmplan.spec.model import (
    DenseFeedForward,
    GqaAttention,
    MoeFeedForward,
    RecurrentKind,
    RecurrentMixer,
    Shard,
    State,
    Tensor,
    TensorRole,
)  # fmt: skip

_KINDS: Final = frozenset({"hybrid", "hybrid_sliding"})


def _multiple(config: Config, key: str, default: float) -> float:
    """A multiple of the model's width."""
    factor = config.number(config.values, key, "config")
    return config.hidden * (default if factor is None else factor)


def _width(config: Config, key: str, default: float) -> int:
    return config.derived(key, int(_multiple(config, key, default)))


def _xlstm(config: Config, layer: str) -> RecurrentMixer:
    """Per head a matrix of keys by values, a vector of keys and one number, in 32 bit."""
    path, hidden, heads = f"{layer}.mlstm_layer", config.hidden, config.integer("num_heads", high=MAX_HEADS)
    keys, values = _width(config, "qk_dim_factor", 0.5), _width(config, "v_dim_factor", 1.0)
    if keys % heads or values % heads:
        raise config.fail("num_heads", f"{heads} does not divide the widths {keys} of keys and {values} of values")
    bias = config.flag("use_bias")
    tensors: list[Tensor] = []
    for name, width in (("q", keys), ("k", keys), ("v", values), ("ogate_preact", values)):
        tensors += linear(f"{path}.{name}", width, hidden, Shard.COLUMN, bias=bias)
    for name in ("igate_preact", "fgate_preact"):
        tensors += linear(f"{path}.{name}", heads, hidden, Shard.COLUMN, bias=True)
    tensors += norm(f"{path}.multihead_norm", values, bias=bias, shard=Shard.COLUMN)
    tensors += linear(f"{path}.out_proj", hidden, values, Shard.ROW, bias=bias)
    key_dim, value_dim = keys // heads, values // heads
    return RecurrentMixer(
        kind=RecurrentKind.LINEAR, heads=heads, kv_heads=heads, key_dim=key_dim, value_dim=value_dim,
        states=(State(heads=heads, elements=key_dim * value_dim + key_dim + 1, dtype="fp32"),), tensors=tuple(tensors),
    )  # fmt: skip


def _xlstm_feed(config: Config, layer: str) -> DenseFeedForward:
    step = config.integer("ffn_round_up_to_multiple_of")
    size = config.derived("ffn_proj_factor", math.ceil(_multiple(config, "ffn_proj_factor", 2.667) / step) * step)
    names = MlpNames(gate="proj_up_gate", up="proj_up", down="proj_down")
    tensors = mlp(f"{layer}.ffn", config.hidden, size, names, bias=config.flag("use_bias"))
    return DenseFeedForward(intermediate_size=size, tensors=tensors)


def _xlstm_norms(config: Config, layer: str) -> Iterable[Tensor]:
    for name in ("norm_mlstm", "norm_ffn"):
        yield from norm(f"{layer}.{name}", config.hidden, bias=config.flag("use_bias"))


def _xlstm_keys(config: Config) -> Mapping[str, Any]:
    """Width and depth under their other names."""
    found = {"hidden_size": "embedding_dim", "num_hidden_layers": "num_blocks"}
    return {now: config.values[other] for now, other in found.items() if not config.has(now) and config.has(other)}


def _local(config: Config) -> tuple[bool, ...]:
    kinds = listed(config, "layer_types")
    return (False,) * config.layers if kinds is None else tuple(kind == "hybrid_sliding" for kind in kinds)


def _windows(config: Config) -> Windows:
    local = _local(config)
    width = config.integer("sliding_window", high=MAX_TOKENS) if any(local) else None
    return tuple(width if there else None for there in local)


def _both(config: Config) -> tuple[LayerMixers, ...]:
    """Attention and the convolution before it, in every layer."""
    return (("attention", "recurrent"),) * config.layers


def _attention(config: Config, layer: str, window: int | None) -> GqaAttention:
    """Half of the values come from the token before."""
    path, hidden, dim, bias = f"{layer}.self_attn", config.hidden, config.head_dim, config.flag("attention_bias")
    inner, keys = config.heads * dim, config.kv_heads * dim
    tensors = [
        *linear(f"{path}.qkv_proj.q_proj", inner, hidden, Shard.COLUMN, bias=bias),
        *linear(f"{path}.qkv_proj.k_proj", keys, hidden, Shard.KV_COLUMN, bias=bias),
        *linear(f"{path}.qkv_proj.v_proj_current", keys // 2, hidden, Shard.KV_COLUMN, bias=bias),
        *linear(f"{path}.qkv_proj.v_proj_delayed", keys // 2, hidden, Shard.KV_COLUMN, bias=bias),
        *linear(f"{path}.o_proj", hidden, inner, Shard.ROW, bias=bias),
        vector(f"{path}.qk_norm.temp", config.kv_heads, shard=Shard.KV_COLUMN),
    ]
    return GqaAttention(
        query_heads=config.heads, kv_heads=config.kv_heads, head_dim=dim, v_head_dim=dim, window_tokens=window,
        tensors=tuple(tensors),
    )  # fmt: skip


def _mixing(config: Config, layer: str) -> RecurrentMixer:
    """Two convolutions over queries and keys, one by channel and one by head, and the last hidden state for values."""
    path, dim = f"{layer}.self_attn.qkv_proj", config.head_dim
    count = config.heads + config.kv_heads
    channels, first, second = count * dim, taps(config, "cca_time0"), taps(config, "cca_time1")
    grouped = Tensor(
        name=f"{path}.conv_qk_grouped.weight", shape=(channels, dim, second), role=TensorRole.CONV, shard=Shard.COLUMN
    )
    kept = first - 1 + second - 1
    return RecurrentMixer(
        kind=RecurrentKind.SHORT_CONV, heads=channels, kv_heads=config.kv_heads, key_dim=0, value_dim=1,
        conv_width=kept + 1, states=(State(heads=count, elements=dim * kept), State(heads=1, elements=config.hidden)),
        tensors=(
            *conv1d(f"{path}.conv_qk_depthwise", channels, first, bias=True),
            grouped, vector(f"{path}.conv_qk_grouped.bias", channels),
        ),
    )  # fmt: skip


def _experts(config: Config, layer: str) -> MoeFeedForward:
    """The router is a small network, which also scores an expert that does nothing."""
    path, hidden, rank = f"{layer}.mlp", config.hidden, config.integer("router_hidden_size")
    experts = config.integer("num_experts", high=MAX_EXPERTS)
    chosen, size = config.integer("num_experts_per_tok", high=MAX_EXPERTS), config.integer("moe_intermediate_size")
    if chosen > experts:
        raise config.fail("num_experts_per_tok", f"{chosen} of {experts} experts cannot be chosen")
    gate = f"{path}.gate"
    tensors = [
        *linear(f"{gate}.down_proj", rank, hidden, Shard.REPLICATED, bias=True, role=TensorRole.ROUTER),
        *norm(f"{gate}.router_mlp.norm", rank),
        *linear(f"{gate}.router_mlp.fc1", rank, rank, Shard.REPLICATED, bias=True, role=TensorRole.ROUTER),
        *linear(f"{gate}.router_mlp.fc2", rank, rank, Shard.REPLICATED, bias=True, role=TensorRole.ROUTER),
        *linear(f"{gate}.router_mlp.out_proj", experts + 1, rank, Shard.REPLICATED, role=TensorRole.ROUTER),
        Tensor(name=f"{gate}.balancing_biases", shape=(experts + 1,), role=TensorRole.OTHER, shard=Shard.REPLICATED,
               dtype="fp32", buffer=True),
    ]  # fmt: skip
    if not config.flag("is_first"):
        tensors.append(vector(f"{gate}.router_states_scale", rank, shard=Shard.REPLICATED))
    names = MlpNames(gate="gate_up_proj", up="gate_up_proj")
    tensors += mlp(f"{path}.experts", hidden, size, names, role=TensorRole.EXPERT, copies=experts)
    return MoeFeedForward(
        experts=experts, experts_per_token=chosen, expert_intermediate_size=size, tensors=tuple(tensors)
    )  # fmt: skip


def _scales(config: Config, layer: str) -> Iterable[Tensor]:
    """Scales and shifts of both halves' outputs and of what is added to them."""
    for block in ("post_attention_residual_scale", "post_mlp_residual_scale"):
        for name in ("hidden_states_scale", "hidden_states_bias", "residual_scale", "residual_bias"):
            yield vector(f"{layer}.{block}.{name}", config.hidden, shard=Shard.REPLICATED)


def _input_scales(config: Config, base: str) -> Iterable[Tensor]:
    for name in ("input_hidden_states_scale", "input_hidden_states_bias"):
        yield vector(f"{base}.{name}", config.hidden, shard=Shard.REPLICATED)


FAMILIES: Final = (
    Family(
        model_types=("xlstm",), derive=_xlstm_keys, notes=(NO_LENGTH,),
        defaults={
            "tie_word_embeddings": False, "num_heads": 8, "use_bias": False, "ffn_round_up_to_multiple_of": 64,
            **NO_BOUND,
        },
        style=Style(
            base="backbone", layers="blocks.{i}", embed="embeddings", final_norm="out_norm",
            norms=(), extra=_xlstm_norms, mixers=recurrent_everywhere, recurrent_of=_xlstm, dense_of=_xlstm_feed,
        ),
    ),
    Family(
        model_types=("zaya",),
        defaults={
            "tie_word_embeddings": True, "num_key_value_heads": 2, "head_dim": 128, "moe_intermediate_size": 2048,
            "num_experts": 16, "num_experts_per_tok": 1, "router_hidden_size": 256, "cca_time0": 2, "cca_time1": 2,
            "attention_bias": False, "lm_head_bias": False, "max_position_embeddings": 131072,
        },
        style=Style(
            mixers=_both, attention_of=_attention, recurrent_of=_mixing, windows=_windows, dense_of=_experts,
            layer_kinds=_KINDS, extra=_scales, extra_globals=_input_scales, head_bias="lm_head_bias",
            at_layer=lambda config, index: {"is_first": index == 0},
        ),
    ),
)  # fmt: skip

"""MiMo V2: windows of attention with sinks and more KV heads, keys wider than values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import Heads, linear
from llmplan.catalogs.hf_config.decoder import LayerPlan
from llmplan.catalogs.hf_config.drafts import Stacked, full_layer
from llmplan.catalogs.hf_config.families.moe import shared_experts
from llmplan.catalogs.hf_config.layer_lists import Routed, by_mlp_layer_types, leading, listed, ones_of
from llmplan.catalogs.hf_config.normalize import MAX_TOKENS, Config
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.catalogs.hf_config.windows import Windows
from llmplan.spec.model import GqaAttention, Shard, Tensor, TensorRole

_WINDOWED_KEYS: Final = {
    "num_attention_heads": "swa_num_attention_heads", "num_key_value_heads": "swa_num_key_value_heads",
    "head_dim": "swa_head_dim", "v_head_dim": "swa_v_head_dim",
}  # fmt: skip


def _windowed(config: Config) -> Routed:
    """`layer_types`, or ones in `hybrid_layer_pattern`, or all but the first and every sixth layer."""
    kinds = listed(config, "layer_types")
    if kinds is not None:
        return tuple(kind == "sliding_attention" for kind in kinds)
    return ones_of(
        "hybrid_layer_pattern", lambda config: tuple(i > 0 and (i + 1) % 6 != 0 for i in range(config.layers))
    )(config)


def _width(config: Config) -> int:
    key = "sliding_window_size" if config.has("sliding_window_size") else "sliding_window"
    return config.integer(key, high=MAX_TOKENS)


def _windows(config: Config) -> Windows:
    width = _width(config)
    return tuple(width if windowed else None for windowed in _windowed(config))


def _window_keys(config: Config) -> Mapping[str, Any]:
    """Sizes of a windowed layer: its own keys, or those of full attention with twice the KV heads."""
    own = {name: config.integer(key) for name, key in _WINDOWED_KEYS.items() if config.has(key)}
    return {"num_key_value_heads": 2 * config.kv_heads, "windowed": True} | own


def _at_layer(config: Config, layer: int) -> Mapping[str, Any]:
    return _window_keys(config) if _windowed(config)[layer] else {}


def _sinks(config: Config, path: str) -> Iterator[Tensor]:
    """One number for every head, in the kinds of layers that have them."""
    windowed = config.flag("windowed")
    key, usual = ("add_swa_attention_sink_bias", True) if windowed else ("add_full_attention_sink_bias", False)
    if config.flag(key, default=usual):
        yield Tensor(
            name=f"{path}.attention_sink_bias", shape=(config.heads,), role=TensorRole.OTHER, shard=Shard.COLUMN
        )


def _attention(config: Config, layer: str, window: int | None) -> GqaAttention:
    path, hidden, bias = f"{layer}.self_attn", config.hidden, config.flag("attention_bias")
    heads = Heads(query=config.heads, kv=config.kv_heads, dim=config.head_dim)
    values = config.optional_integer("v_head_dim", low=1) or heads.dim
    return GqaAttention(
        query_heads=heads.query, kv_heads=heads.kv, head_dim=heads.dim, v_head_dim=values, window_tokens=window,
        tensors=(
            *linear(f"{path}.q_proj", heads.query * heads.dim, hidden, Shard.COLUMN, bias=bias),
            *linear(f"{path}.k_proj", heads.kv * heads.dim, hidden, Shard.KV_COLUMN, bias=bias),
            *linear(f"{path}.v_proj", heads.kv * values, hidden, Shard.KV_COLUMN, bias=bias),
            *linear(f"{path}.o_proj", hidden, heads.query * values, Shard.ROW),
            *_sinks(config, path),
        ),
    )  # fmt: skip


def _windowed_layers(config: Config, style: Style, count: int) -> Sequence[LayerPlan]:
    """Dense layers with the window."""
    del style
    keys = tuple(sorted(_window_keys(config).items()))
    return [replace(full_layer(routed=False), window=_width(config), keys=keys)] * count


_STYLE: Final = Style(
    attention_of=_attention, at_layer=_at_layer, windows=_windows,
    moe=Moe(
        count_key="n_routed_experts", score_bias="gate.e_score_correction_bias", shared_path="shared_experts",
        shared_size=shared_experts, is_moe=by_mlp_layer_types(ones_of("moe_layer_freq", leading("leading_dense"))),
    ),
)  # fmt: skip
_DRAFT_STYLE: Final = replace(_STYLE, norms=("input_layernorm", "pre_mlp_layernorm"))


FAMILIES: Final = (
    Family(
        model_types=("mimo_v2_flash", "mimo_v2"), style=_STYLE,
        draft=Stacked(below="mtp.layers.{i}", final="final_layernorm", plans=_windowed_layers, style=_DRAFT_STYLE),
        defaults={
            "tie_word_embeddings": False, "attention_bias": False, "head_dim": 192, "v_head_dim": 128,
            "sliding_window": 128, "leading_dense": 1, "n_routed_experts": 256, "num_experts_per_tok": 8,
            "moe_intermediate_size": 2048, "n_shared_experts": 0, "num_key_value_heads": 4,
        },
    ),
)  # fmt: skip

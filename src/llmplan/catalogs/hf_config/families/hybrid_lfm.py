"""LFM 2 and 3: gated short convolutions between layers of attention, dense or with experts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import SEPARATE, MlpNames, QkvNames, linear
from llmplan.catalogs.hf_config.normalize import MAX_TOKENS, Config
from llmplan.catalogs.hf_config.recurrent import short_conv
from llmplan.catalogs.hf_config.recurrent_keys import taps
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Style
from llmplan.catalogs.hf_config.windows import Windows
from llmplan.spec.model import RecurrentMixer, Shard, Tensor

_GATED: Final = MlpNames(gate="w1", up="w3", down="w2")
_GATE: Final = "use_attention_gate"
_DEFAULTS: Final = {
    "tie_word_embeddings": True, "num_key_value_heads": 8, "max_position_embeddings": 128_000, "conv_bias": False,
    "conv_L_cache": 3,
}  # fmt: skip


def _mixers(config: Config) -> tuple[LayerMixers, ...]:
    """`layer_types`, or attention in the layers of `full_attn_idxs`, or in all."""
    kinds = config.items("layer_types")
    if kinds is not None:
        return tuple(("recurrent",) if kind == "conv" else ("attention",) for kind in kinds[: config.layers])
    listed = config.items("full_attn_idxs")
    return tuple(("attention",) if listed is None or i in listed else ("recurrent",) for i in range(config.layers))


def _conv(config: Config, layer: str) -> RecurrentMixer:
    return short_conv(f"{layer}.conv", config.hidden, taps(config, "conv_L_cache"), bias=config.flag("conv_bias"))


def _width(config: Config) -> int:
    """Two thirds of the stated width times a multiplier, rounded up, unless the file says to take it as it is.

    >>> _width(Config(where="", values={"intermediate_size": 12288, "block_multiple_of": 256}))
    8192
    """
    size = config.integer("intermediate_size")
    if not config.flag("block_auto_adjust_ff_dim", True):
        return size
    size = 2 * size // 3
    multiplier = config.number(config.values, "block_ffn_dim_multiplier", "config")
    step = config.optional_integer("block_multiple_of", low=1) or 256
    size = int(Fraction(multiplier if multiplier is not None else 1) * size)
    return config.derived("intermediate_size", -(-size // step) * step)


def _derive(config: Config) -> Mapping[str, Any]:
    """The width and the tie under their former names win, as in the class."""
    found = {"intermediate_size": "block_ff_dim", "tie_word_embeddings": "tie_embedding"}
    return {now: config.values[former] for now, former in found.items() if config.has(former)}


def _routed(config: Config) -> tuple[bool, ...]:
    """The first `num_dense_layers` are dense."""
    dense = config.integer("num_dense_layers", low=0)
    return tuple(i >= dense for i in range(config.layers))


def _balanced(config: Config, style: Style) -> Style:
    """The router's bias is an option."""
    if style.moe is None or config.flag("use_expert_bias", True):
        return style
    return replace(style, moe=replace(style.moe, score_bias=None))


def _three_mixers(config: Config) -> tuple[LayerMixers, ...]:
    """LFM 3: `layer_types`, or attention in every other layer but the first."""
    kinds = config.items("layer_types")
    if kinds is not None:
        return tuple(("recurrent",) if kind == "conv" else ("attention",) for kind in kinds[: config.layers])
    return tuple(("attention",) if i and i % 2 == 0 else ("recurrent",) for i in range(config.layers))


def _three_windows(config: Config) -> Windows:
    """Attention alternates between a window and all tokens, the window first."""
    width = config.optional_integer("sliding_window", low=1, high=MAX_TOKENS)
    kinds = config.items("layer_types")
    if kinds is None:
        return tuple(width if i and i % 4 == 0 else None for i in range(config.layers))
    return tuple(width if kind == "sliding_attention" else None for kind in kinds[: config.layers])


def _gate(config: Config, path: str) -> Iterable[Tensor]:
    """One gate per head on the output of attention."""
    return linear(f"{path}.gate_proj", config.heads, config.hidden, Shard.COLUMN) if config.flag(_GATE, True) else ()


def _sandwiched(config: Config, style: Style) -> Style:
    """Norms behind each half, too, unless the file says otherwise."""
    if config.flag("use_sandwich_norm", True):
        return replace(style, norms=(*style.norms, "post_operator_norm", "post_ffn_norm"))
    return style


_STYLE: Final = Style(
    qkv=QkvNames(out="out_proj"), qk_norm="per_head", qk_norm_names=("q_layernorm", "k_layernorm"),
    norms=("operator_norm", "ffn_norm"), final_norm="embedding_norm", mlp_path="feed_forward", mlp_names=_GATED,
    mixers=_mixers, recurrent_of=_conv, layer_kinds=frozenset({"conv"}),
)  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("lfm2",), style=replace(_STYLE, mlp_size=_width), derive=_derive,
        defaults={**_DEFAULTS, "intermediate_size": 12288},
    ),
    Family(
        model_types=("lfm2_moe",), derive=_derive, variant=_balanced,
        defaults={
            **_DEFAULTS, "num_dense_layers": 2, "num_experts": 32, "num_experts_per_tok": 4,
            "moe_intermediate_size": 1792, "intermediate_size": 7168,
        },
        style=replace(
            _STYLE,
            moe=Moe(path="feed_forward", names=_GATED, score_bias="expert_bias", is_moe=_routed),
        ),
    ),
    Family(
        model_types=("lfm3",), variant=_sandwiched, derive=_derive,
        defaults={
            **_DEFAULTS, "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 7680, "conv_L_cache": 7,
            "sliding_window": 256, "attention_bias": False,
        },
        style=replace(
            _STYLE, qkv=SEPARATE, qk_norm_names=("q_norm", "k_norm"), qkv_bias="attention_bias",
            out_bias="attention_bias", mixers=_three_mixers, windows=_three_windows, beside=_gate,
        ),
    ),
)  # fmt: skip

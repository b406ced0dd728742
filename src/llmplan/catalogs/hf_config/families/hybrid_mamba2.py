"""Mamba 2 alone, beside attention in one stack (Bamba, Granite 4), and beside attention in one layer (Falcon H1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from llmplan.catalogs.hf_config.blocks import MlpNames, mlp
from llmplan.catalogs.hf_config.families.hybrid_mamba1 import NO_BOUND, NO_LENGTH, PURE
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, Config
from llmplan.catalogs.hf_config.recurrent import mamba2
from llmplan.catalogs.hf_config.recurrent_keys import Mamba2Keys, mamba2_sizes
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Style
from llmplan.spec.model import DenseFeedForward, RecurrentMixer

_KEYS: Final = Mamba2Keys()
_FUSED: Final = MlpNames(gate="input_linear", up="input_linear", down="output_linear")
_RECURRENT_KINDS: Final = frozenset({"mamba", "linear_attention"})
_DEFAULTS: Final = {
    "tie_word_embeddings": False, "attention_bias": False, "mlp_bias": False, "mamba_n_heads": 128,
    "mamba_n_groups": 1, "mamba_d_state": 256, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_conv_bias": True,
    "mamba_proj_bias": False,
}  # fmt: skip


def _inside(config: Config, layer: str) -> RecurrentMixer:
    return mamba2(
        f"{layer}.mamba", config.hidden, mamba2_sizes(config, _KEYS), bias=config.flag("mamba_proj_bias"),
        conv_bias=config.flag("mamba_conv_bias", True),
    )  # fmt: skip


def _falcon(config: Config, layer: str) -> RecurrentMixer:
    """Falcon H1 states the width of the values apart from the model's; its gated norm is an option."""
    sizes = mamba2_sizes(config, replace(_KEYS, inner="mamba_d_ssm"))
    return mamba2(
        f"{layer}.mamba", config.hidden, sizes, bias=config.flag("mamba_proj_bias"),
        out_bias=config.flag("projectors_bias"), conv_bias=config.flag("mamba_conv_bias", True),
        gated_norm=config.flag("mamba_rms_norm"),
    )  # fmt: skip


def _alone(config: Config, layer: str) -> RecurrentMixer:
    keys = Mamba2Keys(
        heads="num_heads", groups="n_groups", state="state_size", head_dim="head_dim", taps="conv_kernel",
        expand="expand",
    )  # fmt: skip
    return mamba2(
        f"{layer}.mixer", config.hidden, mamba2_sizes(config, keys), bias=config.flag("use_bias"),
        conv_bias=config.flag("use_conv_bias", True),
    )  # fmt: skip


def _bamba_mixers(config: Config) -> tuple[LayerMixers, ...]:
    """The layers in `attn_layer_indices` have attention."""
    listed = config.items("attn_layer_indices") or ()
    return tuple(("attention",) if i in listed else ("recurrent",) for i in range(config.layers))


def _granite_mixers(config: Config) -> tuple[LayerMixers, ...]:
    """`layer_types`, under its present or its former name; without it every layer is a recurrence."""
    key = "layers_block_type" if config.items("layer_types") is None else "layer_types"
    kinds = config.items(key)
    if kinds is None:
        return (("recurrent",),) * config.layers
    config.demand_length(key, len(kinds))
    return tuple(
        ("recurrent",) if str(kind) in _RECURRENT_KINDS else ("attention",) for kind in kinds[: config.layers]
    )  # fmt: skip


def _granite_routed(config: Config) -> tuple[bool, ...]:
    """With no experts, the shared feed-forward is all there is."""
    return (config.integer("num_local_experts", low=0, high=MAX_EXPERTS) > 0,) * config.layers


def _shared_size(config: Config) -> int:
    return config.integer("shared_intermediate_size")


def _granite_dense(config: Config, layer: str) -> DenseFeedForward:
    size = _shared_size(config)
    return DenseFeedForward(
        intermediate_size=size, tensors=mlp(f"{layer}.shared_mlp", config.hidden, size, _FUSED)
    )  # fmt: skip


_BAMBA: Final = Style(
    qkv_bias="attention_bias", out_bias="attention_bias", norms=("input_layernorm", "pre_ff_layernorm"),
    final_norm="final_layernorm", mlp_path="feed_forward", mlp_bias="mlp_bias", mixers=_bamba_mixers,
    recurrent_of=_inside,
)  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("mamba2",), style=replace(PURE, recurrent_of=_alone), notes=(NO_LENGTH,),
        defaults={
            "tie_word_embeddings": False, "num_heads": 128, "head_dim": 64, "state_size": 128, "expand": 2,
            "conv_kernel": 4, "n_groups": 8, "use_bias": False, "use_conv_bias": True,
            **NO_BOUND,
        },
    ),
    Family(
        model_types=("bamba",), style=_BAMBA,
        defaults={**_DEFAULTS, "num_key_value_heads": 8, "max_position_embeddings": 262144},
    ),
    Family(
        model_types=("falcon_h1",),
        style=replace(_BAMBA, mixers=lambda config: (("attention", "recurrent"),) * config.layers,
                      recurrent_of=_falcon),
        defaults={
            **_DEFAULTS, "num_key_value_heads": 8, "max_position_embeddings": 8192, "mamba_d_ssm": 1024,
            "mamba_rms_norm": False, "projectors_bias": False,
        },
    ),
    Family(
        model_types=("granitemoehybrid",),
        defaults={
            **_DEFAULTS, "max_position_embeddings": 2048, "num_local_experts": 8, "num_experts_per_tok": 2,
            "shared_intermediate_size": 1024,
        },
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", mixers=_granite_mixers, recurrent_of=_inside,
            layer_kinds=_RECURRENT_KINDS | {"attention"}, dense_of=_granite_dense,
            moe=Moe(
                path="block_sparse_moe", router="router.layer", experts="", names=_FUSED, is_moe=_granite_routed,
                count_key="num_local_experts", size_key="intermediate_size", shared_path="shared_mlp",
                shared_names=_FUSED, shared_size=_shared_size, shared_beside=True,
            ),
        ),
    ),
)  # fmt: skip

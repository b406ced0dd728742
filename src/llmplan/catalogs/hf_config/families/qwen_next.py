"""Qwen3-Next, Qwen3.5 and later: layers of the gated delta rule beside some of gated attention; Lara Mini, too."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from llmplan.catalogs.hf_config.drafts import beside_the_layers
from llmplan.catalogs.hf_config.families.moe import sparse_step
from llmplan.catalogs.hf_config.normalize import MAX_TOKENS, Config
from llmplan.catalogs.hf_config.recurrent import gated_delta
from llmplan.catalogs.hf_config.recurrent_keys import delta_sizes, state_dtype
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Style
from llmplan.catalogs.hf_config.windows import Windows
from llmplan.spec.model import RecurrentMixer

_DEFAULTS: Final = {
    "tie_word_embeddings": False, "attention_bias": False, "head_dim": 256, "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 32,
    "max_position_embeddings": 32768,
}  # fmt: skip


def linear_layers(config: Config) -> tuple[LayerMixers, ...]:
    """`layer_types`, or every `full_attention_interval`-th layer has attention."""
    kinds = config.items("layer_types")
    if kinds is None:
        period = config.optional_integer("full_attention_interval", low=1) or 4
        return tuple(("recurrent",) if (i + 1) % period else ("attention",) for i in range(config.layers))
    return tuple(("recurrent",) if kind == "linear_attention" else ("attention",) for kind in kinds[: config.layers])


def _fused(config: Config, layer: str) -> RecurrentMixer:
    return gated_delta(f"{layer}.linear_attn", config.hidden, delta_sizes(config), fused=True)


def _separate(config: Config, layer: str) -> RecurrentMixer:
    """Qwen3.5 says of which type the state is."""
    return gated_delta(
        f"{layer}.linear_attn", config.hidden, delta_sizes(config), fused=False,
        state_dtype=state_dtype(config, "mamba_ssm_dtype"),
    )  # fmt: skip


_LARA: Final = ("recurrent", "sliding", "recurrent", "full", "sliding")
"""the kinds of Lara Mini's layers, repeated over the stack"""


def _lara_mixers(config: Config) -> tuple[LayerMixers, ...]:
    if config.has("layer_types"):
        return linear_layers(config)
    return tuple(
        ("recurrent",) if _LARA[i % len(_LARA)] == "recurrent" else ("attention",) for i in range(config.layers)
    )  # fmt: skip


def _lara_windows(config: Config) -> Windows:
    width, kinds = config.optional_integer("sliding_window", low=1, high=MAX_TOKENS), config.items("layer_types")
    if kinds is None:
        return tuple(width if _LARA[i % len(_LARA)] == "sliding" else None for i in range(config.layers))
    return tuple(width if kind == "sliding_attention" else None for kind in kinds[: config.layers])


def _one_projection(config: Config, layer: str) -> RecurrentMixer:
    """Lara Mini stores one input projection and calls the norm behind the rule `out_norm`."""
    path = f"{layer}.linear_attn"
    mixer = gated_delta(path, config.hidden, delta_sizes(config), fused=False)
    names = {f"{path}.in_proj_{part}.weight": f"{path}.in_proj.weight" for part in ("qkv", "z", "b", "a")}
    names[f"{path}.norm.weight"] = f"{path}.out_norm.weight"
    renamed = (replace(tensor, name=names.get(tensor.name, tensor.name)) for tensor in mixer.tensors)
    return replace(mixer, tensors=tuple(renamed))


def _shared_size(config: Config) -> int:
    return config.integer("shared_expert_intermediate_size")


_DENSE: Final = Style(
    qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", query_gate=True,
    layer_kinds=frozenset({"linear_attention"}), mixers=linear_layers, recurrent_of=_separate,
)  # fmt: skip
_MOE: Final = replace(
    _DENSE,
    moe=Moe(
        is_moe=sparse_step, shared_path="shared_expert", shared_gate="shared_expert_gate", shared_size=_shared_size
    ),
)

_32_BIT: Final = {"mamba_ssm_dtype": "float32"}
"""what every published Qwen3.5 states, for copies that leave it out"""
_ROUTED: Final = {
    **_DEFAULTS, "num_key_value_heads": 2, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512
}  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("qwen3_next",), style=replace(_MOE, recurrent_of=_fused), draft=beside_the_layers,
        defaults={**_ROUTED, "num_experts": 512, "num_experts_per_tok": 10},
    ),
    Family(
        model_types=("qwen3_5", "qwen3_5_text"), style=_DENSE, draft=beside_the_layers,
        defaults={**_DEFAULTS, **_32_BIT, "num_key_value_heads": 4},
    ),
    Family(
        model_types=("qwen3_5_moe", "qwen3_5_moe_text"), style=_MOE, draft=beside_the_layers,
        defaults={**_ROUTED, **_32_BIT, "num_experts": 256, "num_experts_per_tok": 8},
    ),
    Family(
        model_types=("lara_mini",),
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", mixers=_lara_mixers,
            layer_kinds=frozenset({"linear_attention"}), recurrent_of=_one_projection, windows=_lara_windows,
            moe=Moe(shared_path="shared_expert", shared_size=_shared_size),
        ),
        defaults={
            **_ROUTED, "tie_word_embeddings": True, "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128,
            "num_experts_per_tok": 4, "linear_num_key_heads": 8, "linear_num_value_heads": 16, "sliding_window": 512,
            "max_position_embeddings": 131072,
        },
    ),
)  # fmt: skip

"""Qwen3-Next, Qwen3.5 and later: three layers of the gated delta rule to one of gated full attention."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from llmplan.catalogs.hf_config.drafts import beside_the_layers
from llmplan.catalogs.hf_config.families.moe import sparse_step
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.recurrent import gated_delta
from llmplan.catalogs.hf_config.recurrent_keys import delta_sizes, state_dtype
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Style
from llmplan.spec.model import RecurrentMixer

_DEFAULTS: Final = {
    "tie_word_embeddings": False, "attention_bias": False, "head_dim": 256, "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 32,
}  # fmt: skip


def _mixers(config: Config) -> tuple[LayerMixers, ...]:
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


def _shared_size(config: Config) -> int:
    return config.integer("shared_expert_intermediate_size")


_DENSE: Final = Style(
    qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", query_gate=True,
    layer_kinds=frozenset({"linear_attention"}), mixers=_mixers, recurrent_of=_separate,
)  # fmt: skip
_MOE: Final = replace(
    _DENSE,
    moe=Moe(
        is_moe=sparse_step, shared_path="shared_expert", shared_gate="shared_expert_gate", shared_size=_shared_size
    ),
)

FAMILIES: Final = (
    Family(
        model_types=("qwen3_next",), style=replace(_MOE, recurrent_of=_fused), defaults=_DEFAULTS,
        draft=beside_the_layers,
    ),
    Family(model_types=("qwen3_5", "qwen3_5_text"), style=_DENSE, defaults=_DEFAULTS, draft=beside_the_layers),
    Family(
        model_types=("qwen3_5_moe", "qwen3_5_moe_text"), style=_MOE, defaults=_DEFAULTS, draft=beside_the_layers
    ),
)  # fmt: skip

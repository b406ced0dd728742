"""Mixtures of experts with grouped-query attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames
from llmplan.catalogs.hf_config.drafts import after_the_layers
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.catalogs.hf_config.windows import every, everywhere, from_layer

_UNTIED: Final = {"tie_word_embeddings": False}
_FUSED: Final = MlpNames(gate="gate_up_proj", up="gate_up_proj")
_MIXTRAL: Final = Moe(
    path="block_sparse_moe", count_key="num_local_experts", size_key="intermediate_size",
    names=MlpNames(gate="w1", up="w3", down="w2"),
)  # fmt: skip


def sparse_step(config: Config) -> tuple[bool, ...]:
    """Qwen: every `decoder_sparse_step`-th layer routes, but for those in `mlp_only_layers`."""
    step = config.optional_integer("decoder_sparse_step", low=1) or 1
    dense = config.items("mlp_only_layers") or ()
    return tuple(i not in dense and (i + 1) % step == 0 for i in range(config.layers))


def first_dense(config: Config) -> tuple[bool, ...]:
    """DeepSeek: the first `first_k_dense_replace` layers are dense, then every `moe_layer_freq`-th routes."""
    first = config.optional_integer("first_k_dense_replace") or 0
    step = config.optional_integer("moe_layer_freq", low=1) or 1
    return tuple(i >= first and i % step == 0 for i in range(config.layers))


def shared_experts(config: Config) -> int:
    """Shared experts are one MLP as wide as all of them together."""
    count = config.optional_integer("n_shared_experts") or 0
    return count * config.integer("moe_intermediate_size")


def _interleaved(config: Config) -> tuple[bool, ...]:
    """Llama 4: the listed layers route, else every `interleave_moe_layer_step`-th."""
    listed = config.items("moe_layers")
    if listed is not None:
        return tuple(i in listed for i in range(config.layers))
    step = config.optional_integer("interleave_moe_layer_step", low=1) or 1
    return tuple((i + 1) % step == 0 for i in range(config.layers))


_QWEN_MOE: Final = Moe(is_moe=sparse_step)
_QWEN3: Final = Style(
    qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", windows=from_layer, moe=_QWEN_MOE
)  # fmt: skip
_QWEN3_DEFAULTS: Final = {**_UNTIED, "attention_bias": False}
_GLM: Final = Style(
    qkv_bias="attention_bias", qk_norm="per_head", qk_norm_if="use_qk_norm",
    moe=Moe(
        count_key="n_routed_experts", score_bias="gate.e_score_correction_bias", is_moe=first_dense,
        shared_path="shared_experts", shared_size=shared_experts,
    ),
)  # fmt: skip


def _without_drafts(config: Config) -> Mapping[str, Any]:
    """MiniMax M2 states modules for drafting tokens that its checkpoints do not hold."""
    del config
    return {"num_mtp_modules": None}


FAMILIES: Final = (
    Family(
        model_types=("mixtral",), style=Style(moe=_MIXTRAL, windows=everywhere),
        defaults={**_UNTIED, "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2},
    ),
    Family(
        model_types=("phimoe",), defaults=_UNTIED,
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", norm_bias=True, head_bias="lm_head_bias",
            windows=everywhere, moe=_MIXTRAL,
        ),
    ),
    Family(
        model_types=("qwen2_moe",), defaults=_UNTIED,
        style=Style(
            qkv_bias=True, windows=from_layer,
            moe=replace(
                _QWEN_MOE, shared_path="shared_expert", shared_gate="shared_expert_gate",
                shared_size=lambda config: config.integer("shared_expert_intermediate_size"),
            ),
        ),
    ),
    Family(model_types=("qwen3_moe",), style=_QWEN3, defaults=_QWEN3_DEFAULTS),
    Family(
        model_types=("qwen3_vl_moe_text",), defaults={**_QWEN3_DEFAULTS, "head_dim": 128},
        style=replace(_QWEN3, moe=replace(_QWEN_MOE, experts="experts", names=_FUSED)),
    ),
    Family(
        model_types=("minimax_m2",), defaults={**_UNTIED, "use_qk_norm": True}, derive=_without_drafts,
        style=Style(
            qk_norm="full", qk_norm_if="use_qk_norm",
            moe=replace(_MIXTRAL, score_bias="e_score_correction_bias", router_dtype="fp32"),
        ),
    ),
    Family(
        model_types=("glm4_moe",), draft=after_the_layers, style=_GLM,
        defaults={**_UNTIED, "attention_bias": False, "use_qk_norm": False, "first_k_dense_replace": 1},
    ),
    Family(
        model_types=("gpt_oss",),
        defaults={**_UNTIED, "head_dim": 64, "sliding_window": 128, "attention_bias": True},
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", sinks="sinks", windows=every(2),
            moe=Moe(
                router="router", router_bias=True, experts="experts", names=_FUSED, bias=True,
                count_key="num_local_experts", size_key="intermediate_size",
            ),
        ),
    ),
    Family(
        model_types=("granitemoe",), defaults=_UNTIED,
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias",
            moe=Moe(
                path="block_sparse_moe", router="router.layer", experts="", count_key="num_local_experts",
                size_key="intermediate_size",
                names=MlpNames(gate="input_linear", up="input_linear", down="output_linear"),
            ),
        ),
    ),
    Family(
        model_types=("llama4_text",),
        defaults={**_UNTIED, "head_dim": 128, "attention_chunk_size": 8192, "num_experts_per_tok": 1},
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias",
            windows=every(4, key="attention_chunk_size", pattern_key="nope_layer_interval"), chunked=True,
            mlp_path="feed_forward", mlp_size=lambda config: config.integer("intermediate_size_mlp"),
            moe=Moe(
                path="feed_forward", router="router", experts="experts", names=_FUSED, is_moe=_interleaved,
                count_key="num_local_experts", size_key="intermediate_size", shared_path="shared_expert",
                shared_size=lambda config: config.integer("intermediate_size"),
            ),
        ),
    ),
)  # fmt: skip

"""Text decoders that only multimodal files have: GLM's, where a text-only model has the same layers otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from llmplan.catalogs.hf_config.blocks import MlpNames
from llmplan.catalogs.hf_config.families.moe import first_dense, shared_experts
from llmplan.catalogs.hf_config.style import Family, Moe, Style

_GLM: Final = Style(
    qkv_bias=True, mlp_names=MlpNames(gate="gate_up_proj", up="gate_up_proj"),
    norms=("input_layernorm", "post_attention_layernorm", "post_self_attn_layernorm", "post_mlp_layernorm"),
)  # fmt: skip
_UNTIED: Final = {"tie_word_embeddings": False}

FAMILIES: Final = (
    Family(model_types=("glm4v_text",), style=_GLM, defaults=_UNTIED),
    Family(model_types=("glm_ocr_text",), style=replace(_GLM, qkv_bias=False), defaults=_UNTIED),
    Family(
        model_types=("glm4v_moe_text",), defaults={**_UNTIED, "attention_bias": True},
        style=Style(
            qkv_bias="attention_bias", qk_norm="per_head", qk_norm_if="use_qk_norm",
            moe=Moe(
                count_key="n_routed_experts", score_bias="gate.e_score_correction_bias", is_moe=first_dense,
                shared_path="shared_experts", shared_size=shared_experts,
            ),
        ),
    ),
)  # fmt: skip

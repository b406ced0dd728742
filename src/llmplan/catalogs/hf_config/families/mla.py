"""Multi-head latent attention: DeepSeek V2 and V3 (R1, V3.1), Kimi K2, GLM-4.7-Flash."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from llmplan.catalogs.hf_config.drafts import after_the_layers
from llmplan.catalogs.hf_config.families.moe import first_dense, shared_experts
from llmplan.catalogs.hf_config.style import Family, Moe, Style

_MOE: Final = Moe(
    count_key="n_routed_experts", is_moe=first_dense, shared_path="shared_experts", shared_size=shared_experts
)  # fmt: skip
_STYLE: Final = Style(latent=True, qkv_bias="attention_bias", moe=_MOE)
_BALANCED: Final = replace(_STYLE, moe=replace(_MOE, score_bias="gate.e_score_correction_bias"))
_DEFAULTS: Final = {"tie_word_embeddings": False, "attention_bias": False, "q_lora_rank": 1536, "moe_layer_freq": 1}

FAMILIES: Final = (
    Family(model_types=("deepseek_v2",), style=_STYLE, defaults=_DEFAULTS),
    Family(model_types=("deepseek_v3", "kimi_k2"), style=_BALANCED, defaults=_DEFAULTS, draft=after_the_layers),
    Family(model_types=("glm4_moe_lite",), style=_BALANCED, defaults=_DEFAULTS, draft=after_the_layers),
)

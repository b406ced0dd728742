"""Every model type that can be read: an explicit, ordered list."""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.families import (
    classic,
    deepseek_v4,
    encoders,
    gated,
    gated_heads,
    gemma,
    gemma_n,
    hunyuan_4,
    hunyuan_moe,
    hybrid_cells,
    hybrid_indexed,
    hybrid_inkling,
    hybrid_kda,
    hybrid_lfm,
    hybrid_lightning,
    hybrid_mamba1,
    hybrid_mamba2,
    hybrid_nas,
    hybrid_nemotron,
    hybrid_others,
    hybrid_rwkv,
    hybrid_zamba,
    latent_moe,
    learned,
    llama,
    looped,
    mimo_v2,
    minimax,
    mla,
    mllama,
    modernbert_decoder,
    moe,
    moe_ernie,
    moe_named,
    moe_usual,
    plain,
    qwen_next,
    sparse_mla,
    vision_text,
)  # fmt: skip
from llmplan.catalogs.hf_config.style import Family
from llmplan.catalogs.hf_config.wrappers import WRAPPER_BY_TYPE

FAMILIES: Final[tuple[Family, ...]] = (
    *llama.FAMILIES,
    *gemma.FAMILIES,
    *gemma_n.FAMILIES,
    *mllama.FAMILIES,
    *vision_text.FAMILIES,
    *moe.FAMILIES,
    *moe_usual.FAMILIES,
    *moe_named.FAMILIES,
    *moe_ernie.FAMILIES,
    *mla.FAMILIES,
    *latent_moe.FAMILIES,
    *sparse_mla.FAMILIES,
    *hunyuan_4.FAMILIES,
    *hunyuan_moe.FAMILIES,
    *mimo_v2.FAMILIES,
    *deepseek_v4.FAMILIES,
    *minimax.FAMILIES,
    *gated_heads.FAMILIES,
    *qwen_next.FAMILIES,
    *hybrid_cells.FAMILIES,
    *hybrid_indexed.FAMILIES,
    *hybrid_inkling.FAMILIES,
    *hybrid_kda.FAMILIES,
    *hybrid_lfm.FAMILIES,
    *hybrid_lightning.FAMILIES,
    *hybrid_mamba1.FAMILIES,
    *hybrid_mamba2.FAMILIES,
    *hybrid_nas.FAMILIES,
    *hybrid_nemotron.FAMILIES,
    *hybrid_others.FAMILIES,
    *hybrid_rwkv.FAMILIES,
    *hybrid_zamba.FAMILIES,
    *classic.FAMILIES,
    *gated.FAMILIES,
    *plain.FAMILIES,
    *learned.FAMILIES,
    *encoders.FAMILIES,
    *looped.FAMILIES,
    *modernbert_decoder.FAMILIES,
)

BY_TYPE: Final = {model_type: family for family in FAMILIES for model_type in family.model_types}

TEXT_TYPES: Final = {
    "qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2", "qwen2_5_omni_text": "qwen2",
    "qwen3_omni_moe_text": "qwen3_moe", "paddleocr_vl_text": "ernie4_5", "glm46v_text": "glm4v_text",
}  # fmt: skip
"""decoder types inside a multimodal file that are another family under a second name"""


def known_types() -> tuple[str, ...]:
    """Every model type that a file may state, sorted."""
    return tuple(sorted({*BY_TYPE, *WRAPPER_BY_TYPE}))

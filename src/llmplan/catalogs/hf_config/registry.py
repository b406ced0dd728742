"""Every model type that can be read: an explicit, ordered list."""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.families import (
    classic,
    gated,
    gemma,
    hybrid_lfm,
    hybrid_mamba1,
    hybrid_mamba2,
    hybrid_nas,
    hybrid_nemotron,
    learned,
    llama,
    mla,
    moe,
    plain,
    qwen_next,
)  # fmt: skip
from llmplan.catalogs.hf_config.style import Family
from llmplan.catalogs.hf_config.wrappers import WRAPPER_BY_TYPE

FAMILIES: Final[tuple[Family, ...]] = (
    *llama.FAMILIES,
    *gemma.FAMILIES,
    *moe.FAMILIES,
    *mla.FAMILIES,
    *qwen_next.FAMILIES,
    *hybrid_lfm.FAMILIES,
    *hybrid_mamba1.FAMILIES,
    *hybrid_mamba2.FAMILIES,
    *hybrid_nas.FAMILIES,
    *hybrid_nemotron.FAMILIES,
    *classic.FAMILIES,
    *gated.FAMILIES,
    *plain.FAMILIES,
    *learned.FAMILIES,
)

BY_TYPE: Final = {model_type: family for family in FAMILIES for model_type in family.model_types}

TEXT_TYPES: Final = {"qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2"}
"""decoder types inside a multimodal file that are another family under a second name"""


def known_types() -> tuple[str, ...]:
    """Every model type that a file may state, sorted."""
    return tuple(sorted({*BY_TYPE, *WRAPPER_BY_TYPE}))

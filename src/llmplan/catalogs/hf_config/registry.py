"""Every model type that can be read: an explicit, ordered list, and the multimodal wrappers around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmplan.catalogs.hf_config.decoder import Family, Names
from llmplan.catalogs.hf_config.families import classic, gemma, llama, mla, moe

FAMILIES: Final[tuple[Family, ...]] = (
    *llama.FAMILIES,
    *gemma.FAMILIES,
    *moe.FAMILIES,
    *mla.FAMILIES,
    *classic.FAMILIES,
)


AS_TEXT: Final = Names()
"""paths as in a text-only checkpoint of the family"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """A multimodal model around a text decoder. Only the decoder is read, which a note then says.

    `text_type` is the decoder's model type where its part of the file does not say it.
    """

    model_type: str
    text_type: str
    names: Names = AS_TEXT


_PREFIXED: Final = Names(base="language_model.model", head="language_model.lm_head")
_INNER: Final = Names(base="model.language_model", head="lm_head")

WRAPPERS: Final[tuple[Wrapper, ...]] = (
    Wrapper(model_type="gemma3", text_type="gemma3_text", names=_PREFIXED),
    Wrapper(model_type="llama4", text_type="llama4_text", names=_PREFIXED),
    Wrapper(model_type="mistral3", text_type="mistral", names=_PREFIXED),
    Wrapper(model_type="ministral3", text_type="ministral3", names=_PREFIXED),
    Wrapper(model_type="qwen2_vl", text_type="qwen2"),
    Wrapper(model_type="qwen2_5_vl", text_type="qwen2"),
    Wrapper(model_type="qwen3_vl", text_type="qwen3_vl_text", names=_INNER),
    Wrapper(model_type="qwen3_vl_moe", text_type="qwen3_vl_moe_text", names=_INNER),
    Wrapper(model_type="kimi_k25", text_type="kimi_k2", names=_PREFIXED),
    Wrapper(model_type="llava", text_type="llama", names=_PREFIXED),
    Wrapper(model_type="phi3_v", text_type="phi3"),
)

BY_TYPE: Final = {model_type: family for family in FAMILIES for model_type in family.model_types}
WRAPPER_BY_TYPE: Final = {wrapper.model_type: wrapper for wrapper in WRAPPERS}

TEXT_TYPES: Final = {"qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2"}
"""decoder types inside a multimodal file that are another family under a second name"""


def known_types() -> tuple[str, ...]:
    """Every model type that a file may state, sorted."""
    return tuple(sorted({*BY_TYPE, *WRAPPER_BY_TYPE}))

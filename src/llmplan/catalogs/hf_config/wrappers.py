"""Multimodal models around a text decoder: where the decoder is, what its checkpoint calls it, and which encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.style import Names
from llmplan.spec.model import Tower

AS_TEXT: Final = Names()
"""paths as in a text-only checkpoint of the family"""

TowerReader: TypeAlias = Callable[[Config, Config], Tower]
"""builds an encoder from the keys around the decoder's part of the file and from the decoder's own"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """A multimodal model around a text decoder.

    `text_type` is the decoder's model type where its part of the file does not say it. `towers` are the encoders, by
    the part of the file that describes each; what is described and not listed is not counted, which a note then says.
    """

    model_type: str
    text_type: str
    names: Names = AS_TEXT
    towers: Mapping[str, TowerReader] = field(default_factory=dict)
    text_key: str = "text_config"
    inside: str | None = None
    """the part of the file that holds the decoder's and the encoders' parts, where it is not the file itself"""
    notes: tuple[str, ...] = ()


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
    Wrapper(model_type="qwen3_5", text_type="qwen3_5_text", names=_INNER),
    Wrapper(model_type="qwen3_5_moe", text_type="qwen3_5_moe_text", names=_INNER),
    Wrapper(model_type="kimi_k25", text_type="kimi_k2", names=_PREFIXED),
    Wrapper(model_type="llava", text_type="llama", names=_PREFIXED),
    Wrapper(model_type="phi3_v", text_type="phi3"),
)

WRAPPER_BY_TYPE: Final = {wrapper.model_type: wrapper for wrapper in WRAPPERS}

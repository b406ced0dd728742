"""Multimodal models around a text decoder: where the decoder is, what its checkpoint calls it, and which encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, TypeAlias

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

    `text_type` is the decoder's model type where its part of the file does not say it. `towers` names the reader of
    each encoder (see `tower_reader`) by the part of the file that describes it; what is described and not listed is
    not counted, which a note then says.
    """

    model_type: str
    text_type: str
    names: Names = AS_TEXT
    towers: Mapping[str, str] = field(default_factory=dict)
    text_key: str = "text_config"
    inside: str | None = None
    """the part of the file that holds the decoder's and the encoders' parts, where it is not the file itself"""
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """decoder's model type by the `version` that the file states, where that decides"""
    either_ties: bool = False
    """embedding and output are tied if the decoder's part says so, although the file around it says not"""


_PREFIXED: Final = Names(base="language_model.model", head="language_model.lm_head")
_INNER: Final = Names(base="model.language_model", head="lm_head")
_TEXT_MODEL: Final = Names(base="model.text_model", head="lm_head")
_BACKBONE: Final = Names(base="language_model.backbone", head="language_model.lm_head")
_LLM: Final = Names(base="llm.model", head="llm.lm_head")
_MINICPM_V: Final = {"2.5": "llama", "2.6": "qwen2", "4.0": "llama", "4.5": "qwen3"}
_THINKER: Final = Names(base="thinker.model", head="thinker.lm_head")
_THINKER_NOTE: Final = (
    "of a model that also speaks, the part that reads, listens and writes text: the engines load no more of it here"
)
_VISION: Final = "vision_config"
_AUDIO: Final = "audio_config"


def _sees(model_type: str, text_type: str, read: str, **more: Any) -> Wrapper:
    """A model with an encoder of images."""
    return Wrapper(model_type=model_type, text_type=text_type, towers={_VISION: read}, **more)


WRAPPERS: Final[tuple[Wrapper, ...]] = (
    _sees("gemma3", "gemma3_text", "llava.gemma3", names=_PREFIXED),
    _sees("shieldgemma2", "gemma3_text", "llava.gemma3", either_ties=True, names=_PREFIXED),
    Wrapper(
        model_type="gemma4",
        text_type="gemma4_text",
        names=_INNER,
        towers={_VISION: "gemma.gemma4_vision", _AUDIO: "gemma.gemma4_audio"},
    ),
    Wrapper(
        model_type="gemma3n",
        text_type="gemma3n_text",
        names=_INNER,
        towers={_VISION: "gemma3n.gemma3n_vision", _AUDIO: "gemma3n.gemma3n_audio"},
    ),
    Wrapper(
        model_type="gemma4_unified",
        text_type="gemma4_unified_text",
        names=_INNER,
        towers={_VISION: "gemma.unified_vision", _AUDIO: "gemma.unified_audio"},
    ),
    _sees("mllama", "mllama_text_model", "llama.mllama", names=_PREFIXED),
    _sees("llama4", "llama4_text", "llama.llama4", names=_PREFIXED),
    _sees("mistral3", "mistral", "llava.mistral3", names=_PREFIXED),
    _sees("ministral3", "ministral3", "llava.mistral3", names=_PREFIXED),
    _sees("lighton_ocr", "qwen3", "shuffled.lighton_ocr", names=_INNER),
    _sees("qwen2_vl", "qwen2", "qwen_vl.qwen2", either_ties=True),
    _sees("qwen2_5_vl", "qwen2", "qwen_vl.qwen25", either_ties=True),
    _sees("qwen3_vl", "qwen3_vl_text", "qwen_vl.qwen3", names=_INNER),
    _sees("qwen3_vl_moe", "qwen3_vl_moe_text", "qwen_vl.qwen3", names=_INNER),
    _sees("qwen3_5", "qwen3_5_text", "qwen_vl.qwen35", names=_INNER),
    _sees("qwen3_5_moe", "qwen3_5_moe_text", "qwen_vl.qwen35", names=_INNER),
    Wrapper(model_type="qwen2_audio", text_type="qwen2", names=_PREFIXED, towers={_AUDIO: "audio.qwen2_audio"}),
    Wrapper(
        model_type="qwen2_5_omni",
        text_type="qwen2_5_omni_text",
        names=_THINKER,
        inside="thinker_config",
        towers={_AUDIO: "audio.qwen25_omni", _VISION: "qwen_vl.qwen25_omni"},
        notes=(_THINKER_NOTE,),
    ),
    Wrapper(
        model_type="qwen3_omni_moe",
        text_type="qwen3_omni_moe_text",
        names=_THINKER,
        inside="thinker_config",
        towers={_AUDIO: "audio.qwen3_omni", _VISION: "qwen_vl.qwen3_omni"},
        notes=(_THINKER_NOTE,),
    ),
    Wrapper(model_type="qwen3_asr", text_type="qwen3", names=_INNER, towers={_AUDIO: "audio.qwen3_asr"}),
    Wrapper(model_type="voxtral", text_type="llama", names=_PREFIXED, towers={_AUDIO: "audio.voxtral"}),
    Wrapper(model_type="glm5_next", text_type="glm5_next_text", names=_INNER),
    Wrapper(model_type="qwen4_exp", text_type="qwen4_exp_text", names=_INNER),
    Wrapper(model_type="inkling_mm_model", text_type="inkling_text"),
    Wrapper(model_type="kimi_k3", text_type="kimi_linear", names=_PREFIXED),
    _sees("kimi_k25", "kimi_k2", "moonvit.kimi_k25", names=_PREFIXED),
    _sees("kimi_vl", "deepseek_v3", "moonvit.kimi_vl", names=_PREFIXED),
    _sees(
        "deepseek_vl_v2",
        "deepseek_v2",
        "deepseek_vl.deepseek_vl2",
        text_key="language_config",
        names=Names(base="language.model", head="language.lm_head"),
    ),
    _sees("minimax_m3_vl", "minimax_m3_vl_text", "minimax.minimax_m3", either_ties=True, names=_PREFIXED),
    _sees("step3p7", "step3p5", "intern.step3p7"),
    _sees("muse_glimmer", "muse_glimmer_text", "muse.muse", names=_INNER),
    Wrapper(model_type="muse_spark", text_type="muse_spark_text", names=_INNER),
    Wrapper(model_type="step3_vl", text_type="step3_text"),
    _sees("llava", "llama", "llava.llava", either_ties=True, names=_PREFIXED),
    _sees("llava_next", "llama", "llava.llava_next", names=_PREFIXED),
    _sees("llava_next_video", "llama", "llava.llava_next", either_ties=True, names=_PREFIXED),
    _sees("llava_onevision", "qwen2", "llava.llava_onevision", either_ties=True, names=_PREFIXED),
    _sees("vipllava", "llama", "llava.vip_llava", names=_PREFIXED),
    _sees("paligemma", "gemma", "llava.paligemma", names=_PREFIXED),
    Wrapper(model_type="phi3_v", text_type="phi3", towers={"img_processor": "phi.phi3_v"}),
    _sees("glm4v", "glm4v_text", "glm.glm4v", either_ties=True, names=_INNER),
    _sees("glm46v", "glm4v_text", "glm.glm4v", either_ties=True, names=_INNER),
    _sees("glm4v_moe", "glm4v_moe_text", "glm.glm4v", either_ties=True, names=_INNER),
    _sees("glm_ocr", "glm_ocr_text", "glm.glm_ocr", either_ties=True, names=_INNER),
    _sees("idefics2", "mistral", "shuffled.idefics2", names=_TEXT_MODEL),
    _sees("idefics3", "llama", "shuffled.idefics3", names=_TEXT_MODEL),
    _sees("smolvlm", "llama", "shuffled.idefics3", names=_TEXT_MODEL),
    _sees("aya_vision", "cohere2", "shuffled.aya_vision", names=_PREFIXED),
    _sees("cohere2_vision", "cohere2", "shuffled.cohere2_vision", names=_INNER),
    _sees("lfm2_vl", "lfm2", "shuffled.lfm2_vl", names=_INNER),
    _sees("internvl", "qwen2", "intern.internvl", names=_PREFIXED),
    _sees("internvl_chat", "qwen2", "intern.internvl_chat", text_key="llm_config", names=_PREFIXED),
    _sees("paddleocr_vl", "ernie4_5", "shuffled.paddleocr_vl", either_ties=True),
    _sees("video_llama_3", "qwen2", "shuffled.video_llama3", either_ties=True, names=_INNER),
    _sees("qianfan_ocr", "qwen3", "intern.qianfan_ocr", names=_INNER),
    _sees("aria", "aria_text", "aligned.aria", names=_PREFIXED),
    _sees("deepseek_vl", "llama", "aligned.deepseek_vl", names=_INNER),
    _sees("ovis2", "qwen2", "aligned.ovis2", names=_INNER),
    _sees("video_llava", "llama", "aligned.video_llava", names=_PREFIXED),
    _sees(
        "nemotron_h_omni",
        "nemotron_h",
        "aligned.nemotron_omni",
        names=_BACKBONE,
    ),
    _sees("lfm3_vl", "lfm3", "aligned.lfm3_vl", names=_INNER),
    _sees("exaone4_5", "exaone4", "qwen_vl.exaone45", names=_INNER),
    _sees("hyperclovax_vision_v2", "hyperclovax", "qwen_vl.hyperclovax", names=_INNER),
    _sees("minicpmv4_6", "qwen3_5_text", "minicpm.merged", names=_INNER),
    _sees("minicpmv4_7", "qwen3_5_text", "minicpm.merged", names=_INNER),
    _sees("minicpm_ocr", "qwen3_5_text", "minicpm.merged", names=_INNER),
    _sees("glmga", "glm4v_text", "glm.glm4v", either_ties=True, names=_INNER),
    _sees("minicpmv", "qwen2", "minicpm.resampled", names=_LLM, versions=_MINICPM_V),
    Wrapper(model_type="audioflamingo3", text_type="qwen2", names=_PREFIXED, towers={_AUDIO: "audio.audio_flamingo"}),
    Wrapper(model_type="musicflamingo", text_type="qwen2", names=_PREFIXED, towers={_AUDIO: "audio.audio_flamingo"}),
    Wrapper(
        model_type="granite_speech",
        text_type="granite",
        names=_PREFIXED,
        towers={"encoder_config": "granite_speech.granite_speech"},
    ),
    Wrapper(model_type="glmasr", text_type="llama", names=_PREFIXED, towers={_AUDIO: "audio.glm_asr"}),
    _sees("ernie4_5_moe_vl", "ernie4_5_vl_moe_text", "shuffled.ernie_vl"),
    _sees("ernie4_5_vl_moe", "ernie4_5_vl_moe_text", "shuffled.ernie_vl"),
)

WRAPPER_BY_TYPE: Final = {wrapper.model_type: wrapper for wrapper in WRAPPERS}


def tower_reader(name: str) -> TowerReader:
    """The reader that a wrapper names, `module.function` of `towers`; it is imported when it is asked for."""
    module, _, function = name.partition(".")
    read: TowerReader = getattr(import_module(f"{__package__}.towers.{module}"), function)
    return read

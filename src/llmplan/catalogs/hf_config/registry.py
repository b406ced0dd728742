"""Every model type that can be read, and the module of `families` that reads it, which is imported when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from llmplan.catalogs.hf_config.style import Family
from llmplan.catalogs.hf_config.wrappers import WRAPPER_BY_TYPE

MODULES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("llama", (
        "llama", "Yi", "aquila", "xverse", "telechat3", "TeleFLM", "iquestcoder", "internlm3", "mistral", "ministral",
        "ministral3", "qwen2", "mimo", "qwen3", "qwen3_vl_text", "smollm3", "hunyuan_v1_dense", "olmo2", "olmo3",
        "exaone4", "internlm", "baichuan", "minicpm", "internlm2", "phi3", "exaone", "chatglm", "qwen",
    )),
    ("gemma", ("gemma", "gemma2", "gemma3_text", "cohere")),
    ("gemma_n", ("gemma3n_text", "gemma4_text", "gemma4_unified_text")),
    ("mllama", ("mllama_text_model",)),
    ("vision_text", ("glm4v_text", "glm_ocr_text", "glm4v_moe_text")),
    ("moe", (
        "mixtral", "phimoe", "qwen2_moe", "qwen3_moe", "qwen3_vl_moe_text", "minimax_m2", "glm4_moe", "gpt_oss",
        "granitemoe", "llama4_text",
    )),
    ("moe_usual", (
        "olmoe", "flex_olmo", "deepseek", "dots1", "solar_open", "exaone_moe", "mellum", "granitemoeshared",
        "granitemoe_swa", "cohere2_moe", "flint", "aria_text",
    )),
    ("moe_named", ("afmoe", "beam", "kolibri1", "bailing_moe", "bailing_moe_v2", "sarvam_moe", "arctic", "dbrx")),
    ("moe_ernie", ("ernie4_5_moe", "ernie4_5_vl_moe_text")),
    ("mla", ("deepseek_v2", "deepseek_v3", "kimi_k2", "glm4_moe_lite", "minicpm3")),
    ("latent_moe", ("sarvam_mla", "axk1", "axk2", "youtu", "mistral4", "longcat_flash", "step3_text")),
    ("sparse_mla", ("deepseek_v32", "glm_moe_dsa")),
    ("hunyuan_4", ("hy_v4",)),
    ("hunyuan_moe", ("hunyuan_v1_moe", "hunyuan", "hy_v3")),
    ("mimo_v2", ("mimo_v2_flash", "mimo_v2")),
    ("deepseek_v4", ("deepseek_v4", "deepseek_ref")),
    ("minimax", ("minimax_m3", "minimax_m3_vl_text")),
    ("gated_heads", ("laguna", "step3p5", "step3p7", "muse_glimmer_text", "muse_spark_text")),
    ("qwen_next", ("qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text", "lara_mini")),
    ("hybrid_cells", ("xlstm", "zaya")),
    ("hybrid_indexed", ("glm5_next", "glm5_next_text", "qwen4_exp", "qwen4_exp_text")),
    ("hybrid_inkling", ("inkling_text", "inkling_model")),
    ("hybrid_kda", ("kimi_linear", "alice_ai")),
    ("hybrid_lfm", ("lfm2", "lfm2_moe", "lfm3")),
    ("hybrid_lightning", ("minimax", "minimax_text_01", "minimax_m1", "bailing_hybrid")),
    ("hybrid_mamba1", ("mamba", "falcon_mamba", "jamba")),
    ("hybrid_mamba2", ("mamba2", "bamba", "falcon_h1", "granitemoehybrid")),
    ("hybrid_nas", ("nemotron-nas", "deci")),
    ("hybrid_nemotron", ("nemotron_h", "nemotron_h_puzzle")),
    ("hybrid_others", ("olmo_hybrid", "recurrent_gemma", "plamo2")),
    ("hybrid_rwkv", ("rwkv", "rwkv5", "rwkv6", "rwkv7")),
    ("hybrid_zamba", ("zamba", "zamba2")),
    ("classic", (
        "gpt2", "gpt-sw3", "gpt_bigcode", "gpt_neox", "gptj", "mpt", "falcon", "RefinedWeb", "RefinedWebModel", "phi",
        "stablelm", "stablelm_epoch",
    )),
    ("gated", (
        "granite", "granite_swa", "hyperclovax", "helium", "seed_oss", "ernie4_5", "glm", "glm4", "cwm", "bitnet",
        "diffllama", "doge", "olmo", "vaultgemma", "cohere2", "orion", "solar", "step1", "telechat", "plamo3",
    )),
    ("plain", ("arcee", "apertus", "jais2", "nemotron", "nanochat", "starcoder2")),
    ("learned", ("opt", "biogpt", "xglm", "bloom", "gpt_neo", "codegen", "openai-gpt", "jais", "persimmon")),
    ("encoders", ("bert", "roberta", "xlm-roberta", "camembert", "modernbert", "nomic_bert", "new", "gte", "eurobert")),
    ("looped", ("iquestloopcoder", "dory")),
    ("modernbert_decoder", ("modernbert-decoder",)),
)  # fmt: skip
"""each module with the model types of its families, in their order"""

TEXT_TYPES: Final = {
    "qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2", "qwen2_5_omni_text": "qwen2",
    "qwen3_omni_moe_text": "qwen3_moe", "paddleocr_vl_text": "ernie4_5", "glm46v_text": "glm4v_text",
}  # fmt: skip
"""decoder types inside a multimodal file that are another family under a second name"""

_MODULE_OF: Final = {model_type: module for module, types in MODULES for model_type in types}


def is_text_type(model_type: str) -> bool:
    """Whether a family reads files of the type."""
    return model_type in _MODULE_OF


def family_of(model_type: str) -> Family | None:
    """The family that reads a decoder of the type; None: no family does."""
    wanted = TEXT_TYPES.get(model_type, model_type)
    module = _MODULE_OF.get(wanted)
    if module is None:
        return None
    return next(family for family in families_of(module) if wanted in family.model_types)


def families_of(module: str) -> tuple[Family, ...]:
    """The families of one module."""
    found: tuple[Family, ...] = import_module(f"{__package__}.families.{module}").FAMILIES
    return found


def families() -> tuple[Family, ...]:
    """Every family: imports them all."""
    return tuple(family for module, _ in MODULES for family in families_of(module))


def known_types() -> tuple[str, ...]:
    """Every model type that a file may state, sorted."""
    return tuple(sorted({*_MODULE_OF, *WRAPPER_BY_TYPE}))

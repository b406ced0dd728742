"""Sizes that a nested text decoder has where the file leaves them out.

A multimodal file is saved without the keys of its parts that equal the part's class default, so that an older
`text_config` may state no more than a vocabulary. A text-only file states its sizes: there a missing one is an error.
Values: the config classes of transformers 5.24.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final


def _sizes(
    hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int | None, vocabulary: int, context: int,
    **more: Any,
) -> Mapping[str, Any]:  # fmt: skip
    """The keys that every class has; `kv_heads` None: as many as heads."""
    found = {
        "hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers,
        "num_attention_heads": heads, "vocab_size": vocabulary, "max_position_embeddings": context, **more,
    }  # fmt: skip
    return found if kv_heads is None else {**found, "num_key_value_heads": kv_heads}


_EXPERTS: Final = {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768}

NESTED_DEFAULTS: Final[dict[str, Mapping[str, Any]]] = {
    "llama": _sizes(4096, 11008, 32, 32, None, 32000, 2048),
    "mistral": _sizes(4096, 14336, 32, 32, 8, 32000, 131072, sliding_window=4096),
    "mixtral": _sizes(4096, 14336, 32, 32, 8, 32000, 131072),
    "ministral3": _sizes(4096, 14336, 34, 32, 8, 131072, 262144, head_dim=128),
    "qwen2": _sizes(4096, 22016, 32, 32, 32, 151936, 32768),
    "qwen3": _sizes(4096, 22016, 32, 32, 32, 151936, 32768),
    "qwen3_moe": _sizes(2048, 6144, 24, 32, 4, 151936, 32768, **_EXPERTS),
    "qwen3_vl_text": _sizes(4096, 22016, 32, 32, 32, 151936, 128000),
    "qwen3_vl_moe_text": _sizes(
        2048, 5632, 24, 16, 16, 151936, 128000, num_experts=60, num_experts_per_tok=4, moe_intermediate_size=1408
    ),
    "qwen3_5_text": _sizes(4096, 12288, 32, 16, 4, 248320, 32768),
    "qwen3_5_moe_text": _sizes(
        2048, 5632, 40, 16, 2, 248320, 32768, num_experts=256, num_experts_per_tok=8, moe_intermediate_size=512,
        shared_expert_intermediate_size=512,
    ),
    "qwen2_5_omni_text": _sizes(3584, 18944, 28, 28, 4, 152064, 32768),
    "qwen3_omni_moe_text": _sizes(2048, 18944, 28, 28, 4, 3584, 32768, **_EXPERTS),
    "gemma": _sizes(3072, 24576, 28, 16, 16, 256000, 8192),
    "gemma2": _sizes(2304, 9216, 26, 8, 4, 256000, 8192),
    "gemma3_text": _sizes(2304, 9216, 26, 8, 4, 262208, 131072),
    "gemma3n_text": _sizes(2048, 16384, 35, 8, 2, 262400, 32768),
    "gemma4_text": _sizes(2304, 9216, 30, 8, 4, 262144, 131072),
    "gemma4_unified_text": _sizes(2304, 9216, 30, 8, 4, 262144, 262144),
    "phi3": _sizes(3072, 8192, 32, 32, None, 32064, 4096),
    "cohere": _sizes(8192, 22528, 40, 64, None, 256000, 8192),
    "cohere2": _sizes(8192, 22528, 40, 64, None, 256000, 8192, sliding_window=4096),
    "granite": _sizes(4096, 11008, 32, 32, None, 32000, 2048),
    "smollm3": _sizes(2048, 11008, 36, 16, 4, 128256, 32768),
    "lfm2": _sizes(2560, 12288, 32, 32, 8, 65536, 128000),
    "llama4_text": _sizes(5120, 8192, 48, 40, 8, 202048, 131072, intermediate_size_mlp=16384, num_local_experts=16),
    "mllama_text_model": _sizes(4096, 14336, 40, 32, 8, 128256, 131072),
    "deepseek_v3": _sizes(
        7168, 18432, 61, 128, 128, 129280, 4096, n_routed_experts=256, num_experts_per_tok=8,
        moe_intermediate_size=2048, n_shared_experts=1, first_k_dense_replace=3, kv_lora_rank=512, q_lora_rank=1536,
        qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128,
    ),
    "glm4": _sizes(4096, 13696, 40, 32, 2, 151552, 131072),
    "glm4v_text": _sizes(4096, 13696, 40, 32, 2, 151552, 32768),
    "glm_ocr_text": _sizes(1024, 4096, 16, 16, 8, 59392, 131072),
    "glm4v_moe_text": _sizes(
        4096, 10944, 46, 96, 8, 151424, 65536, n_routed_experts=128, num_experts_per_tok=8,
        moe_intermediate_size=1408, n_shared_experts=1, first_k_dense_replace=1,
    ),
    "ernie4_5": _sizes(1024, 3072, 18, 16, 2, 103424, 131072),
    "paddleocr_vl_text": _sizes(1024, 3072, 18, 16, 2, 103424, 131072, head_dim=128),
    "exaone4": _sizes(4096, 16384, 32, 32, 32, 102400, 2048),
    "muse_glimmer_text": _sizes(6656, 19968, 52, 32, 2, 202048, 131072),
}  # fmt: skip
"""decoder's model type -> keys and values"""

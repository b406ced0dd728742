"""Gemma 1 to 3 and Cohere: tied embeddings, large heads, interleaved windows."""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.style import Family, Style
from llmplan.catalogs.hf_config.windows import every

_FOUR_NORMS: Final = (
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm",
)  # fmt: skip
_TIED: Final = {"tie_word_embeddings": True}

FAMILIES: Final = (
    Family(
        model_types=("gemma",), style=Style(qkv_bias="attention_bias", out_bias="attention_bias"),
        defaults={
            **_TIED, "head_dim": 256, "num_key_value_heads": 16, "vocab_size": 256000, "max_position_embeddings": 8192,
        },
    ),
    Family(
        model_types=("gemma2",),
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", norms=_FOUR_NORMS,
            windows=every(2, pattern_key="_sliding_window_pattern"),
        ),
        defaults={
            **_TIED, "head_dim": 256, "num_key_value_heads": 4, "sliding_window": 4096, "vocab_size": 256000,
            "max_position_embeddings": 8192,
        },
    ),
    Family(
        model_types=("gemma3_text",), states_scaled_length=True,
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", norms=_FOUR_NORMS, qk_norm="per_head",
            windows=every(6), encoder="use_bidirectional_attention",
        ),
        defaults={
            **_TIED, "head_dim": 256, "sliding_window": 4096, "vocab_size": 262208, "num_attention_heads": 8,
            "num_key_value_heads": 4, "max_position_embeddings": 131072,
        },
    ),
    Family(
        model_types=("cohere",),
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", norms=("input_layernorm",), qk_norm="full",
            qk_norm_if="use_qk_norm",
        ),
        defaults={**_TIED, "use_qk_norm": False, "max_position_embeddings": 8192},
    ),
)  # fmt: skip

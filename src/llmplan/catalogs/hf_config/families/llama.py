"""Llama and the many that keep its layer: gated MLP, two RMS norms, rotary positions, optional biases and QK norms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames
from llmplan.catalogs.hf_config.drafts import Stacked
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.catalogs.hf_config.windows import every, everywhere, from_layer, full, without_rope

_MISTRAL: Final = Style(windows=everywhere)
_LLAMA: Final = Style(
    qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias", windows=everywhere
)  # fmt: skip
_QWEN3: Final = Style(
    qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", windows=from_layer
)  # fmt: skip
_POST_NORM: Final = ("post_attention_layernorm", "post_feedforward_layernorm")
_UNTIED: Final = {"tie_word_embeddings": False}
_TIED: Final = {"tie_word_embeddings": True}


def _chatglm(config: Config, style: Style) -> Style:
    """ChatGLM has two keys, either of which gives the query, key and value projections their bias."""
    return replace(style, qkv_bias=config.flag("add_bias_linear") or config.flag("add_qkv_bias"))


def _chatglm_heads(config: Config) -> Mapping[str, Any]:
    """Grouped KV heads only if `multi_query_attention`."""
    return {} if config.flag("multi_query_attention") else {"num_key_value_heads": config.heads}


def _any_experts(config: Config) -> tuple[bool, ...]:
    """Every layer routes if there are experts."""
    return (bool(config.optional_integer("num_experts")),) * config.layers


_MIMO_DRAFT: Final = Stacked(
    below="mtp_layers.{i}", embed_norm="token_layernorm", hidden_norm="hidden_layernorm", projection="input_proj",
    final="final_layernorm",
)  # fmt: skip
"""layers beside the decoder's; embedding and output matrix are the model's"""

FAMILIES: Final = (
    Family(
        model_types=("llama", "Yi", "aquila", "xverse", "telechat3", "TeleFLM"), style=_LLAMA,
        defaults={**_UNTIED, "max_position_embeddings": 2048},
    ),
    Family(
        model_types=("iquestcoder",), style=_LLAMA,
        defaults={**_UNTIED, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 131072},
    ),
    Family(
        model_types=("internlm3",), style=_LLAMA, aliases={"attention_bias": "qkv_bias", "mlp_bias": "bias"},
        defaults={**_UNTIED, "head_dim": 128, "num_key_value_heads": 2, "max_position_embeddings": 32768},
    ),
    Family(
        model_types=("mistral", "ministral"), style=_MISTRAL,
        defaults={
            **_UNTIED, "num_key_value_heads": 8, "sliding_window": 4096, "max_position_embeddings": 131072,
        },
    ),
    Family(
        model_types=("ministral3",), style=_MISTRAL,
        defaults={**_UNTIED, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 262144},
    ),
    Family(
        model_types=("qwen2",), style=Style(qkv_bias=True, windows=from_layer),
        defaults={**_UNTIED, "num_key_value_heads": 32, "sliding_window": 4096, "max_position_embeddings": 32768},
    ),
    Family(
        model_types=("mimo",), draft=_MIMO_DRAFT,
        style=Style(qkv_bias="attention_bias", windows=from_layer),
        defaults={**_UNTIED, "attention_bias": True, "num_key_value_heads": 32, "sliding_window": 4096},
    ),
    Family(
        model_types=("qwen3", "qwen3_vl_text"), style=_QWEN3,
        defaults={
            **_UNTIED, "head_dim": 128, "attention_bias": False, "num_key_value_heads": 32, "sliding_window": 4096,
            "max_position_embeddings": 32768,
        },
    ),
    Family(
        model_types=("smollm3",), style=replace(_LLAMA, windows=without_rope),
        defaults={**_TIED, "num_key_value_heads": 4, "max_position_embeddings": 32768},
    ),
    Family(
        model_types=("hunyuan_v1_dense",),
        style=replace(
            _LLAMA, mlp_bias=False, qk_norm="per_head", qk_norm_names=("query_layernorm", "key_layernorm")
        ),
        defaults={**_UNTIED, "max_position_embeddings": 2048},
    ),
    Family(
        model_types=("olmo2",), defaults={**_UNTIED, "max_position_embeddings": 2048},
        style=replace(_LLAMA, mlp_bias=False, qk_norm="full", norms=_POST_NORM),
    ),
    Family(
        model_types=("olmo3",), defaults={**_UNTIED, "sliding_window": 4096, "max_position_embeddings": 2048},
        style=replace(_LLAMA, mlp_bias=False, qk_norm="full", norms=_POST_NORM, windows=every(4)),
    ),
    Family(
        model_types=("exaone4",),
        defaults={
            **_UNTIED, "num_key_value_heads": 32, "sliding_window": 4096, "sliding_window_pattern": 4,
            "max_position_embeddings": 2048,
        },
        style=Style(qk_norm="per_head", norms=_POST_NORM, windows=every(4)),
    ),
    Family(
        model_types=("internlm",), style=Style(qkv_bias="bias", out_bias="bias"), defaults={**_UNTIED, "bias": True}
    ),
    Family(model_types=("baichuan",), style=Style(qkv=QkvNames(fused="W_pack")), defaults=_UNTIED),
    Family(
        model_types=("minicpm",), defaults={**_TIED, "max_position_embeddings": 2048},
        style=replace(
            _LLAMA,
            moe=Moe(
                names=MlpNames(gate="w1", up="w3", down="w2"), size_key="intermediate_size", is_moe=_any_experts
            ),
        ),
    ),
    Family(
        model_types=("internlm2",), defaults={**_UNTIED, "bias": False},
        style=Style(
            embed="tok_embeddings", head="output", attention="attention", mlp_path="feed_forward",
            qkv=QkvNames(fused="wqkv", out="wo"), qkv_bias="bias", out_bias="bias",
            mlp_names=MlpNames(gate="w1", up="w3", down="w2"), norms=("attention_norm", "ffn_norm"),
        ),
    ),
    Family(
        model_types=("phi3",), defaults={**_UNTIED, "max_position_embeddings": 4096},
        style=Style(
            qkv=QkvNames(fused="qkv_proj"), mlp_names=MlpNames(gate="gate_up_proj", up="gate_up_proj"),
            windows=everywhere,
        ),
    ),
    Family(
        model_types=("exaone",), aliases={"num_hidden_layers": "num_layers"},
        defaults={**_UNTIED, "num_key_value_heads": 8, "max_position_embeddings": 4096},
        style=Style(
            base="transformer", layers="h.{i}", embed="wte", final_norm="ln_f", norms=("ln_1", "ln_2"),
            attention="attn.attention", qkv=QkvNames(out="out_proj"),
            mlp_names=MlpNames(gate="c_fc_0", up="c_fc_1", down="c_proj"),
        ),
    ),
    Family(
        model_types=("chatglm",), variant=_chatglm, derive=_chatglm_heads,
        aliases={
            "num_hidden_layers": "num_layers", "intermediate_size": "ffn_hidden_size", "head_dim": "kv_channels",
            "num_key_value_heads": "multi_query_group_num", "vocab_size": "padded_vocab_size",
            "max_position_embeddings": "seq_length",
        },
        defaults=_UNTIED,
        style=Style(
            base="transformer", layers="encoder.layers.{i}", embed="embedding.word_embeddings",
            head="transformer.output_layer", final_norm="encoder.final_layernorm", attention="self_attention",
            qkv=QkvNames(fused="query_key_value", out="dense"), out_bias="add_bias_linear",
            mlp_names=MlpNames(gate="dense_h_to_4h", up="dense_h_to_4h", down="dense_4h_to_h"),
            mlp_bias="add_bias_linear",
        ),
    ),
    Family(
        model_types=("qwen",), defaults=_UNTIED, aliases={"head_dim": "kv_channels"},
        style=Style(
            base="transformer", layers="h.{i}", embed="wte", final_norm="ln_f", norms=("ln_1", "ln_2"),
            attention="attn", qkv=QkvNames(fused="c_attn", out="c_proj"), qkv_bias=True, windows=full,
            mlp_names=MlpNames(gate="w1", up="w2", down="c_proj"),
            mlp_size=lambda config: config.integer("intermediate_size") // 2,
        ),
    ),
)  # fmt: skip

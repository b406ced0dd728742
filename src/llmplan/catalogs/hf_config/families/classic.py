"""Decoders from before Llama: plain MLPs, layer norms with biases, learned positions, parallel attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.style import Family, Style

_TIED: Final = {"tie_word_embeddings": True}
_UNTIED: Final = {"tie_word_embeddings": False}
GPT2_KEYS: Final = {
    "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
    "intermediate_size": "n_inner", "max_position_embeddings": "n_positions",
}  # fmt: skip


def four_times(config: Config) -> int:
    """The MLP is four times as wide as the model unless stated."""
    stated = config.optional_integer("intermediate_size", low=1)
    return 4 * config.hidden if stated is None else stated


GPT2: Final = Style(
    base="transformer", layers="h.{i}", embed="wte", positions="wpe", final_norm="ln_f", norms=("ln_1", "ln_2"),
    position_rows=lambda config: config.integer("max_position_embeddings"), norm_bias=True,
    attention="attn", qkv=QkvNames(fused="c_attn", out="c_proj"), qkv_bias=True, out_bias=True,
    mlp_names=MlpNames(gate=None, up="c_fc", down="c_proj"), mlp_bias=True, mlp_size=four_times,
)  # fmt: skip


def _multi_query(config: Config) -> Mapping[str, Any]:
    """One KV head if `multi_query`."""
    return {"num_key_value_heads": 1} if config.flag("multi_query") else {}


def _falcon_heads(config: Config) -> Mapping[str, Any]:
    """The first Falcon has one KV head; the newer layer states how many."""
    if config.flag("new_decoder_architecture"):
        return {}
    return {"num_key_value_heads": 1 if config.flag("multi_query") else config.heads}


def _refined_web_heads(config: Config) -> Mapping[str, Any]:
    """Falcon before it was in `transformers`: more than one KV head means the newer layer."""
    newer = (config.optional_integer("num_key_value_heads", low=1) or 1) > 1
    if newer:
        return {"new_decoder_architecture": True}
    return {"num_key_value_heads": 1 if config.flag("multi_query", True) else config.heads}


def _stablelm(config: Config, style: Style) -> Style:
    """With a parallel residual, attention and MLP share a norm."""
    return replace(style, norms=("input_layernorm",)) if config.flag("use_parallel_residual") else style


def _falcon(config: Config, style: Style) -> Style:
    """One norm before each where attention and MLP follow each other; parallel ones share it, or have one each."""
    if not config.flag("parallel_attn", True):
        return replace(style, norms=("input_layernorm", "post_attention_layernorm"))
    usual = 2 if config.flag("new_decoder_architecture") else 1
    norms = config.optional_integer("num_ln_in_parallel_attn", low=1, high=2) or usual
    return replace(style, norms=("ln_attn", "ln_mlp")) if norms == 2 else style


_FALCON: Final = Style(
    base="transformer", layers="h.{i}", embed="word_embeddings", final_norm="ln_f",
    norms=("input_layernorm",), norm_bias=True, attention="self_attention",
    qkv=QkvNames(fused="query_key_value", out="dense"), qkv_bias="bias", out_bias="bias",
    mlp_names=MlpNames(gate=None, up="dense_h_to_4h", down="dense_4h_to_h"), mlp_bias="bias",
    mlp_size=lambda config: config.optional_integer("ffn_hidden_size", low=1) or 4 * config.hidden,
)  # fmt: skip
_FALCON_DEFAULTS: Final = {
    **_TIED, "bias": False, "max_position_embeddings": 2048, "multi_query": True, "parallel_attn": True,
}  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("gpt2", "gpt-sw3"), style=GPT2, aliases=GPT2_KEYS,
        defaults={**_TIED, "max_position_embeddings": 1024},
    ),
    Family(
        model_types=("gpt_bigcode",), style=GPT2, aliases=GPT2_KEYS,
        defaults={**_TIED, "multi_query": True, "max_position_embeddings": 1024}, derive=_multi_query,
    ),
    Family(
        model_types=("gpt_neox",),
        defaults={**_UNTIED, "attention_bias": True, "max_position_embeddings": 2048},
        style=Style(
            base="gpt_neox", head="embed_out", embed="embed_in", final_norm="final_layer_norm", norm_bias=True,
            attention="attention", qkv=QkvNames(fused="query_key_value", out="dense"),
            qkv_bias="attention_bias", out_bias="attention_bias",
            mlp_names=MlpNames(gate=None, up="dense_h_to_4h", down="dense_4h_to_h"), mlp_bias=True,
        ),
    ),
    Family(
        model_types=("gptj",), defaults={**_UNTIED, "max_position_embeddings": 2048}, aliases=GPT2_KEYS,
        style=Style(
            base="transformer", layers="h.{i}", embed="wte", final_norm="ln_f", norms=("ln_1",), norm_bias=True,
            attention="attn", qkv=QkvNames(out="out_proj"), mlp_bias=True, mlp_size=four_times,
            mlp_names=MlpNames(gate=None, up="fc_in", down="fc_out"), head_bias=True,
        ),
    ),
    Family(
        model_types=("mpt",), defaults={**_TIED, "max_position_embeddings": 2048},
        aliases={
            "hidden_size": "d_model", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads",
            "max_position_embeddings": "max_seq_len",
        },
        style=Style(
            base="transformer", layers="blocks.{i}", embed="wte", final_norm="norm_f", norms=("norm_1", "norm_2"),
            attention="attn", qkv=QkvNames(fused="Wqkv", out="out_proj"), mlp_path="ffn",
            mlp_names=MlpNames(gate=None, up="up_proj", down="down_proj"),
            mlp_size=lambda config: config.hidden * (config.optional_integer("expansion_ratio", low=1) or 4),
        ),
    ),
    Family(
        model_types=("falcon",), variant=_falcon, derive=_falcon_heads, style=_FALCON, defaults=_FALCON_DEFAULTS,
        aliases={"num_key_value_heads": "num_kv_heads"},
    ),
    Family(
        model_types=("RefinedWeb", "RefinedWebModel"), variant=_falcon, derive=_refined_web_heads, style=_FALCON,
        defaults=_FALCON_DEFAULTS,
        aliases={
            "num_key_value_heads": "n_head_kv", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
        },
    ),
    Family(
        model_types=("phi",), defaults={**_UNTIED, "max_position_embeddings": 2048},
        style=Style(
            final_norm="final_layernorm", norms=("input_layernorm",), norm_bias=True, qkv=QkvNames(out="dense"),
            qkv_bias=True, out_bias=True, mlp_names=MlpNames(gate=None, up="fc1", down="fc2"), mlp_bias=True,
            head_bias=True, qk_norm="per_head", qk_norm_if="qk_layernorm", qk_norm_bias=True,
            qk_norm_names=("q_layernorm", "k_layernorm"),
        ),
    ),
    Family(
        model_types=("stablelm", "stablelm_epoch"), variant=_stablelm,
        defaults={**_UNTIED, "use_qkv_bias": False, "num_key_value_heads": 32, "max_position_embeddings": 4096},
        style=Style(
            qkv_bias="use_qkv_bias", norm_bias=True, qk_norm="full", qk_norm_if="qk_layernorm",
            qk_norm_names=("q_layernorm", "k_layernorm"),
        ),
    ),
)  # fmt: skip

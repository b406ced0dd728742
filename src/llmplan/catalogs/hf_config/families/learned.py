"""Decoders of 2019 to 2022 beside GPT-2 and its kin: OPT, BLOOM, GPT-Neo, CodeGen, XGLM, BioGPT, Persimmon, GPT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, linear, norm
from llmplan.catalogs.hf_config.families.classic import GPT2, GPT2_KEYS, four_times
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.style import Family, Style
from llmplan.spec.model import Shard, Tensor

_TIED: Final = {"tie_word_embeddings": True}
_UNTIED: Final = {"tie_word_embeddings": False}
_FAIRSEQ_OFFSET: Final = 2
"""rows of a position table before the first position, as fairseq pads it"""
_FC: Final = MlpNames(gate=None, up="fc1", down="fc2")
_H_4H: Final = MlpNames(gate=None, up="dense_h_to_4h", down="dense_4h_to_h")


def _after_offset(config: Config) -> int:
    return config.integer("max_position_embeddings") + _FAIRSEQ_OFFSET


_FAIRSEQ: Final = Style(
    qkv=QkvNames(out="out_proj"), qkv_bias=True, out_bias=True, mlp_path="", mlp_names=_FC, mlp_bias=True,
    norms=("self_attn_layer_norm", "final_layer_norm"), norm_bias=True, final_norm="layer_norm",
)  # fmt: skip


def _opt_width(config: Config) -> int:
    """Width of OPT's token embedding: its own, or the model's."""
    return config.optional_integer("word_embed_proj_dim", low=1) or config.hidden


def _opt_projections(config: Config, base: str) -> Iterator[Tensor]:
    """OPT 350m: from the embedding's width to the model's and back."""
    width = _opt_width(config)
    if width != config.hidden:
        yield from linear(f"{base}.project_out", width, config.hidden, Shard.REPLICATED)
        yield from linear(f"{base}.project_in", config.hidden, width, Shard.REPLICATED)


def _opt(config: Config, style: Style) -> Style:
    """No norm behind the last layer where norms stand behind attention and MLP (350m), or where it was removed."""
    if not config.flag("layer_norm_elementwise_affine", True):
        return replace(style, norms=(), final_norm=None)
    ends = config.flag("do_layer_norm_before", True) and not config.flag("_remove_final_layer_norm")
    return style if ends else replace(style, final_norm=None)


def _bloom_norm(config: Config, base: str) -> Iterator[Tensor]:
    """BLOOM's norm of the token embedding."""
    yield from norm(f"{base}.word_embeddings_layernorm", config.hidden, bias=True)


def _swiglu(config: Config, style: Style) -> Style:
    """Jais: ALiBi has no position table, SwiGLU a second matrix beside `c_fc`."""
    if config.values.get("position_embedding_type", "learned") != "learned":
        style = replace(style, positions=None)
    if config.values.get("activation_function") == "swiglu":
        style = replace(style, mlp_names=MlpNames(gate="c_fc2", up="c_fc", down="c_proj"))
    return style


def _persimmon_heads(config: Config) -> Mapping[str, Any]:
    """Every query head has its keys and values."""
    return {"num_key_value_heads": config.heads}


FAMILIES: Final = (
    Family(
        model_types=("opt",), variant=_opt, aliases={"intermediate_size": "ffn_dim"},
        defaults={**_TIED, "enable_bias": True, "max_position_embeddings": 2048},
        style=replace(
            _FAIRSEQ, base="model.decoder", final_norm="final_layer_norm", positions="embed_positions",
            position_rows=_after_offset, qkv_bias="enable_bias", out_bias="enable_bias", mlp_bias="enable_bias",
            embed_width=_opt_width, extra_globals=_opt_projections,
        ),
    ),
    Family(
        model_types=("biogpt",), defaults={**_TIED, "max_position_embeddings": 1024},
        style=replace(_FAIRSEQ, base="biogpt", head="output_projection", positions="embed_positions",
                      position_rows=_after_offset),
    ),
    Family(
        model_types=("xglm",), style=_FAIRSEQ, defaults={**_TIED, "max_position_embeddings": 2048},
        aliases={
            "hidden_size": "d_model", "num_hidden_layers": "num_layers", "num_attention_heads": "attention_heads",
            "intermediate_size": "ffn_dim",
        },
    ),
    Family(
        model_types=("bloom",), defaults={**_TIED, "max_position_embeddings": 2048},
        aliases={
            "hidden_size": "n_embed", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
            "max_position_embeddings": "seq_length",
        },
        style=Style(
            base="transformer", layers="h.{i}", embed="word_embeddings", extra_globals=_bloom_norm, final_norm="ln_f",
            norm_bias=True, attention="self_attention", qkv=QkvNames(fused="query_key_value", out="dense"),
            qkv_bias=True, out_bias=True, mlp_names=_H_4H, mlp_bias=True, mlp_size=lambda config: 4 * config.hidden,
        ),
    ),
    Family(
        model_types=("gpt_neo",), defaults={**_TIED, "max_position_embeddings": 2048},
        aliases={"num_hidden_layers": "num_layers", "num_attention_heads": "num_heads"},
        style=replace(GPT2, attention="attn.attention", qkv=QkvNames(out="out_proj"), qkv_bias=False),
    ),
    Family(
        model_types=("codegen",), aliases=GPT2_KEYS, defaults={**_UNTIED, "max_position_embeddings": 2048},
        style=Style(
            base="transformer", layers="h.{i}", embed="wte", final_norm="ln_f", norms=("ln_1",), norm_bias=True,
            attention="attn", qkv=QkvNames(fused="qkv_proj", out="out_proj"), mlp_bias=True, mlp_size=four_times,
            mlp_names=MlpNames(gate=None, up="fc_in", down="fc_out"), head_bias=True,
        ),
    ),
    Family(
        model_types=("openai-gpt",), aliases=GPT2_KEYS, defaults={**_TIED, "max_position_embeddings": 512},
        style=replace(GPT2, embed="tokens_embed", positions="positions_embed", final_norm=None),
    ),
    Family(
        model_types=("jais",), aliases=GPT2_KEYS, variant=_swiglu, style=GPT2,
        defaults={**_TIED, "max_position_embeddings": 1024},
    ),
    Family(
        model_types=("persimmon",), derive=_persimmon_heads,
        defaults={**_UNTIED, "qk_layernorm": True, "max_position_embeddings": 16384},
        style=Style(
            qkv=QkvNames(fused="query_key_value", out="dense"), qkv_bias=True, out_bias=True, mlp_names=_H_4H,
            mlp_bias=True, norm_bias=True, final_norm="final_layernorm", qk_norm="per_head", qk_norm_if="qk_layernorm",
            qk_norm_names=("q_layernorm", "k_layernorm"), qk_norm_bias=True,
        ),
    ),
)  # fmt: skip

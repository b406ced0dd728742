"""ModernBERT as a decoder (Ettin): its layer with causal attention, a window in two of three layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, linear, norm
from llmplan.catalogs.hf_config.normalize import MAX_TOKENS, Config
from llmplan.catalogs.hf_config.style import Family, Style
from llmplan.catalogs.hf_config.windows import Windows, layer_types
from llmplan.spec.model import Shard, Tensor, TensorRole

_LOCAL: Final = 128
_GLOBAL_EVERY: Final = 3


def _windows(config: Config) -> Windows:
    """Half of `local_attention` is behind a token; every `global_attn_every_n_layers`-th layer sees all."""
    stated = config.optional_integer("local_attention", low=2, high=MAX_TOKENS)
    width = (_LOCAL if stated is None else stated) // 2
    kinds = layer_types(config)
    if kinds is not None:
        return tuple(width if kind == "sliding_attention" else None for kind in kinds)
    period = config.optional_integer("global_attn_every_n_layers", low=1) or _GLOBAL_EVERY
    return tuple(width if i % period else None for i in range(config.layers))


def _first_layer(config: Config, style: Style) -> Style:
    """The first layer takes the embedding's norm for its own."""
    return replace(style, norms=style.norms[1:]) if config.flag("first_layer") else style


def _outside(config: Config, base: str) -> Iterator[Tensor]:
    """A norm behind the embedding, a layer and a norm before the output, which is the embedding with a bias."""
    bias, hidden = config.flag("norm_bias"), config.hidden
    yield from norm(f"{base}.embeddings.norm", hidden, bias=bias)
    yield from linear(
        "lm_head.dense", hidden, hidden, Shard.REPLICATED, bias=config.flag("classifier_bias"), role=TensorRole.OTHER
    )  # fmt: skip
    yield from norm("lm_head.norm", hidden, bias=bias)


FAMILIES: Final = (
    Family(
        model_types=("modernbert-decoder",),
        defaults={"tie_word_embeddings": True, "decoder_bias": True, "max_position_embeddings": 8192},
        style=Style(
            head="decoder", head_bias="decoder_bias", embed="embeddings.tok_embeddings", attention="attn",
            windows=_windows, qkv=QkvNames(out="Wo"), qkv_bias="attention_bias", out_bias="attention_bias",
            norms=("attn_norm", "mlp_norm"), norm_bias="norm_bias", mlp_names=MlpNames(gate="Wi", up="Wi", down="Wo"),
            mlp_bias="mlp_bias", final_norm="final_norm", extra_globals=_outside,
            at_layer=lambda config, i: {"first_layer": i == 0}, vary=_first_layer,
        ),
    ),
)  # fmt: skip

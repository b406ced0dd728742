"""Llama 3.2 Vision's decoder: Llama with gated layers that attend to the image instead of the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import SEPARATE, Heads, gqa, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.style import Family, Style
from llmplan.spec.model import GqaAttention, Shard, Tensor, TensorRole

_DEFAULT_LAYERS: Final = (3, 8, 13, 18, 23, 28, 33, 38)
FURTHER_ROWS: Final = 8
"""rows of the embedding beyond the vocabulary: the image token and seven spare ones"""


def _layer(config: Config, index: int) -> Mapping[str, Any]:
    listed = config.items("cross_attention_layers")
    return {"cross_attention": True} if index in (_DEFAULT_LAYERS if listed is None else listed) else {}


def _attention(config: Config, layer: str, window: int | None) -> GqaAttention:
    """Attention to the text, or to the image with norms of queries and keys: that keeps nothing per token."""
    heads = Heads(query=config.heads, kv=config.kv_heads, dim=config.head_dim)
    if not config.flag("cross_attention"):
        return gqa(f"{layer}.self_attn", config.hidden, heads, names=SEPARATE, window=window)
    path = f"{layer}.cross_attn"
    norms = (*norm(f"{path}.q_norm", heads.dim), *norm(f"{path}.k_norm", heads.dim))
    return replace(gqa(path, config.hidden, heads, names=SEPARATE, extra=norms), cross=True)


def _gates(config: Config, layer: str) -> Iterator[Tensor]:
    if config.flag("cross_attention"):
        for name in ("cross_attn_attn_gate", "cross_attn_mlp_gate"):
            yield Tensor(name=f"{layer}.{name}", shape=(1,), role=TensorRole.OTHER, shard=Shard.REPLICATED)


def _further_rows(config: Config, base: str) -> Iterator[Tensor]:
    """The embedding's rows that the output has not."""
    yield Tensor(
        name=f"{base}.embed_tokens.weight", shape=(FURTHER_ROWS, config.hidden), role=TensorRole.EMBED,
        shard=Shard.REPLICATED,
    )  # fmt: skip


FAMILIES: Final = (
    Family(
        model_types=("mllama_text_model",), defaults={"tie_word_embeddings": False},
        style=Style(attention_of=_attention, at_layer=_layer, extra=_gates, extra_globals=_further_rows),
    ),
)  # fmt: skip

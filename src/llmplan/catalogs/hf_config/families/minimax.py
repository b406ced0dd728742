"""MiniMax M3: grouped-query attention to blocks of tokens that an indexer chooses, dense first layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import SEPARATE, Heads, MlpNames, gqa, linear, norm
from llmplan.catalogs.hf_config.drafts import Stacked
from llmplan.catalogs.hf_config.families.moe import first_dense
from llmplan.catalogs.hf_config.layer_lists import by_mlp_layer_types, listed, ones_of
from llmplan.catalogs.hf_config.normalize import MAX_TOKENS, Config
from llmplan.catalogs.hf_config.sparse import indexer_sizes
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.spec.model import GqaAttention, Shard

_SPARSE: Final = "minimax_m3_sparse"
_FLAT: Final = {
    "index_n_heads": "sparse_num_index_heads", "index_head_dim": "sparse_index_dim",
    "index_block_size": "sparse_block_size", "index_topk_blocks": "sparse_topk_blocks",
}  # fmt: skip


def _nested(config: Config) -> Mapping[str, Any]:
    """The keys of `sparse_attention_config`, which the class takes over its own."""
    nested = config.mapping("sparse_attention_config")
    found = {name: nested[key] for name, key in _FLAT.items() if nested.get(key) is not None}
    frequencies = nested.get("sparse_attention_freq")
    return found if frequencies is None else {**found, "sparse_attention_freq": frequencies}


def _sparse_layers(config: Config) -> tuple[bool, ...]:
    kinds = listed(config, "layer_types")
    if kinds is not None:
        return tuple(kind == _SPARSE for kind in kinds)
    if not config.has("sparse_attention_freq"):
        return (False,) * config.layers
    return ones_of("sparse_attention_freq", lambda config: (False,) * config.layers)(config)


def _at_layer(config: Config, layer: int) -> Mapping[str, Any]:
    return {"sparse_attention": _sparse_layers(config)[layer]}


def _attention(config: Config, layer: str, window: int | None) -> GqaAttention:
    """The index keeps 16-bit keys; its queries are cut as KV heads are. Layers for drafting are sparse."""
    path, hidden, heads = f"{layer}.self_attn", config.hidden, Heads(
        query=config.heads, kv=config.kv_heads, dim=config.head_dim
    )  # fmt: skip
    norms = (*norm(f"{path}.q_norm", heads.dim), *norm(f"{path}.k_norm", heads.dim))
    plain = gqa(path, hidden, heads, names=SEPARATE, window=window, extra=norms)
    if not config.flag("sparse_attention", default=True):
        return plain
    indexer = replace(indexer_sizes(config), key_bytes=2)
    blocks = config.integer("index_topk_blocks", high=MAX_TOKENS)
    tokens = blocks * config.integer("index_block_size", high=MAX_TOKENS)
    index = (
        *linear(f"{path}.index_q_proj", indexer.heads * indexer.head_dim, hidden, Shard.KV_COLUMN),
        *linear(f"{path}.index_k_proj", indexer.head_dim, hidden, Shard.REPLICATED),
        *norm(f"{path}.index_q_norm", indexer.head_dim),
        *norm(f"{path}.index_k_norm", indexer.head_dim),
    )
    return replace(plain, indexer=indexer, selected_tokens=tokens, tensors=(*plain.tensors, *index))


def _shared(config: Config) -> int:
    return config.integer("shared_intermediate_size")


_DRAFT: Final = Stacked(
    count_key="num_mtp_modules", below="mtp.layers.{i}", block="transformer_layer", final="final_layernorm"
)
"""routed layers of sparse attention; embedding and output matrix are the model's"""

_STYLE: Final = Style(
    attention_of=_attention, at_layer=_at_layer, layer_kinds=frozenset({_SPARSE}),
    mlp_size=lambda config: config.integer("dense_intermediate_size"),
    moe=Moe(
        path="block_sparse_moe", count_key="num_local_experts", size_key="intermediate_size",
        names=MlpNames(gate="w1", up="w3", down="w2"), score_bias="e_score_correction_bias",
        shared_path="shared_experts", shared_size=_shared,
        is_moe=by_mlp_layer_types(ones_of("moe_layer_freq", first_dense)),
    ),
)  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("minimax_m3", "minimax_m3_vl_text"), style=_STYLE, derive=_nested, draft=_DRAFT,
        defaults={
            "tie_word_embeddings": False, "head_dim": 128, "num_local_experts": 128, "num_experts_per_tok": 4,
            "dense_intermediate_size": 12288, "shared_intermediate_size": 3072, "index_n_heads": 4,
            "index_head_dim": 128, "index_block_size": 128, "index_topk_blocks": 16,
        },
    ),
)  # fmt: skip

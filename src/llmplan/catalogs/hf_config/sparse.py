"""Sparse attention: latent or grouped-query attention that attends to the tokens an indexer chooses.

Engines keep the whole indexer on every rank. Its scoring weights are a small linear that no checkpoint quantizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmplan.catalogs.hf_config.blocks import linear, mla, norm
from llmplan.catalogs.hf_config.decoder import latent_sizes
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, MAX_TOKENS, Config
from llmplan.spec.model import Indexer, MlaAttention, Shard, Tensor, TensorRole


def indexer_sizes(config: Config) -> Indexer:
    """Keys: `index_n_heads`, `index_head_dim`."""
    return Indexer(heads=config.integer("index_n_heads", high=MAX_HEADS), head_dim=config.integer("index_head_dim"))


def small(path: str, out: int, inputs: int) -> Tensor:
    """A linear that is on every rank and kept in the model's own type."""
    return Tensor(
        name=f"{path}.weight", shape=(out, inputs), role=TensorRole.ROUTER, shard=Shard.REPLICATED
    )  # fmt: skip


def dsa_indexer(path: str, hidden: int, q_rank: int, indexer: Indexer) -> Iterator[Tensor]:
    """DeepSeek V3.2's indexer: queries from the compressed query, one key for all heads, a weight per head."""
    heads, dim = indexer.heads, indexer.head_dim
    yield from linear(f"{path}.wq_b", heads * dim, q_rank, Shard.REPLICATED)
    yield from linear(f"{path}.wk", dim, hidden, Shard.REPLICATED)
    yield from norm(f"{path}.k_norm", dim, bias=True)
    yield small(f"{path}.weights_proj", heads, hidden)


def sparse_mla(config: Config, layer: str, window: int | None) -> MlaAttention:
    """Latent attention to the `index_topk` tokens that the layer's indexer, or an earlier layer's, has chosen.

    A layer with `shared_indexer` has none of its own, and no index.
    """
    del window
    path, sizes = f"{layer}.self_attn", latent_sizes(config)
    plain = mla(path, config.hidden, sizes, bias=config.flag("attention_bias"))
    chosen = config.integer("index_topk", high=MAX_TOKENS)
    if config.flag("shared_indexer"):
        return replace(plain, selected_tokens=chosen)
    if sizes.q_rank is None:
        raise config.fail("q_lora_rank", "missing; the indexer takes its queries from the compressed query")
    indexer = indexer_sizes(config)
    tensors = dsa_indexer(f"{path}.indexer", config.hidden, sizes.q_rank, indexer)
    return replace(plain, selected_tokens=chosen, indexer=indexer, tensors=(*plain.tensors, *tensors))

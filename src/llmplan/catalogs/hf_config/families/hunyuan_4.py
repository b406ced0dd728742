"""Hunyuan 4: gated latent attention with sinks and a shared index, and hyper-connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, linear
from llmplan.catalogs.hf_config.drafts import Stacked
from llmplan.catalogs.hf_config.families.moe import first_dense, shared_experts
from llmplan.catalogs.hf_config.families.sparse_mla import INDEXED, experts_under_either_name, shares_index
from llmplan.catalogs.hf_config.layer_lists import by_mlp_layer_types
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.sparse import sparse_mla
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.spec.model import MlaAttention, Shard, Tensor, TensorRole

_NAMES: Final = MlpNames(gate="linear_gate")
_FUSED: Final = MlpNames(gate="gate_up_proj", up="gate_up_proj")


def _attention(config: Config, layer: str, window: int | None) -> MlaAttention:
    """Layers for drafting attend to everything and have no index."""
    sparse = config.flag("in_the_stack")
    if not sparse:
        config = replace(config, values={**config.values, "shared_indexer": True})
    found = sparse_mla(config, layer, window)
    path, width = f"{layer}.self_attn", config.derived("v_head_dim", config.heads * config.integer("v_head_dim"))
    sinks = Tensor(
        name=f"{path}.learnable_sink_param", shape=(config.heads,), role=TensorRole.OTHER, shard=Shard.COLUMN,
        dtype="fp32",
    )  # fmt: skip
    return replace(
        found, selected_tokens=found.selected_tokens if sparse else None,
        tensors=(*found.tensors, *linear(f"{path}.linear_gate", width, config.hidden, Shard.COLUMN), sinks),
    )  # fmt: skip


def _fp32(path: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name=path, shape=shape, role=TensorRole.OTHER, shard=Shard.REPLICATED, dtype="fp32")


def _streams(config: Config) -> int:
    return config.integer("hc_mult", high=64)


def _hyper_connections(config: Config, layer: str) -> Iterator[Tensor]:
    """What mixes all streams before attention and experts, and back behind them; not in layers for drafting."""
    if not config.flag("in_the_stack"):
        return
    streams = _streams(config)
    for block in ("attn", "mlp"):
        path = f"{layer}.hc_pre.hc_{block}_layer"
        yield _fp32(f"{path}.hc_fn", (2 * streams, streams * config.hidden))
        yield _fp32(f"{path}.hc_base", (2 * streams,))
        yield _fp32(f"{path}.hc_scale", (2,))


def _stream_head(config: Config, base: str) -> Iterator[Tensor]:
    path, streams = f"{base}.hc_pre.hc_head", _streams(config)
    yield _fp32(f"{path}.hc_head_fn", (streams, streams * config.hidden))
    yield _fp32(f"{path}.hc_head_base", (streams,))
    yield _fp32(f"{path}.hc_head_scale", (1,))


def _at_layer(config: Config, layer: int) -> Mapping[str, Any]:
    """Without `indexer_types` the first layer and every fourth from the second have an index."""
    shared = shares_index(config, layer) if config.has("indexer_types") else layer > 0 and (layer - 1) % 4 != 0
    return {"in_the_stack": True, "shared_indexer": shared}


def _outside(config: Config) -> Mapping[str, Any]:
    return {**experts_under_either_name(config), "in_the_stack": False}


FAMILIES: Final = (
    Family(
        model_types=("hy_v4",), derive=_outside, draft=Stacked(below="mtp_layers.{i}", final="final_layernorm"),
        style=Style(
            latent=True, qkv_bias="attention_bias", attention_of=_attention, at_layer=_at_layer, layer_kinds=INDEXED,
            mlp_names=_NAMES, extra=_hyper_connections, extra_globals=_stream_head,
            moe=Moe(
                count_key="n_routed_experts", score_bias="gate.e_score_correction_bias", experts="experts",
                names=_FUSED, is_moe=by_mlp_layer_types(first_dense), shared_path="shared_experts",
                shared_names=_NAMES, shared_size=shared_experts,
            ),
        ),
        defaults={
            "tie_word_embeddings": False, "attention_bias": False, "first_k_dense_replace": 1, "hc_mult": 4,
            "q_lora_rank": 1536, "index_topk": 2048, "index_head_dim": 128, "index_n_heads": 16,
            "n_shared_experts": 1,
        },
    ),
)  # fmt: skip

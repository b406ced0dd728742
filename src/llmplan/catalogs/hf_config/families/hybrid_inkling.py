"""Inkling: windowed and full attention, with short convolutions over keys, values and the outputs of both halves.

Layers of a window have heads of their own number and size. vLLM keeps the inputs of a layer's four convolutions packed
in one block of as many tokens as the convolutions have taps, the width of a KV head rounded up to a power of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import Heads, MlpNames, QkvNames, gqa, linear, norm
from llmplan.catalogs.hf_config.decoder import LayerPlan
from llmplan.catalogs.hf_config.drafts import Stacked
from llmplan.catalogs.hf_config.layer_lists import Routed, by_mlp_layer_types
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_TOKENS, Config, show
from llmplan.catalogs.hf_config.recurrent import conv1d, vector
from llmplan.catalogs.hf_config.recurrent_keys import taps
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Style
from llmplan.catalogs.hf_config.windows import Windows
from llmplan.spec.model import GqaAttention, RecurrentKind, RecurrentMixer, Shard, State, Tensor, TensorRole

_KINDS: Final = frozenset({"hybrid", "hybrid_sliding"})
_LOCAL: Final = {
    "num_attention_heads": "swa_num_attention_heads", "num_key_value_heads": "swa_num_key_value_heads",
    "head_dim": "swa_head_dim", "rel_extent": "sliding_window_size",
}  # fmt: skip
"""a key of full attention -> the one that holds in layers of a window"""
_FORMER: Final = {
    "conv_kernel_size": "sconv_kernel_size", "sliding_window_size": "sliding_window",
    "max_position_embeddings": "model_max_length", "num_nextn_predict_layers": "num_mtp_layers",
}  # fmt: skip


def _derive(config: Config) -> Mapping[str, Any]:
    """With `dense_intermediate_size`, the other width is the experts'."""
    found = {now: config.values[former] for now, former in _FORMER.items() if config.has(former)}
    if config.has("dense_intermediate_size"):
        found["intermediate_size"] = config.values["dense_intermediate_size"]
        found["moe_intermediate_size"] = config.values.get("intermediate_size")
    return found


def _is_local(config: Config, index: int) -> bool:
    """`layer_types`, or the layers of `local_layer_ids`, or all but every sixth."""
    kinds = config.items("layer_types")
    if kinds is not None:
        config.demand_length("layer_types", len(kinds))
        return bool(kinds[index] == "hybrid_sliding")
    ids = config.items("local_layer_ids")
    return bool((index + 1) % 6) if ids is None else index in ids


def _at_layer(config: Config, index: int) -> Mapping[str, Any]:
    return _local(config) if _is_local(config, index) else {}


def _local(config: Config) -> Mapping[str, Any]:
    return {key: config.integer(own, high=MAX_TOKENS) for key, own in _LOCAL.items()}


def _width(config: Config) -> int:
    return config.integer("sliding_window_size", high=MAX_TOKENS)


def _windows(config: Config) -> Windows:
    return tuple(_width(config) if _is_local(config, i) else None for i in range(config.layers))


def _mixers(config: Config) -> tuple[LayerMixers, ...]:
    """Attention and the convolutions around it, in every layer."""
    return (("attention", "recurrent"),) * config.layers


def _attention(config: Config, layer: str, window: int | None) -> GqaAttention:
    """Queries also make `d_rel` numbers per head, which become scores of the distance to a token."""
    path, rel = f"{layer}.attn", config.integer("d_rel")
    heads = Heads(query=config.heads, kv=config.kv_heads, dim=config.head_dim)
    beside = (
        *linear(f"{path}.wr_du", heads.query * rel, config.hidden, Shard.COLUMN),
        *norm(f"{path}.q_norm", heads.dim),
        *norm(f"{path}.k_norm", heads.dim),
        Tensor(
            name=f"{path}.rel_logits_proj.proj", shape=(rel, config.integer("rel_extent", high=MAX_TOKENS)),
            role=TensorRole.OTHER, shard=Shard.REPLICATED,
        ),
    )  # fmt: skip
    names = QkvNames(q="wq_du", k="wk_dv", v="wv_dv", out="wo_ud")
    return gqa(path, config.hidden, heads, names=names, window=window, extra=beside)


def _convolutions(config: Config, layer: str) -> RecurrentMixer:
    """Over keys, values, and what attention and feed-forward return."""
    steps, hidden, kv, dim = taps(config, "conv_kernel_size"), config.hidden, config.kv_heads, config.head_dim
    channels = {"attn.k_sconv": kv * dim, "attn.v_sconv": kv * dim, "attn_sconv": hidden, "mlp_sconv": hidden}
    packed = 2 * dim + 2 * -(-hidden // kv)
    return RecurrentMixer(
        kind=RecurrentKind.SHORT_CONV, heads=2 * (kv * dim + hidden), kv_heads=kv, key_dim=0, value_dim=1,
        conv_width=steps, states=(State(heads=kv, elements=steps * (1 << (packed - 1).bit_length())),),
        tensors=tuple(
            tensor for name, width in channels.items() for tensor in conv1d(f"{layer}.{name}", width, steps, bias=False)
        ),
    )  # fmt: skip


def _after_the_first(config: Config) -> Routed:
    """The first `dense_mlp_idx` layers are dense."""
    first = config.integer("dense_mlp_idx", low=0)
    return tuple(i >= first for i in range(config.layers))


def _shared_count(config: Config) -> int:
    return config.integer("n_shared_experts", low=0, high=MAX_EXPERTS)


def _shared(config: Config) -> int:
    return _shared_count(config) * config.integer("moe_intermediate_size")


def _gate(config: Config, path: str) -> Iterable[Tensor]:
    """The router scores the shared experts, too, and scales all scores."""
    if _shared_count(config):
        shape = (_shared_count(config), config.hidden)
        yield Tensor(name=f"{path}.gate.weight", shape=shape, role=TensorRole.ROUTER, shard=Shard.REPLICATED)
    yield vector(f"{path}.gate.global_scale", 1, shard=Shard.REPLICATED, dtype="fp32")


def _scale(config: Config, layer: str) -> Iterable[Tensor]:
    """A dense feed-forward scales its output."""
    if not config.flag("is_routed"):
        yield vector(f"{layer}.mlp.global_scale", 1, shard=Shard.REPLICATED)


def _routed_at(config: Config, index: int) -> Mapping[str, Any]:
    return {**_at_layer(config, index), "is_routed": _ROUTED(config)[index]}


def _embed_norm(config: Config, base: str) -> Iterable[Tensor]:
    return norm(f"{base}.embed_norm", config.hidden)


def _draft_plans(config: Config, style: Style, count: int) -> Sequence[LayerPlan]:
    """Dense layers of full attention, or of a window where `mtp_local_layer_ids` lists them."""
    del style
    ids = config.items("mtp_local_layer_ids") or ()
    for index in ids:
        if isinstance(index, bool) or not isinstance(index, int):
            raise config.fail("mtp_local_layer_ids", f"expected numbers of layers, got {show(index)}")
    return [
        LayerPlan(
            window=_width(config) if i in ids else None, routed=False, mixers=("attention", "recurrent"), feeds=True,
            keys=tuple(sorted(_local(config).items())) if i in ids else (),
        )
        for i in range(count)
    ]  # fmt: skip


_ROUTED: Final = by_mlp_layer_types(_after_the_first)
_DRAFT: Final = Stacked(
    below="mtp.layers.{i}", block="transformer_block", embed_norm="embed_norm", hidden_norm="hidden_norm",
    projection="input_proj", final=None, plans=_draft_plans,
)  # fmt: skip
_NAMES: Final = MlpNames(gate="w13", up="w13", down="w2")

FAMILIES: Final = (
    Family(
        model_types=("inkling_text", "inkling_model"), derive=_derive, draft=_DRAFT,
        defaults={
            "tie_word_embeddings": False, "num_key_value_heads": 8, "head_dim": 128, "swa_num_attention_heads": 64,
            "swa_num_key_value_heads": 16, "swa_head_dim": 128, "sliding_window_size": 512, "d_rel": 16,
            "rel_extent": 1024, "max_position_embeddings": 131072, "conv_kernel_size": 4, "intermediate_size": 24576,
            "moe_intermediate_size": 3072, "n_routed_experts": 256, "num_experts_per_tok": 6, "n_shared_experts": 2,
            "dense_mlp_idx": 0,
        },
        style=Style(
            base="model.llm", head="model.llm.unembed", embed="embed", norms=("attn_norm", "mlp_norm"),
            mixers=_mixers, attention_of=_attention, recurrent_of=_convolutions, windows=_windows,
            at_layer=_routed_at, layer_kinds=_KINDS, extra=_scale, extra_globals=_embed_norm,
            mlp_names=MlpNames(gate="w13_dn", up="w13_dn", down="w2_md"),
            moe=Moe(
                experts="experts", names=_NAMES, count_key="n_routed_experts", score_bias="gate.bias", extra=_gate,
                is_moe=_ROUTED, shared_path="shared_experts", shared_names=_NAMES, shared_size=_shared,
            ),
        ),
    ),
)  # fmt: skip

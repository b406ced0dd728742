"""Mixtures of experts under names of their own: Ling, Sarvam, AFM, Arctic, DBRX, Kolibri, Beam."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, linear, mlp, norm
from llmplan.catalogs.hf_config.drafts import after_the_layers_shared
from llmplan.catalogs.hf_config.families.moe import first_dense, shared_experts
from llmplan.catalogs.hf_config.families.moe_usual import shared_by_count
from llmplan.catalogs.hf_config.layer_lists import Routed, by_mlp_layer_types, leading, of_each
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_LAYERS, Config
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.catalogs.hf_config.windows import Windows, every
from llmplan.spec.model import Shard, Tensor, TensorRole

_UNTIED: Final = {"tie_word_embeddings": False, "attention_bias": False}
_BIASES: Final = Style(qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head")
_LONG_NAMES: Final = ("query_layernorm", "key_layernorm")


def _vector(path: str, shape: tuple[int, ...], shard: Shard = Shard.REPLICATED) -> Tensor:
    return Tensor(name=path, shape=shape, role=TensorRole.OTHER, shard=shard, dtype="fp32")


def _element_gate(config: Config, path: str) -> Iterator[Tensor]:
    yield from linear(f"{path}.gate_proj", config.heads * config.head_dim, config.hidden, Shard.COLUMN)


# ---- AFM, Beam, Kolibri


def _expert_bias(config: Config, path: str) -> Iterator[Tensor]:
    """A score bias that is trained."""
    yield _vector(f"{path}.expert_bias", (config.integer("num_experts", high=MAX_EXPERTS),))


def _biased_gate(config: Config, path: str) -> Iterator[Tensor]:
    yield from _element_gate(config, path)
    yield _vector(f"{path}.gate_bias", (config.heads,), Shard.COLUMN)


def _last_is_full(config: Config) -> Windows:
    windows = every(6)(config)
    return windows if config.has("layer_types") else (*windows[:-1], None)


_AFMOE: Final = Family(
    model_types=("afmoe",),
    style=replace(
        _BIASES, beside=_element_gate, windows=every(4, pattern_key="global_attn_every_n_layers"),
        norms=("input_layernorm", "post_attention_layernorm", "pre_mlp_layernorm", "post_mlp_layernorm"),
        moe=Moe(
            router="router.gate", extra=_expert_bias, is_moe=leading("num_dense_layers"),
            shared_path="shared_experts", shared_size=shared_by_count,
        ),
    ),
    defaults={
        **_UNTIED, "head_dim": 128, "num_dense_layers": 1, "num_shared_experts": 2, "sliding_window": 1024,
        "num_experts": 64, "num_experts_per_tok": 6, "moe_intermediate_size": 1408,
    },
)  # fmt: skip
_BEAM: Final = Family(
    model_types=("beam",),
    style=replace(
        _BIASES, beside=_biased_gate, windows=_last_is_full,
        norms=(
            "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm",
        ),
        moe=Moe(score_bias="gate.e_score_correction_bias", is_moe=by_mlp_layer_types(leading("leading_dense_layers"))),
    ),
    defaults={
        **_UNTIED, "head_dim": 128, "sliding_window": 512, "leading_dense_layers": 3, "num_experts": 128,
        "num_experts_per_tok": 8, "moe_intermediate_size": 2560,
    },
)  # fmt: skip
_KOLIBRI: Final = Family(
    model_types=("kolibri1",),
    style=Style(
        qk_norm="per_head", windows=every(5),
        norms=("input_layernorm", "post_attn_norm", "post_attention_layernorm", "post_ffn_norm"),
        moe=Moe(
            path="", router="mlp.gate", score_bias="moe.router.expert_bias", experts="mlp.experts.{e}",
            shared_path="mlp.shared_experts", count_key="num_local_experts",
            shared_size=lambda config: config.integer("shared_expert_intermediate_size"),
        ),
    ),
    defaults={
        **_UNTIED, "head_dim": 128, "sliding_window": 513, "num_local_experts": 256, "num_experts_per_tok": 8,
        "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512,
    },
)  # fmt: skip

# ---- Ling (Bailing), Sarvam


def _ling_shared(config: Config) -> int:
    own = "moe_shared_expert_intermediate_size"
    return of_each(config, "num_shared_experts", own if config.has(own) else "moe_intermediate_size")


def _ling(config: Config, style: Style) -> Style:
    """Biases and the score bias are options."""
    moe = style.moe
    if moe is not None and not config.flag("moe_router_enable_expert_bias"):
        moe = replace(moe, score_bias=None)
    return replace(style, moe=moe, qkv_bias=config.flag("use_bias") or config.flag("use_qkv_bias"))


_FUSED_STYLE: Final = Style(
    embed="word_embeddings", attention="attention", qkv=QkvNames(fused="query_key_value", out="dense"),
    qk_norm="per_head", qk_norm_if="use_qk_norm", qk_norm_names=_LONG_NAMES,
)  # fmt: skip
_LING: Final = Family(
    model_types=("bailing_moe", "bailing_moe_v2"), variant=_ling, draft=after_the_layers_shared,
    style=replace(
        _FUSED_STYLE, out_bias="use_bias", mlp_bias="use_bias",
        moe=Moe(
            score_bias="gate.expert_bias", bias="use_bias", is_moe=leading("first_k_dense_replace"),
            shared_path="shared_experts", shared_size=_ling_shared, shared_bias="use_bias",
        ),
    ),
    defaults={**_UNTIED, "use_qk_norm": False, "first_k_dense_replace": 0, "num_shared_experts": 0},
)  # fmt: skip
_SARVAM: Final = Family(
    model_types=("sarvam_moe",),
    aliases={"n_routed_experts": "num_experts", "n_shared_experts": "num_shared_experts"},
    style=replace(
        _FUSED_STYLE, qkv_bias="attention_bias",
        moe=Moe(
            count_key="n_routed_experts", score_bias="gate.expert_bias", is_moe=first_dense,
            shared_path="shared_experts", shared_size=shared_experts,
        ),
    ),
    defaults={
        **_UNTIED, "use_qk_norm": True, "first_k_dense_replace": 1, "n_shared_experts": 1, "n_routed_experts": 128,
        "num_experts_per_tok": 6, "moe_intermediate_size": 1024,
    },
)  # fmt: skip

# ---- Arctic


def _arctic_routes(config: Config) -> Routed:
    """Every `moe_layer_frequency`-th layer routes."""
    period = config.integer("moe_layer_frequency", high=MAX_LAYERS)
    return tuple((i + 1) % period == 0 for i in range(config.layers))


def _arctic_layer(config: Config, layer: int) -> Mapping[str, Any]:
    return {"routed": _arctic_routes(config)[layer]}


def _residual(config: Config, layer: str) -> Iterator[Tensor]:
    """A feed-forward as wide as the model beside the experts, with a norm of its own."""
    if config.flag("routed", default=True) and config.flag("use_residual"):
        yield from norm(f"{layer}.residual_layernorm", config.hidden)
        yield from mlp(f"{layer}.residual_mlp", config.hidden, config.hidden, _W_NAMES)


_W_NAMES: Final = MlpNames(gate="w1", up="w3", down="w2")
_ARCTIC: Final = Family(
    model_types=("arctic",),
    style=Style(
        at_layer=_arctic_layer, extra=_residual, mlp_path="block_sparse_moe.mlp", mlp_names=_W_NAMES,
        moe=Moe(
            path="block_sparse_moe", count_key="num_local_experts", size_key="intermediate_size", names=_W_NAMES,
            is_moe=_arctic_routes,
        ),
    ),
    defaults={
        **_UNTIED, "use_residual": True, "moe_layer_frequency": 2, "num_local_experts": 8, "num_experts_per_tok": 1,
    },
)  # fmt: skip

# ---- DBRX

_DBRX_KEYS: Final = {
    "attn_config": {"num_key_value_heads": "kv_n_heads"},
    "ffn_config": {
        "intermediate_size": "ffn_hidden_size", "moe_num_experts": "moe_num_experts", "moe_top_k": "moe_top_k",
    },
}  # fmt: skip


def _dbrx_keys(config: Config) -> Mapping[str, Any]:
    return {
        name: config.mapping(part)[key]
        for part, keys in _DBRX_KEYS.items()
        for name, key in keys.items()
        if config.mapping(part).get(key) is not None
    }


_DBRX: Final = Family(
    model_types=("dbrx",), derive=_dbrx_keys,
    aliases={
        "hidden_size": "d_model", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads",
        "max_position_embeddings": "max_seq_len",
    },
    style=Style(
        base="transformer", layers="blocks.{i}", embed="wte", final_norm="norm_f", attention="norm_attn_norm.attn",
        qkv=QkvNames(fused="Wqkv", out="out_proj"), norms=("norm_attn_norm.norm_1", "norm_attn_norm.norm_2"),
        moe=Moe(
            path="ffn", router="router.layer", experts="experts.mlp", names=MlpNames(gate="w1", up="v1", down="w2"),
            count_key="moe_num_experts", chosen_key="moe_top_k", size_key="intermediate_size",
        ),
    ),
    defaults={
        **_UNTIED, "num_key_value_heads": 1, "intermediate_size": 3584, "moe_num_experts": 4, "moe_top_k": 1,
    },
)  # fmt: skip

FAMILIES: Final = (_AFMOE, _BEAM, _KOLIBRI, _LING, _SARVAM, _ARCTIC, _DBRX)

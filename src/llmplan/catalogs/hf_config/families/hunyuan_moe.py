"""Hunyuan's mixtures of experts: version 1 (A13B), whose keys may be lists of one number per layer, and version 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmplan.catalogs.hf_config.drafts import after_the_layers_shared
from llmplan.catalogs.hf_config.families.moe import first_dense
from llmplan.catalogs.hf_config.families.moe_usual import shared_by_count
from llmplan.catalogs.hf_config.layer_lists import by_mlp_layer_types, number_of, of_each
from llmplan.catalogs.hf_config.normalize import MAX_WIDTH, Config
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.errors import UnsupportedModelError

_UNTIED: Final = {"tie_word_embeddings": False, "attention_bias": False}
_PER_LAYER: Final = ("num_experts", "moe_topk", "moe_intermediate_size", "num_shared_expert")


def _hunyuan_layer(config: Config, layer: int) -> Mapping[str, Any]:
    """Keys that may be lists of one number per layer."""
    found = {}
    for key in _PER_LAYER:
        if isinstance(config.values.get(key), list | tuple):
            found[key] = number_of(config, key, layer, high=MAX_WIDTH)
    return found


def _no_shared_heads(config: Config, style: Style) -> Style:
    if config.flag("use_cla"):
        raise UnsupportedModelError(
            f"{config.where}: key `use_cla`: attention whose keys and values several layers share is not read",
            hints=["models of the family without it are read: those whose file says `use_cla: false`"],
        )
    return style


def _expert_width(config: Config) -> Mapping[str, Any]:
    """Experts are as wide as `moe_intermediate_size`, or else as the dense feed-forward."""
    return {} if config.has("moe_intermediate_size") else {"moe_intermediate_size": config.integer("intermediate_size")}


_HUNYUAN: Final = Family(
    model_types=("hunyuan_v1_moe", "hunyuan"), derive=_expert_width, variant=_no_shared_heads,
    style=Style(
        qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", qk_norm_if="use_qk_norm",
        qk_norm_names=("query_layernorm", "key_layernorm"), at_layer=_hunyuan_layer,
        moe=Moe(
            router="gate.wg", chosen_key="moe_topk", shared_path="shared_mlp",
            shared_size=lambda config: of_each(config, "num_shared_expert", "moe_intermediate_size"),
        ),
    ),
    defaults={**_UNTIED, "use_qk_norm": True, "num_shared_expert": 1, "num_experts": 1, "moe_topk": 1},
)  # fmt: skip
_HUNYUAN_3: Final = Family(
    model_types=("hy_v3",), aliases={"moe_intermediate_size": "expert_hidden_dim"}, draft=after_the_layers_shared,
    style=Style(
        qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", mlp_bias="mlp_bias",
        moe=Moe(
            router="router.gate", score_bias="expert_bias", shared_path="shared_mlp", shared_size=shared_by_count,
            shared_bias="mlp_bias", is_moe=by_mlp_layer_types(first_dense),
        ),
    ),
    defaults={
        **_UNTIED, "head_dim": 128, "first_k_dense_replace": 1, "num_shared_experts": 1, "num_experts": 192,
        "num_experts_per_tok": 8, "moe_intermediate_size": 1536,
    },
)  # fmt: skip

FAMILIES: Final = (_HUNYUAN, _HUNYUAN_3)

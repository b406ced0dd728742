"""ERNIE 4.5: experts from a layer on, with a score bias that counts as a parameter; twice as many with vision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import GATED, mlp
from llmplan.catalogs.hf_config.drafts import Stacked, dense
from llmplan.catalogs.hf_config.layer_lists import Routed, by_mlp_layer_types, of_each
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_LAYERS, Config
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.spec.model import Shard, Tensor, TensorRole


def _vector(path: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name=path, shape=shape, role=TensorRole.OTHER, shard=Shard.REPLICATED, dtype="fp32")


def _ernie_routes(config: Config) -> Routed:
    """Layers from `moe_layer_start_index` to `moe_layer_end_index` (-1: the last), every `moe_layer_interval`-th."""
    start = config.integer("moe_layer_start_index", low=0, high=MAX_LAYERS)
    end = config.integer("moe_layer_end_index", low=-1, high=MAX_LAYERS)
    step, last = config.integer("moe_layer_interval", high=MAX_LAYERS), config.layers - 1 if end == -1 else end
    return tuple((i + 1) % step == 0 and start <= i <= last for i in range(config.layers))


def _statics(config: Config, path: str) -> Iterator[Tensor]:
    """The score bias, which counts as a parameter."""
    experts = config.integer("moe_num_experts", high=MAX_EXPERTS)
    yield _vector(f"{path}.moe_statics.e_score_correction_bias", (1, experts))


_ERNIE_DRAFT: Final = Stacked(
    below="", block="mtp_block.{i}", embed_norm="mtp_emb_norm.{i}", hidden_norm="mtp_hidden_norm.{i}",
    projection="mtp_linear_proj.{i}", final=None, plans=dense,
)  # fmt: skip
"""dense layers behind the decoder; embedding and output matrix are the model's"""
_ERNIE_MOE: Final = Moe(
    count_key="moe_num_experts", chosen_key="moe_k", extra=_statics, is_moe=_ernie_routes, router_dtype="fp32",
    shared_path="shared_experts", shared_bias="use_bias",
    shared_size=lambda config: of_each(config, "moe_num_shared_experts", "moe_intermediate_size"),
)  # fmt: skip
_ERNIE: Final = Family(
    model_types=("ernie4_5_moe",), draft=_ERNIE_DRAFT,
    style=Style(
        qkv_bias="use_bias", out_bias="use_bias", mlp_bias="use_bias", head_bias="use_bias", moe=_ERNIE_MOE
    ),
    defaults={
        "tie_word_embeddings": True, "use_bias": False, "moe_layer_start_index": 1, "moe_layer_end_index": -1,
        "moe_layer_interval": 1, "moe_num_experts": 64, "moe_k": 6, "moe_num_shared_experts": 2,
        "moe_intermediate_size": 1536, "num_key_value_heads": 4,
    },
)  # fmt: skip


def _first_of_lists(config: Config) -> Mapping[str, Any]:
    """Files list text and vision where both have experts: the text's come first."""
    found: dict[str, Any] = {}
    for key in ("moe_num_experts", "moe_intermediate_size", "moe_layer_start_index", "moe_layer_end_index"):
        entries = config.values.get(key)
        if isinstance(entries, list | tuple):
            if not entries:
                raise config.fail(key, "an empty list")
            found[key] = entries[0]
            if key == "moe_intermediate_size" and len(entries) > 1:
                found["vision_expert_size"] = entries[1]
    return found


def _vision_experts(config: Config, path: str) -> Iterator[Tensor]:
    """As many experts for images, numbered on from those for text, with a router of their own."""
    experts = config.integer("moe_num_experts", high=MAX_EXPERTS)
    yield _vector(f"{path}.moe_statics.e_score_correction_bias", (2, experts))
    yield Tensor(
        name=f"{path}.gate.weight_1", shape=(experts, config.hidden), role=TensorRole.ROUTER, shard=Shard.REPLICATED,
        dtype="fp32",
    )  # fmt: skip
    yield from mlp(
        f"{path}.experts.{{e}}", config.hidden, config.integer("vision_expert_size"), GATED,
        role=TensorRole.EXPERT, copies=experts,
    )  # fmt: skip


_ERNIE_VL: Final = Family(
    model_types=("ernie4_5_vl_moe_text",), derive=_first_of_lists,
    style=replace(
        _ERNIE.style, head_bias=False,
        moe=replace(_ERNIE_MOE, extra=_vision_experts, is_moe=by_mlp_layer_types(_ernie_routes)),
    ),
    defaults={**_ERNIE.defaults, "vision_expert_size": 512},
    notes=("experts for images are counted as a token's, which runs either those for images or those for text",),
)  # fmt: skip

FAMILIES: Final = (_ERNIE, _ERNIE_VL)

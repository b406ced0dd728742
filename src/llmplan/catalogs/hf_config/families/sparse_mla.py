"""Latent attention with an index: DeepSeek V3.2 and GLM 5.

GLM 5 stores neither embedding nor output matrix again for drafting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmplan.catalogs.hf_config.drafts import Stacked, after_the_layers
from llmplan.catalogs.hf_config.families.moe import first_dense, shared_experts
from llmplan.catalogs.hf_config.layer_lists import by_mlp_layer_types, listed
from llmplan.catalogs.hf_config.normalize import Config, show
from llmplan.catalogs.hf_config.sparse import sparse_mla
from llmplan.catalogs.hf_config.style import Family, Moe, Style

INDEXED: Final = frozenset({"indexed_attention", "deepseek_sparse_attention"})
_LETTERS: Final = {"F": "full", "S": "shared"}


def shares_index(config: Config, layer: int) -> bool:
    """`indexer_types`, or the letters of `index_topk_pattern`, or every `index_topk_freq`-th layer has an indexer."""
    kinds = listed(config, "indexer_types")
    if kinds is None:
        pattern = config.values.get("index_topk_pattern")
        if isinstance(pattern, str) and len(pattern) >= config.layers:
            kinds = tuple(_LETTERS.get(letter, letter) for letter in pattern[: config.layers])
        elif pattern is not None:
            kinds = listed(config, "index_topk_pattern")
    if kinds is not None:
        if kinds[layer] not in ("full", "shared"):
            raise config.fail("indexer_types", f"expected full or shared, got {show(kinds[layer])}")
        return kinds[layer] == "shared"
    period = config.optional_integer("index_topk_freq") or 1
    offset = config.integer("index_skip_topk_offset", low=0)
    return max(layer - offset + 1, 0) % period != 0


def index_of_layer(config: Config, layer: int) -> Mapping[str, Any]:
    """Whether the layer uses an earlier layer's index."""
    return {"shared_indexer": shares_index(config, layer)}


def experts_under_either_name(config: Config) -> Mapping[str, Any]:
    """The class takes `num_experts` over `n_routed_experts`."""
    return {"n_routed_experts": config.values["num_experts"]} if config.has("num_experts") else {}


_STYLE: Final = Style(
    latent=True, qkv_bias="attention_bias", attention_of=sparse_mla,
    layer_kinds=INDEXED,
    moe=Moe(
        count_key="n_routed_experts", score_bias="gate.e_score_correction_bias",
        is_moe=by_mlp_layer_types(first_dense), shared_path="shared_experts", shared_size=shared_experts,
    ),
)  # fmt: skip
_DEFAULTS: Final = {
    "tie_word_embeddings": False, "attention_bias": False, "first_k_dense_replace": 3, "index_topk": 2048,
    "index_head_dim": 128, "index_skip_topk_offset": 2, "n_shared_experts": 1,
}  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("deepseek_v32",), style=_STYLE, derive=experts_under_either_name, draft=after_the_layers,
        defaults={**_DEFAULTS, "index_n_heads": 64, "q_lora_rank": 1536},
    ),
    Family(
        model_types=("glm_moe_dsa",), derive=experts_under_either_name, draft=Stacked(),
        defaults={**_DEFAULTS, "index_n_heads": 32, "q_lora_rank": 2048},
        style=Style(
            latent=True, qkv_bias="attention_bias", attention_of=sparse_mla, at_layer=index_of_layer,
            layer_kinds=_STYLE.layer_kinds, moe=_STYLE.moe,
        ),
    ),
)  # fmt: skip

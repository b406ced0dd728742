"""Multi-head latent attention: DeepSeek V2 and V3 (R1, V3.1), Kimi K2, GLM-4.7-Flash, MiniCPM3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import mla
from llmplan.catalogs.hf_config.decoder import latent_sizes
from llmplan.catalogs.hf_config.drafts import after_the_layers
from llmplan.catalogs.hf_config.families.moe import first_dense, shared_experts
from llmplan.catalogs.hf_config.layer_lists import by_mlp_layer_types
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.spec.model import GqaAttention

_MOE: Final = Moe(
    count_key="n_routed_experts", is_moe=first_dense, shared_path="shared_experts", shared_size=shared_experts
)  # fmt: skip
_STYLE: Final = Style(latent=True, qkv_bias="attention_bias", moe=_MOE)
_BALANCED: Final = replace(_STYLE, moe=replace(_MOE, score_bias="gate.e_score_correction_bias"))
_BY_LISTS: Final = replace(
    _BALANCED, moe=replace(_MOE, score_bias="gate.e_score_correction_bias", is_moe=by_mlp_layer_types(first_dense))
)
_DEFAULTS: Final = {"tie_word_embeddings": False, "attention_bias": False, "q_lora_rank": 1536, "moe_layer_freq": 1}


def _as_stated(config: Config, style: Style) -> Style:
    """Without a latent (`use_mla` false, or `kv_lora_rank` null) DeepSeek's attention is multi-head attention."""
    without = not config.flag("use_mla", default=True) or not config.has("kv_lora_rank")
    if without and "kv_lora_rank" not in config.values and "use_mla" not in config.values:
        raise config.fail("kv_lora_rank", "missing; this architecture cannot be sized without it")
    return replace(style, latent=False, out_bias="attention_bias") if without else style


def _per_head(config: Config, layer: str, window: int | None) -> GqaAttention:
    """MiniCPM3 compresses keys and values but runs as multi-head attention: engines cache them for every head.

    Values are padded to the width of the keys, nope + rope.
    """
    sizes = latent_sizes(config)
    plain = mla(f"{layer}.self_attn", config.hidden, sizes, bias=config.flag("attention_bias"))
    width = config.derived("qk_nope_head_dim", sizes.nope + sizes.rope)
    return GqaAttention(
        query_heads=sizes.heads, kv_heads=sizes.heads, head_dim=width, v_head_dim=width, window_tokens=window,
        tensors=plain.tensors,
    )  # fmt: skip


def _value_width(config: Config) -> Mapping[str, Any]:
    """Values are as wide as the model divided by its heads, unless stated."""
    if config.has("v_head_dim"):
        return {}
    if config.hidden % config.heads:
        raise config.fail("num_attention_heads", f"{config.heads} does not divide hidden_size {config.hidden}")
    return {"v_head_dim": config.hidden // config.heads}


FAMILIES: Final = (
    Family(model_types=("deepseek_v2",), style=_STYLE, defaults=_DEFAULTS, variant=_as_stated),
    Family(
        model_types=("deepseek_v3", "kimi_k2"), style=_BY_LISTS, draft=after_the_layers,
        defaults={**_DEFAULTS, "first_k_dense_replace": 3},
    ),
    Family(
        model_types=("glm4_moe_lite",), style=_BY_LISTS, draft=after_the_layers,
        defaults={**_DEFAULTS, "first_k_dense_replace": 1, "q_lora_rank": 768},
    ),
    Family(
        model_types=("minicpm3",), derive=_value_width,
        style=Style(attention_of=_per_head, mlp_bias="mlp_bias"),
        defaults={
            "tie_word_embeddings": True, "attention_bias": False, "q_lora_rank": 768, "kv_lora_rank": 256,
            "qk_nope_head_dim": 64, "qk_rope_head_dim": 32,
        },
    ),
)  # fmt: skip

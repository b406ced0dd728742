"""Linear attention with a fixed decay beside attention (MiniMax Text 01 and M1), and Ling and Ring from 2.5 on.

Ling and Ring come in two kinds under one model type: 2.5 mixes with linear attention, 3 with delta attention, which
has a convolution of `short_conv_kernel_size`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, linear, mla, norm
from llmplan.catalogs.hf_config.decoder import latent_sizes
from llmplan.catalogs.hf_config.drafts import Stacked
from llmplan.catalogs.hf_config.layer_lists import Routed, by_mlp_layer_types, listed
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_LAYERS, Config, show
from llmplan.catalogs.hf_config.recurrent import KdaGates, StateSizes, kimi_delta, linear_attention
from llmplan.catalogs.hf_config.recurrent_keys import taps
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Style
from llmplan.spec.model import Mixer, RecurrentMixer, Shard, Tensor


def _minimax_mixers(config: Config) -> tuple[LayerMixers, ...]:
    """`layer_types`, or the numbers of `attn_type_list` (0 linear, 1 full), or full attention in every other layer."""
    for key, linear_kind in (("layer_types", "linear_attention"), ("attn_type_list", 0)):
        kinds = listed(config, key)
        if kinds is not None:
            return tuple(("recurrent",) if kind == linear_kind else ("attention",) for kind in kinds)
    return tuple(("recurrent",) if i % 2 else ("attention",) for i in range(config.layers))


def _lightning(config: Config, layer: str) -> RecurrentMixer:
    path, heads, dim = f"{layer}.self_attn", config.heads, config.head_dim
    inner = heads * dim
    tensors = (
        *linear(f"{path}.qkv_proj", 3 * inner, config.hidden, Shard.COLUMN),
        *linear(f"{path}.output_gate", inner, config.hidden, Shard.COLUMN),
        *norm(f"{path}.norm", inner, shard=Shard.COLUMN),
        *linear(f"{path}.out_proj", config.hidden, inner, Shard.ROW),
    )
    return linear_attention(heads, dim, tensors)


def _minimax_shared(config: Config) -> int:
    return config.optional_integer("shared_intermediate_size") or 0


def _minimax_mixed(config: Config, layer: str) -> Iterable[Tensor]:
    """A weight between shared and routed experts, where there are shared ones."""
    if _minimax_shared(config):
        yield from linear(f"{layer}.coefficient", 1, config.hidden, Shard.REPLICATED)


def _is_delta(config: Config) -> bool:
    return config.has("short_conv_kernel_size") or config.has("kda_safe_gate") or config.has("kda_lower_bound")


def _grouped_mixers(config: Config) -> tuple[LayerMixers, ...]:
    """`layer_types`, or attention at the end of every group of layers and in those after the last whole group."""
    kinds = config.items("layer_types")
    if kinds is not None:
        return tuple(
            ("recurrent",) if kind == "linear_attention" else ("attention",) for kind in kinds[: config.layers]
        )
    size = config.integer("layer_group_size", high=MAX_LAYERS)
    whole = config.layers // size * size
    return tuple(
        ("attention",) if (i + 1) % size == 0 or i >= whole else ("recurrent",) for i in range(config.layers)
    )  # fmt: skip


def _linear(config: Config, layer: str) -> RecurrentMixer:
    """Ling 2.5: norms of queries and keys are an option, the output is gated and normed."""
    path, heads, dim = f"{layer}.attention", config.heads, config.head_dim
    inner, bias = heads * dim, config.flag("use_bias")
    norms = config.flag("use_qk_norm")
    tensors = [
        *linear(
            f"{path}.query_key_value", 3 * inner, config.hidden, Shard.COLUMN, bias=bias or config.flag("use_qkv_bias")
        ),
        *(norm(f"{path}.query_layernorm", dim) if norms else ()),
        *(norm(f"{path}.key_layernorm", dim) if norms else ()),
        *linear(f"{path}.g_proj", inner, config.hidden, Shard.COLUMN),
        *norm(f"{path}.g_norm", inner, shard=Shard.COLUMN),
        *linear(f"{path}.dense", config.hidden, inner, Shard.ROW, bias=bias),
    ]
    return linear_attention(heads, dim, tensors)


def _delta(config: Config, layer: str) -> RecurrentMixer:
    heads, dim = config.heads, config.head_dim
    sizes = StateSizes(
        heads=heads, groups=heads, key_dim=dim, value_dim=dim, taps=taps(config, "short_conv_kernel_size")
    )  # fmt: skip
    return kimi_delta(f"{layer}.attention", config.hidden, sizes, KdaGates(forget="full", output="full"))


def _latent(config: Config, layer: str, window: int | None) -> Mixer:
    """Latent attention whose output matrix is `dense`; Ling 3 gates its heads."""
    path, sizes = f"{layer}.attention", latent_sizes(config)
    mixer = mla(path, config.hidden, sizes, bias=config.flag("attention_bias"))
    tensors = tuple(replace(tensor, name=tensor.name.replace(".o_proj.", ".dense.")) for tensor in mixer.tensors)
    rows = _gate_rows(config, sizes.heads, sizes.value) if _is_delta(config) else 0
    gate = linear(f"{path}.g_proj", rows, config.hidden, Shard.COLUMN) if rows else ()
    return replace(mixer, tensors=(*tensors, *gate))


def _gate_rows(config: Config, heads: int, value: int) -> int:
    """One gate per head, or per element of it, or none."""
    key = "gated_attention_proj_granularity_type"
    kind = config.values.get(key)
    if kind is not None and not isinstance(kind, str):
        raise config.fail(key, f"expected text, got {show(kind)}")
    return {None: heads, "head_wise": heads, "element_wise": heads * value}.get(kind, 0)


def _after_the_first(config: Config) -> Routed:
    """The first `first_k_dense_replace` layers are dense."""
    first = config.integer("first_k_dense_replace", low=0)
    return tuple(i >= first for i in range(config.layers))


def _shared(config: Config) -> int:
    count = config.optional_integer("num_shared_experts", high=MAX_EXPERTS) or 0
    size = config.optional_integer("moe_shared_expert_intermediate_size", low=1)
    return count * (size or config.integer("moe_intermediate_size"))


def _bailing(config: Config, style: Style) -> Style:
    """Which of the two recurrences; the router's bias is an option of the older one."""
    if _is_delta(config):
        return replace(style, recurrent_of=_delta)
    if style.moe is None or config.flag("moe_router_enable_expert_bias"):
        return style
    return replace(style, moe=replace(style.moe, score_bias=None))


def _derive(config: Config) -> Mapping[str, Any]:
    """Keys under their other names."""
    found = {
        "num_experts": "num_local_experts", "num_shared_experts": "n_shared_experts",
        "num_experts_per_tok": "num_experts_per_token", "num_nextn_predict_layers": "num_mtp_layers",
    }  # fmt: skip
    other = {now: config.values[other] for now, other in found.items() if not config.has(now) and config.has(other)}
    return {key: value for key, value in _CLASS.items() if not config.has(key)} | other


_CLASS: Final[Mapping[str, Any]] = {"num_experts": 512, "num_experts_per_tok": 8, "num_shared_experts": 1}
"""what the class takes for keys that are missing under either name"""

FAMILIES: Final = (
    Family(
        model_types=("minimax", "minimax_text_01", "minimax_m1"),
        defaults={
            "tie_word_embeddings": False, "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2,
            "max_position_embeddings": 131072,
        },
        style=Style(
            mixers=_minimax_mixers, recurrent_of=_lightning, layer_kinds=frozenset({"linear_attention"}),
            extra=_minimax_mixed,
            moe=Moe(
                path="block_sparse_moe", names=MlpNames(gate="w1", up="w3", down="w2"), count_key="num_local_experts",
                size_key="intermediate_size", shared_path="shared_mlp", shared_beside=True,
                shared_size=_minimax_shared,
            ),
        ),
    ),
    Family(
        model_types=("bailing_hybrid",), variant=_bailing, derive=_derive, draft=Stacked(final="final_layernorm"),
        defaults={
            "tie_word_embeddings": False, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128,
            "v_head_dim": 128, "max_position_embeddings": 262144, "first_k_dense_replace": 2, "layer_group_size": 6,
        },
        style=Style(
            embed="word_embeddings", mixers=_grouped_mixers, recurrent_of=_linear, attention_of=_latent,
            mlp_bias="use_bias", layer_kinds=frozenset({"linear_attention"}),
            moe=Moe(
                is_moe=by_mlp_layer_types(_after_the_first), bias="use_bias", score_bias="gate.expert_bias",
                shared_path="shared_experts",
                shared_size=_shared, shared_bias="use_bias",
            ),
        ),
    ),
)  # fmt: skip

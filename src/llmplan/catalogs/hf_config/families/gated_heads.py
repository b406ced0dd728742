"""Attention whose output is gated by a projection of its own: Laguna, Step 3.5 and 3.7, Muse Glimmer and Spark.

In Laguna and Step the layers of a window have other query heads than those of full attention.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, linear, norm
from llmplan.catalogs.hf_config.decoder import LayerPlan
from llmplan.catalogs.hf_config.drafts import Stacked, full_layer
from llmplan.catalogs.hf_config.families.moe import sparse_step
from llmplan.catalogs.hf_config.layer_lists import Routed, by_mlp_layer_types, listed, number_of
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, MAX_LAYERS, MAX_TOKENS, Config, show
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.catalogs.hf_config.windows import Windows, every
from llmplan.spec.model import Shard, Tensor, TensorRole

_WINDOWED: Final = "sliding_attention"
_FOUR_NORMS: Final = (
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm",
)  # fmt: skip


def _gate(config: Config, path: str) -> Iterator[Tensor]:
    """`gating`: one gate per head (true), one per element of every head, or none."""
    kind = config.values.get("gating", True)
    if kind is False:
        return
    if kind not in (True, "per-head", "per-element"):
        raise config.fail("gating", f"expected true, false, per-head or per-element, got {show(kind)}")
    width = config.heads * (config.head_dim if kind == "per-element" else 1)
    yield from linear(f"{path}.g_proj", width, config.hidden, Shard.COLUMN)


def _heads_of_layer(config: Config, layer: int) -> Mapping[str, Any]:
    heads = number_of(config, "num_attention_heads_per_layer", layer)
    return {} if heads is None else {"num_attention_heads": heads}


def _trained_score_bias(config: Config, path: str) -> Iterator[Tensor]:
    """Laguna keeps the score bias among the experts, as a parameter."""
    experts = config.integer("num_experts")
    yield Tensor(
        name=f"{path}.experts.e_score_correction_bias", shape=(experts,), role=TensorRole.OTHER,
        shard=Shard.REPLICATED, dtype="fp32",
    )  # fmt: skip


_LAGUNA: Final = Family(
    model_types=("laguna",),
    style=Style(
        qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", beside=_gate,
        at_layer=_heads_of_layer, windows=every(0),
        moe=Moe(
            extra=_trained_score_bias, shared_path="shared_expert", is_moe=by_mlp_layer_types(sparse_step),
            shared_size=lambda config: config.integer("shared_expert_intermediate_size"),
        ),
    ),
    defaults={
        "tie_word_embeddings": False, "head_dim": 128, "sliding_window": 512, "mlp_only_layers": [0],
        "num_experts": 256, "num_experts_per_tok": 8, "moe_intermediate_size": 512, "attention_bias": False,
        "shared_expert_intermediate_size": 512, "num_key_value_heads": 8,
    },
)  # fmt: skip


def _element_gate(config: Config, path: str) -> Iterator[Tensor]:
    yield from linear(f"{path}.gate_proj", config.heads * config.head_dim, config.hidden, Shard.COLUMN)


def _last_of_four(config: Config) -> Windows:
    """`layer_types`, or every fourth layer, counted back from the last, is full."""
    windows = every(4)(config)
    if config.has("layer_types"):
        return windows
    width = next((window for window in windows if window is not None), None)
    return tuple(None if (config.layers - 1 - i) % 4 == 0 else width for i in range(config.layers))


_MUSE_GLIMMER: Final = Family(
    model_types=("muse_glimmer_text",),
    style=Style(
        qkv_bias="attention_bias", out_bias="attention_bias", norms=_FOUR_NORMS, beside=_element_gate,
        windows=_last_of_four,
    ),
    defaults={"tie_word_embeddings": False, "head_dim": 128, "sliding_window": 2048, "attention_bias": False},
)  # fmt: skip


def _step_keys(config: Config) -> Mapping[str, Any]:
    """Keys that files of this family state under several names."""
    names = {
        "num_key_value_heads": ("num_attention_groups",),
        "n_routed_experts": ("moe_num_experts", "num_experts", "num_local_experts"),
        "num_experts_per_tok": ("moe_top_k",),
        "share_expert_dim": ("share_expert_dims",),
        "num_nextn_predict_layers": ("num_mtp_layers",),
    }
    found = {}
    for name, others in names.items():
        stated = next((config.values[key] for key in others if config.has(key)), None)
        if stated is not None:
            found[name] = stated
    return found


def _window_heads(config: Config) -> int:
    """Query heads of a windowed layer: `num_sliding_attention_heads`, or of `attention_other_setting`."""
    stated = config.optional_integer("num_sliding_attention_heads", low=1, high=MAX_HEADS)
    if stated is not None:
        return stated
    other = config.number(config.mapping("attention_other_setting"), "num_attention_heads", "attention_other_setting")
    if other is None:
        return config.heads
    if not other.is_integer() or other > MAX_HEADS:
        raise config.fail("attention_other_setting.num_attention_heads", f"expected a whole number, got {show(other)}")
    return int(other)


def _step_heads(config: Config, layer: int) -> Mapping[str, Any]:
    kinds = listed(config, "layer_types", more=MAX_LAYERS) or ()
    windowed = layer < len(kinds) and kinds[layer] == _WINDOWED
    return {"num_attention_heads": _window_heads(config)} if windowed else {}


def _from_the_third(config: Config) -> Routed:
    """`moe_layers_enum` lists the layers that route; without it all from `first_k_dense_replace` on."""
    listed_layers = config.values.get("moe_layers_enum")
    if listed_layers is None:
        first = config.integer("first_k_dense_replace", low=0, high=MAX_LAYERS)
        return tuple(i >= first for i in range(config.layers))
    entries = listed_layers.split(",") if isinstance(listed_layers, str) else config.items("moe_layers_enum") or ()
    routed = {str(entry).strip() for entry in entries}
    return tuple(str(i) in routed for i in range(config.layers))


def _step_plans(config: Config, style: Style, count: int) -> Sequence[LayerPlan]:
    """Attention follows the entries of `layer_types` behind the stack's, or `mtp_layer_types`, and is full otherwise.

    The feed-forward is dense unless `mtp_mlp_layer_types` says otherwise.
    """
    del style
    kinds = config.items("mtp_layer_types") or (config.items("layer_types") or ())[config.layers :]
    feeds = config.items("mtp_mlp_layer_types") or ()
    width = config.optional_integer("sliding_window", low=1, high=MAX_TOKENS)
    plans = []
    for i in range(count):
        windowed = i < len(kinds) and kinds[i] == _WINDOWED
        plan = full_layer(routed=i < len(feeds) and feeds[i] == "sparse")
        keys = (("num_attention_heads", _window_heads(config)),)
        plans.append(replace(plan, window=width, keys=keys) if windowed else plan)
    return plans


_STEP_DRAFT: Final = Stacked(
    final="transformer.shared_head.norm", head="transformer.shared_head.output", plans=_step_plans
)
"""behind the stack, each layer with its own output matrix; the embedding is the model's"""

_STEP: Final = Family(
    model_types=("step3p5", "step3p7"), derive=_step_keys, draft=_STEP_DRAFT,
    style=Style(
        qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", beside=_gate,
        at_layer=_step_heads, windows=every(0), mlp_bias="mlp_bias",
        moe=Moe(
            path="", router="moe.gate", score_bias="moe.router_bias", experts="moe", count_key="n_routed_experts",
            is_moe=by_mlp_layer_types(_from_the_third), shared_path="share_expert",
            shared_size=lambda config: config.integer("share_expert_dim"), router_dtype="fp32",
        ),
    ),
    defaults={
        "tie_word_embeddings": False, "head_dim": 128, "first_k_dense_replace": 3, "num_key_value_heads": 8,
        "n_routed_experts": 288, "num_experts_per_tok": 8, "moe_intermediate_size": 1280, "share_expert_dim": 1280,
    },
)  # fmt: skip


def _between_widths(config: Config, path: str) -> Iterator[Tensor]:
    """Muse Spark's experts run at `moe_hidden_size`: projections to it and back, each with a norm."""
    inner, hidden = config.integer("moe_hidden_size"), config.hidden
    yield from linear(f"{path}.pre_expert_proj", inner, hidden, Shard.ROW)
    yield from norm(f"{path}.pre_expert_norm", inner)
    yield from norm(f"{path}.experts.post_expert_norm", inner)
    yield from linear(f"{path}.post_expert_proj", hidden, inner, Shard.ROW)


def _residual_gates(config: Config, layer: str) -> Iterator[Tensor]:
    for place in ("attention", "feedforward"):
        yield Tensor(
            name=f"{layer}.post_{place}_residual_gate.gate", shape=(config.hidden,), role=TensorRole.OTHER,
            shard=Shard.REPLICATED,
        )  # fmt: skip


def _every_layer(config: Config) -> Routed:
    return (True,) * config.layers


_MUSE_SPARK: Final = Family(
    model_types=("muse_spark_text",),
    style=Style(
        qkv_bias="attention_bias", out_bias="attention_bias", beside=_element_gate, windows=_last_of_four,
        norms=("input_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"), extra=_residual_gates,
        moe=Moe(
            score_bias="gate.e_score_correction_bias", count_key="num_local_experts", experts="experts",
            names=MlpNames(gate="gate_up_proj", up="gate_up_proj"), extra=_between_widths,
            expert_hidden=lambda config: config.integer("moe_hidden_size"),
            is_moe=by_mlp_layer_types(_every_layer),
        ),
    ),
    defaults={
        "tie_word_embeddings": False, "head_dim": 64, "sliding_window": 2048, "attention_bias": False,
        "moe_hidden_size": 4096, "num_local_experts": 256, "num_experts_per_tok": 8, "moe_intermediate_size": 4096,
    },
)  # fmt: skip

FAMILIES: Final = (_LAGUNA, _STEP, _MUSE_GLIMMER, _MUSE_SPARK)

"""Layers that are no plain attention, in llama.cpp's words: recurrences, and which layer is of which kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from llmplan.catalogs.checkpoint.gguf_metadata import Config, Metadata

MAX_LAYERS: Final = 2_000
ATTENTION: Final = "attn_q.weight"


def _layers(config: Config) -> range:
    """Numbers of the layers, bounded: the config's own reader refuses more."""
    return range(min(config.get("num_hidden_layers") or 0, MAX_LAYERS))


def dense_layers(config: Config, metadata: Metadata) -> Config:
    """Which layers of a mixture of experts have none is read off the tensors."""
    routed = metadata.layers_with("ffn_gate_inp.weight")
    return {"mlp_only_layers": [i for i in _layers(config) if i not in routed], "decoder_sparse_step": 1}


def _kinds(config: Config, metadata: Metadata, attention: str, other: str) -> list[str]:
    """The kind of each layer, by whether it has queries."""
    attends = metadata.layers_with(ATTENTION)
    return [attention if index in attends else other for index in _layers(config)]


def _delta(config: Config, metadata: Metadata) -> Config:
    """The gated delta rule, stated in the words of Mamba."""
    heads, inner = metadata.number("ssm.time_step_rank"), metadata.number("ssm.inner_size")
    found: Config = {
        "linear_conv_kernel_dim": metadata.number("ssm.conv_kernel"),
        "linear_key_head_dim": metadata.number("ssm.state_size"),
        "linear_num_key_heads": metadata.number("ssm.group_count"),
        "linear_num_value_heads": heads,
        "linear_value_head_dim": inner // heads if heads and inner else None,
        "mtp_num_hidden_layers": config.get("num_nextn_predict_layers"),
        "layer_types": _kinds(config, metadata, "full_attention", "linear_attention"),
    }
    return found | (dense_layers(config, metadata) if config.get("num_experts") else {})


def _mamba2(config: Config, metadata: Metadata) -> Config:
    """Mamba 2: as many steps as heads; sizes under the names of each family."""
    heads, inner = metadata.number("ssm.time_step_rank"), metadata.number("ssm.inner_size")
    groups, state = metadata.number("ssm.group_count"), metadata.number("ssm.state_size")
    taps, width = metadata.number("ssm.conv_kernel"), inner // heads if heads and inner else None
    return {
        "mamba_num_heads": heads, "mamba_head_dim": width, "n_groups": groups, "ssm_state_size": state,
        "conv_kernel": taps, "mamba_n_heads": heads, "mamba_d_head": width, "mamba_n_groups": groups,
        "mamba_d_state": state, "mamba_d_conv": taps, "mamba_d_ssm": inner, "mamba_expand": None,
        "use_conv_bias": metadata.has("ssm_conv1d.bias"), "mamba_conv_bias": metadata.has("ssm_conv1d.bias"),
        "use_bias": metadata.has("ssm_in.bias"), "mamba_proj_bias": metadata.has("ssm_in.bias"),
        "mamba_rms_norm": metadata.has("ssm_norm.weight"), "projectors_bias": metadata.has("ssm_out.bias"),
    }  # fmt: skip


def _mamba2_alone(config: Config, metadata: Metadata) -> Config:
    found = _mamba2(config, metadata)
    return found | {
        "num_heads": found["mamba_n_heads"], "head_dim": found["mamba_d_head"], "state_size": found["mamba_d_state"],
        "expand": None,
    }  # fmt: skip


def _mamba1(config: Config, metadata: Metadata) -> Config:
    """Mamba 1: the rank of the step is stated, heads there are none."""
    inner, hidden = metadata.number("ssm.inner_size"), config.get("hidden_size")
    return {
        "state_size": metadata.number("ssm.state_size"), "mamba_d_state": metadata.number("ssm.state_size"),
        "conv_kernel": metadata.number("ssm.conv_kernel"), "mamba_d_conv": metadata.number("ssm.conv_kernel"),
        "time_step_rank": metadata.number("ssm.time_step_rank"),
        "mamba_dt_rank": metadata.number("ssm.time_step_rank"),
        "mamba_expand": inner // hidden if inner and hidden else None, "use_bias": metadata.has("ssm_in.bias"),
        "use_conv_bias": metadata.has("ssm_conv1d.bias"), "mamba_conv_bias": metadata.has("ssm_conv1d.bias"),
    }  # fmt: skip


def _mamba1_alone(config: Config, metadata: Metadata) -> Config:
    return {**_mamba1(config, metadata), "intermediate_size": metadata.number("ssm.inner_size")}


def _jamba(config: Config, metadata: Metadata) -> Config:
    """The period of a kind of layer is the distance of its first two, which the tensors show."""
    found = _mamba1(config, metadata)
    for kind, name in (("attn", ATTENTION), ("expert", "ffn_gate_inp.weight")):
        places = sorted(metadata.layers_with(name))
        if places:
            step = places[1] - places[0] if len(places) > 1 else max(len(_layers(config)), places[0] + 1)
            found |= {f"{kind}_layer_period": step, f"{kind}_layer_offset": places[0] % step}
    return found if metadata.has("ffn_gate_inp.weight") else found | {"num_experts": 1}


def _nemotron(config: Config, metadata: Metadata) -> Config:
    """A layer is a recurrence, an attention, a mixture of experts or a feed-forward, as its tensors show."""
    kinds = (("M", "ssm_in.weight"), ("*", ATTENTION), ("E", "ffn_gate_inp.weight"))
    holders = [(letter, metadata.layers_with(name)) for letter, name in kinds]
    pattern = [next((letter for letter, held in holders if index in held), "-") for index in _layers(config)]
    widths = metadata.per_layer("feed_forward_length") or ()
    dense = [width for kind, width in zip(pattern, widths, strict=False) if kind == "-"]
    return {
        **_mamba2(config, metadata), "hybrid_override_pattern": "".join(pattern),
        "moe_shared_expert_intermediate_size": config.get("shared_expert_intermediate_size"),
        "moe_latent_size": metadata.number("moe_latent_size"),
        **({"intermediate_size": dense} if dense else {}),
    }  # fmt: skip


def _granite(config: Config, metadata: Metadata) -> Config:
    """Without experts the shared feed-forward is the only one, and stated as the layer's."""
    shared = config.get("shared_expert_intermediate_size") or config.get("intermediate_size")
    return {
        **_mamba2(config, metadata), "layer_types": _kinds(config, metadata, "attention", "mamba"),
        "shared_intermediate_size": shared, "num_local_experts": config.get("num_experts") or 0,
    }  # fmt: skip


def _short_conv(config: Config, metadata: Metadata) -> Config:
    """Gated short convolutions; the width of the feed-forward is the one in force."""
    return {
        "layer_types": _kinds(config, metadata, "full_attention", "conv"), "block_auto_adjust_ff_dim": False,
        "num_dense_layers": config.get("first_k_dense_replace") or 0,
        "use_expert_bias": metadata.has("exp_probs_b.bias"),
    }  # fmt: skip


RECURRENT: Final[dict[str, Callable[[Config, Metadata], Config]]] = {
    "qwen3next": _delta, "qwen35": _delta, "qwen35moe": _delta, "nemotron_h": _nemotron, "nemotron_h_moe": _nemotron,
    "granitehybrid": _granite, "falcon-h1": _mamba2, "mamba2": _mamba2_alone, "mamba": _mamba1_alone,
    "jamba": _jamba, "lfm2": _short_conv, "lfm2moe": _short_conv,
}  # fmt: skip
"""`general.architecture`: what it states in its own way."""

"""llama.cpp's architectures as model types, and where one states a number under another's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from llmplan.catalogs.checkpoint.gguf_config import Metadata

Config: TypeAlias = dict[str, Any]

ARCHITECTURES: Final = {
    "llama": "llama", "mistral3": "mistral", "smollm3": "smollm3", "minicpm": "minicpm", "baichuan": "baichuan",
    "internlm2": "internlm2", "exaone": "exaone", "exaone4": "exaone4", "hunyuan-dense": "hunyuan_v1_dense",
    "qwen": "qwen", "qwen2": "qwen2", "qwen2vl": "qwen2", "qwen3": "qwen3", "qwen3vl": "qwen3_vl_text",
    "qwen2moe": "qwen2_moe", "qwen3moe": "qwen3_moe", "qwen3vlmoe": "qwen3_vl_moe_text",
    "qwen3next": "qwen3_next", "qwen35": "qwen3_5_text", "qwen35moe": "qwen3_5_moe_text",
    "gemma": "gemma", "gemma2": "gemma2", "gemma3": "gemma3_text", "command-r": "cohere", "cohere2": "cohere2",
    "phi2": "phi", "phi3": "phi3", "phimoe": "phimoe", "olmo2": "olmo2", "stablelm": "stablelm",
    "deepseek2": "deepseek_v3", "glm4": "glm4", "glm4moe": "glm4_moe", "glm-dsa": "glm_moe_dsa",
    "gpt-oss": "gpt_oss", "minimax-m2": "minimax_m2", "granite": "granite", "granitemoe": "granitemoe",
    "granitehybrid": "granitemoehybrid", "llama4": "llama4_text", "nemotron": "nemotron",
    "nemotron_h": "nemotron_h", "nemotron_h_moe": "nemotron_h", "lfm2": "lfm2", "lfm2moe": "lfm2_moe",
    "jamba": "jamba", "mamba": "mamba", "mamba2": "mamba2", "falcon": "falcon", "falcon-h1": "falcon_h1",
    "gpt2": "gpt2", "starcoder": "gpt_bigcode", "starcoder2": "starcoder2", "gptneox": "gpt_neox", "gptj": "gptj",
    "mpt": "mpt", "chatglm": "chatglm", "seed_oss": "seed_oss", "olmoe": "olmoe", "arcee": "arcee",
    "ernie4_5": "ernie4_5", "ernie4_5-moe": "ernie4_5_moe", "hunyuan-moe": "hunyuan_v1_moe", "dots1": "dots1",
}  # fmt: skip
"""`general.architecture`: the model type that describes it. One that no reader knows is refused by that reader."""


def adjusted(config: Config, metadata: Metadata) -> Config:
    """The config with what this architecture states in its own way."""
    for change in _CHANGES:
        config |= change(config, metadata)
    own = _OWN.get(metadata.architecture)
    return config | own(config, metadata) if own else config


def _without_drafts(config: Config, metadata: Metadata) -> Config:
    """`block_count` counts the layers that draft tokens, `num_hidden_layers` does not."""
    layers, drafts = config.get("num_hidden_layers"), config.get("num_nextn_predict_layers") or 0
    return {} if layers is None or not drafts else {"num_hidden_layers": layers - drafts}


def _windows(config: Config, metadata: Metadata) -> Config:
    """Which layers are windowed, where the file states it layer by layer."""
    pattern = metadata.per_layer("attention.sliding_window_pattern")
    if pattern is None or not all(isinstance(item, bool) for item in pattern):
        return {}
    return {"layer_types": ["sliding_attention" if item else "full_attention" for item in pattern]}


def _expert_width(config: Config, metadata: Metadata) -> Config:
    """Families without dense layers state one width only."""
    width = config.get("moe_intermediate_size")
    return {"intermediate_size": width} if width is not None and not config.get("intermediate_size") else {}


_CHANGES: Final = (_without_drafts, _windows, _expert_width)


def _llama(config: Config, metadata: Metadata) -> Config:
    """Mixtral was converted as a llama with experts."""
    return {"model_type": "mixtral"} if config.get("num_experts") else {}


def _latent(config: Config, metadata: Metadata) -> Config:
    """Latent attention: the rope part is stated, the rest of a head follows; older files state heads unabsorbed."""
    rope = metadata.number("rope.dimension_count") or 0
    key = metadata.number("attention.key_length_mla") or metadata.number("attention.key_length") or 0
    value = metadata.number("attention.value_length_mla") or metadata.number("attention.value_length")
    if "kv_lora_rank" not in config or not rope or value is None:
        return {}
    balanced = metadata.has("exp_probs_b.bias") or metadata.has("exp_probs_b")
    found: Config = {
        "qk_rope_head_dim": rope, "qk_nope_head_dim": key - rope, "v_head_dim": value,
        "num_key_value_heads": config.get("num_attention_heads"),
        "q_lora_rank": config.get("q_lora_rank") or None,
    }  # fmt: skip
    if metadata.architecture == "deepseek2" and not balanced:
        found["model_type"] = "deepseek_v2"
    return found


def _falcon(config: Config, metadata: Metadata) -> Config:
    one, two = config.get("num_key_value_heads") == 1, metadata.has("attn_norm_2.weight")
    return {"multi_query": one, "new_decoder_architecture": two, "num_kv_heads": config.get("num_key_value_heads")}


def _one_norm(config: Config, metadata: Metadata) -> Config:
    return {"use_parallel_residual": not metadata.has("ffn_norm.weight")}


def _bigcode(config: Config, metadata: Metadata) -> Config:
    return {"multi_query": config.get("num_key_value_heads") == 1}


def _chatglm(config: Config, metadata: Metadata) -> Config:
    return {"multi_query_attention": config.get("num_key_value_heads") != config.get("num_attention_heads")}


def _llama4(config: Config, metadata: Metadata) -> Config:
    return {
        "intermediate_size_mlp": metadata.number("feed_forward_length"),
        "intermediate_size": metadata.number("expert_feed_forward_length"),
        "moe_layers": sorted(metadata.layers_with("ffn_gate_exps.weight")),
        "use_qk_norm": False,
    }  # fmt: skip


def _sparse(config: Config, metadata: Metadata) -> Config:
    """Which layers are dense is read off the tensors."""
    routed = metadata.layers_with("ffn_gate_inp.weight")
    layers = config.get("num_hidden_layers") or 0
    dense = [index for index in range(min(layers, 2_000)) if index not in routed]
    return {"mlp_only_layers": dense, "decoder_sparse_step": 1}


def _delta(config: Config, metadata: Metadata) -> Config:
    """The gated delta rule, in llama.cpp's words for Mamba; `layer_types` from where attention has queries."""
    heads, inner = metadata.number("ssm.time_step_rank"), metadata.number("ssm.inner_size")
    attends = metadata.layers_with("attn_q.weight")
    layers = config.get("num_hidden_layers") or 0
    found: Config = {
        "linear_conv_kernel_dim": metadata.number("ssm.conv_kernel"),
        "linear_key_head_dim": metadata.number("ssm.state_size"),
        "linear_num_key_heads": metadata.number("ssm.group_count"),
        "linear_num_value_heads": heads,
        "linear_value_head_dim": inner // heads if heads and inner else None,
        "mtp_num_hidden_layers": config.get("num_nextn_predict_layers"),
        "layer_types": [
            "full_attention" if index in attends else "linear_attention" for index in range(min(layers, 2_000))
        ],
    }  # fmt: skip
    return found | (_sparse(config, metadata) if config.get("num_experts") else {})


def _recurrent(config: Config, metadata: Metadata) -> Config:
    """Mamba's sizes under the names that its families use."""
    heads, inner = metadata.number("ssm.time_step_rank"), metadata.number("ssm.inner_size")
    groups, state = metadata.number("ssm.group_count"), metadata.number("ssm.state_size")
    taps, width = metadata.number("ssm.conv_kernel"), inner // heads if heads and inner else None
    hidden = config.get("hidden_size")
    return {
        "mamba_num_heads": heads, "mamba_head_dim": width, "n_groups": groups, "ssm_state_size": state,
        "conv_kernel": taps, "mamba_n_heads": heads, "mamba_d_head": width, "mamba_n_groups": groups,
        "mamba_d_state": state, "mamba_d_conv": taps, "mamba_d_ssm": inner, "num_heads": heads, "state_size": state,
        "mamba_expand": inner // hidden if inner and hidden else None, "mamba_dt_rank": heads,
        "expand": inner // hidden if inner and hidden else None, "time_step_rank": heads,
    }  # fmt: skip


def _nemotron_h(config: Config, metadata: Metadata) -> Config:
    """A layer is a recurrence, an attention, a feed-forward or experts, as its tensors show."""
    kinds = (("M", "ssm_in.weight"), ("*", "attn_q.weight"), ("E", "ffn_gate_inp.weight"), ("-", "ffn_up.weight"))
    holders = [(letter, metadata.layers_with(name)) for letter, name in kinds]
    layers = range(min(config.get("num_hidden_layers") or 0, 2_000))
    pattern = "".join(next((letter for letter, held in holders if index in held), "-") for index in layers)
    return {**_recurrent(config, metadata), "hybrid_override_pattern": pattern}


def _mixed(recurrent: str, attention: str) -> Callable[[Config, Metadata], Config]:
    def change(config: Config, metadata: Metadata) -> Config:
        attends = metadata.layers_with("attn_q.weight")
        layers = range(min(config.get("num_hidden_layers") or 0, 2_000))
        kinds = [attention if index in attends else recurrent for index in layers]
        return {**_recurrent(config, metadata), "layer_types": kinds, "layers_block_type": kinds}

    return change


_OWN: Final[dict[str, Callable[[Config, Metadata], Config]]] = {
    "llama": _llama, "deepseek2": _latent, "glm-dsa": _latent, "falcon": _falcon, "stablelm": _one_norm,
    "starcoder": _bigcode, "chatglm": _chatglm, "llama4": _llama4, "qwen2moe": _sparse, "qwen3moe": _sparse,
    "qwen3vlmoe": _sparse, "qwen3next": _delta, "qwen35": _delta, "qwen35moe": _delta,
    "nemotron_h": _nemotron_h, "nemotron_h_moe": _nemotron_h,
    "granitehybrid": _mixed("mamba", "attention"),
    "lfm2": _mixed("conv", "full_attention"),
    "lfm2moe": _mixed("conv", "full_attention"),
}  # fmt: skip

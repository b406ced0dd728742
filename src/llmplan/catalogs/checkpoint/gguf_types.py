"""llama.cpp's architectures as model types, and where one states a number under another's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from llmplan.catalogs.checkpoint.gguf_metadata import Config, Metadata
from llmplan.catalogs.checkpoint.gguf_recurrent import MAX_LAYERS, RECURRENT, dense_layers

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


def _olmo(config: Config, metadata: Metadata) -> Config:
    """The third generation was converted as the second with a window."""
    return {"model_type": "olmo3"} if config.get("sliding_window") else {}


def _qwen(config: Config, metadata: Metadata) -> Config:
    """The first Qwen states the width of both halves of its MLP together."""
    up = metadata.shapes.get("ffn_up.weight", ())
    return {"intermediate_size": 2 * up[0]} if len(up) > 1 else {}


def _mistral(config: Config, metadata: Metadata) -> Config:
    """No window stated is no window, whatever the class had once."""
    return {"sliding_window": config.get("sliding_window")}


def _sparse_latent(config: Config, metadata: Metadata) -> Config:
    """Which layers have an index of their own shows in the tensors."""
    indexed = metadata.layers_with("indexer.attn_k.weight")
    layers = range(min(config.get("num_hidden_layers") or 0, MAX_LAYERS))
    return {
        **_latent(config, metadata), "indexer_types": ["full" if index in indexed else "shared" for index in layers]
    }  # fmt: skip


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


_OWN: Final[dict[str, Callable[[Config, Metadata], Config]]] = {
    "llama": _llama, "olmo2": _olmo, "qwen": _qwen, "deepseek2": _latent, "glm-dsa": _sparse_latent, "falcon": _falcon,
    "stablelm": _one_norm, "mistral3": _mistral,
    "starcoder": _bigcode, "chatglm": _chatglm, "llama4": _llama4, "qwen2moe": dense_layers, "qwen3moe": dense_layers,
    "qwen3vlmoe": dense_layers, **RECURRENT,
}  # fmt: skip

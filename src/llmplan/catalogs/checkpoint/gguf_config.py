"""A GGUF file's metadata as the keys of a config.json, so that one reader builds every model."""

from __future__ import annotations

from typing import Any, Final

from llmplan.catalogs.checkpoint.gguf_metadata import Metadata
from llmplan.catalogs.checkpoint.gguf_types import ARCHITECTURES, adjusted
from llmplan.catalogs.checkpoint.header import Checkpoint, clip
from llmplan.catalogs.hf_config.descend import near_types
from llmplan.errors import DataError, UnsupportedModelError

ARCHITECTURE: Final = "general.architecture"

_KEYS: Final = {
    "block_count": ("num_hidden_layers",),
    "context_length": ("max_position_embeddings",),
    "embedding_length": ("hidden_size",),
    "feed_forward_length": ("intermediate_size",),
    "attention.head_count": ("num_attention_heads",),
    "attention.head_count_kv": ("num_key_value_heads",),
    "attention.key_length": ("head_dim",),
    "attention.q_lora_rank": ("q_lora_rank",),
    "attention.kv_lora_rank": ("kv_lora_rank",),
    "attention.indexer.head_count": ("index_n_heads",),
    "attention.indexer.key_length": ("index_head_dim",),
    "attention.indexer.top_k": ("index_topk",),
    "expert_count": ("num_experts", "num_local_experts", "n_routed_experts"),
    "expert_used_count": ("num_experts_per_tok",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
    "expert_shared_feed_forward_length": ("shared_expert_intermediate_size",),
    "expert_shared_count": ("n_shared_experts",),
    "leading_dense_block_count": ("first_k_dense_replace",),
    "interleave_moe_layer_step": ("interleave_moe_layer_step",),
    "nextn_predict_layers": ("num_nextn_predict_layers",),
    "full_attention_interval": ("full_attention_interval",),
    "shortconv.l_cache": ("conv_L_cache",),
}  # fmt: skip
"""Keys below the architecture's name, and the config keys that mean the same."""


def gguf_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """The config that a GGUF file's metadata amounts to. What only tensors show (biases, a tied head) is read off them.

    The context is the file's own: engines of GGUF files take no scaling on top of it.
    """
    metadata = _metadata(checkpoint)
    model_type = ARCHITECTURES.get(metadata.architecture)
    if model_type is None:
        raise UnsupportedModelError(
            f"{checkpoint.where}: GGUF architecture {clip(metadata.architecture, 60)!r} is not one that is read",
            hints=[
                *near_types(metadata.architecture, ARCHITECTURES),
                "or put the model's own config.json beside the file",
            ],
        )
    config: dict[str, Any] = {"model_type": model_type, "architectures": [metadata.architecture]}
    for key, names in _KEYS.items():
        value = metadata.number(key)
        if value is not None:
            config |= dict.fromkeys(names, value)
    window = metadata.number("attention.sliding_window")
    if window:
        config["sliding_window"] = window
    config |= _shown_by_tensors(metadata)
    return adjusted(config, metadata)


def _metadata(checkpoint: Checkpoint) -> Metadata:
    architecture = checkpoint.metadata.get(ARCHITECTURE)
    if not isinstance(architecture, str):
        raise DataError(
            f"{checkpoint.where}: metadata key `{ARCHITECTURE}`: missing, so that nothing else is known",
            hints=[
                "convert the model again with a current llama.cpp",
                "or put the model's config.json beside the file",
            ],
        )
    shapes = {}
    for tensor in checkpoint.tensors:
        shapes[tensor.name] = tensor.shape
        block, _, rest = tensor.name.partition(".")
        if block == "blk":
            shapes.setdefault(rest.partition(".")[2], tensor.shape)
    return Metadata(
        where=checkpoint.where, architecture=architecture, values=checkpoint.metadata, shapes=shapes
    )  # fmt: skip


def _shown_by_tensors(metadata: Metadata) -> dict[str, Any]:
    """What a config states and a GGUF file leaves to its tensors."""
    embedding = metadata.shapes.get("token_embd.weight")
    if embedding is None or len(embedding) != 2:
        raise DataError(
            f"{metadata.where}: tensor 'token_embd.weight' is not there, so this is no language model",
            hints=["of a split file, name the first part"],
        )
    biased = metadata.has("attn_q.bias") or metadata.has("attn_qkv.bias")
    return {
        "vocab_size": embedding[0],
        "tie_word_embeddings": not metadata.has("output.weight"),
        "attention_bias": biased, "qkv_bias": biased, "use_qkv_bias": biased, "add_qkv_bias": biased,
        "add_bias_linear": metadata.has("attn_output.bias"),
        "bias": biased or metadata.has("attn_output.bias"),
        "mlp_bias": metadata.has("ffn_down.bias"),
        "lm_head_bias": metadata.has("output.bias"),
        "use_qk_norm": metadata.has("attn_q_norm.weight"), "qk_layernorm": metadata.has("attn_q_norm.weight"),
    }  # fmt: skip

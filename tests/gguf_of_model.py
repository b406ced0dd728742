"""A model as llama.cpp's converter would write it: tensor names by the `gguf` package, metadata from the config.

The names come from the package's own map of Hugging Face modules, so that they are nobody's idea of ours. What its
converter does beyond renaming (fused experts and projections are cut in two, parameters without suffix get one) is
written down in `_cut` and `_SUFFIXED`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import gguf

from checkpoint_files import F32, Q4_K, Q6_K, Q8_0, GgufShapes
from llmplan.catalogs.checkpoint.entries import DECODER, Entry, entries
from llmplan.spec.model import DenseFeedForward, GqaAttention, MlaAttention, ModelSpec, MoeFeedForward

_ARCHES: Final = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
_PREFIXES: Final = ("", "model.language_model.", "language_model.", "transformer.")
_SUFFIXED: Final = {"dt_bias": "ssm_dt.bias", "e_score_correction_bias": "exp_probs_b.bias"}
_IN_MIXERS: Final = {
    "gate": "ffn_gate_inp", "experts.up_proj": "ffn_up_exps", "experts.down_proj": "ffn_down_exps",
    "shared_experts.up_proj": "ffn_up_shexp", "shared_experts.down_proj": "ffn_down_shexp",
    "fc1_latent_proj": "ffn_latent_down", "fc2_latent_proj": "ffn_latent_up",
}  # fmt: skip


def gguf_shapes(model: ModelSpec, architecture: str) -> tuple[GgufShapes, list[str]]:
    """The decoder's tensors under llama.cpp's names, and those that the package has no name for."""
    every = [entry for entry in entries(model) if entry.part == DECODER]
    blocks = max(max(entry.layers, default=0) for entry in every if entry.layers) + 1
    names = gguf.get_tensor_name_map(_ARCHES[architecture], blocks)
    found: GgufShapes = {}
    nameless: list[str] = []
    for entry in every:
        for layer in entry.layers or (None,):
            path = entry.tensor.name.replace(".{e}", "").replace("{i}", str(layer))
            if not _add(found, entry, layer, path, names):
                nameless.append(path)
    return found, nameless


def _add(found: GgufShapes, entry: Entry, layer: int | None, path: str, names: gguf.TensorNameMap) -> bool:
    shape, copies = entry.tensor.shape, entry.tensor.copies
    name = _named(path, layer, names)
    if name is None:
        cut = list(_cut(entry, layer, path, found))
        for part, size in cut:
            found[part] = (_kind(part, layer, size), size)
        return bool(cut)
    shape = shape if copies == 1 else (copies, *shape)
    if name in found:
        shape = (found[name][1][0] + shape[0], *shape[1:])
    found[name] = (_kind(name, layer, shape), shape)
    return True


def _named(path: str, layer: int | None, names: gguf.TensorNameMap) -> str | None:
    for prefix in _PREFIXES:
        inner = path.removeprefix(prefix)
        for candidate in (inner, f"model.{inner}"):
            if name := names.get_name(candidate, try_suffixes=(".weight", ".bias")):
                return str(name)
    leaf = path.rpartition(".")[2]
    if leaf in _SUFFIXED:
        return f"blk.{layer}.{_SUFFIXED[leaf]}"
    mixer = _IN_MIXERS.get(path.partition(".mixer.")[2].rpartition(".")[0])
    return f"blk.{layer}.{mixer}.{leaf}" if mixer else None


def _cut(entry: Entry, layer: int | None, path: str, found: GgufShapes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Fused experts are stored as gate and up, fused projections of some families as q, k and v."""
    shape, copies, suffix = entry.tensor.shape, entry.tensor.copies, path.rpartition(".")[2]
    block = f"blk.{layer}"
    if "gate_up_proj" in path or "input_linear" in path:
        for way in ("gate", "up"):
            yield f"{block}.ffn_{way}_exps.{suffix}", (copies, shape[0] // 2, *shape[1:])
    elif "W_pack" in path or "wqkv" in path:
        own = "qkv" if shape[0] == 3 * shape[1] else "q"
        parts = "kv" if entry.tensor.shard == "kv_column" else own
        for part in parts:
            yield f"{block}.attn_{part}.{suffix}", (shape[0] // len(parts), *shape[1:])


def _kind(name: str, layer: int | None, shape: tuple[int, ...]) -> gguf.GGMLQuantizationType:
    """A mix, so that layers differ: values of odd layers in Q6_K."""
    if len(shape) < 2 or "norm" in name or shape[-1] % 32:
        return F32
    if shape[-1] % 256:
        return Q8_0
    return Q6_K if layer is not None and layer % 2 and "attn_v" in name else Q4_K


def gguf_metadata(config: Mapping[str, Any], model: ModelSpec, architecture: str) -> dict[str, Any]:
    """What the converter states of a model."""
    text = {**config, **(config.get("text_config") or {})}
    drafts = text.get("num_nextn_predict_layers") or 0
    stated: dict[str, Any] = {
        "block_count": model.layer_count + (drafts if model.draft else 0), "nextn_predict_layers": drafts or None,
        "context_length": model.max_context_tokens, "embedding_length": model.hidden_size,
        **_attention(model), **_feed_forward(model, text, architecture), **_recurrence(model, text, architecture),
    }  # fmt: skip
    known = {f"{architecture}.{key}": value for key, value in stated.items() if value is not None}
    return {"general.architecture": architecture, "general.file_type": 15} | known


def _attention(model: ModelSpec) -> dict[str, Any]:
    mixers = [mixer for mixer in model.mixers() if isinstance(mixer, GqaAttention | MlaAttention)]
    if not mixers:
        return {}
    mixer = mixers[0]
    windows = [each.window_tokens for each in mixers if each.window_tokens]
    stated: dict[str, Any] = {
        "attention.head_count": mixer.query_heads, "attention.sliding_window": max(windows, default=None),
    }  # fmt: skip
    if isinstance(mixer, GqaAttention):
        return stated | {
            "attention.head_count_kv": mixer.kv_heads, "attention.key_length": mixer.head_dim,
            "attention.value_length": mixer.v_head_dim, "rope.dimension_count": mixer.head_dim,
        }  # fmt: skip
    return stated | {
        "attention.head_count_kv": 1, "attention.key_length": mixer.kv_lora_rank + mixer.qk_rope_head_dim,
        "attention.value_length": mixer.kv_lora_rank, "attention.value_length_mla": mixer.v_head_dim,
        "attention.key_length_mla": mixer.qk_nope_head_dim + mixer.qk_rope_head_dim,
        "attention.kv_lora_rank": mixer.kv_lora_rank, "attention.q_lora_rank": mixer.q_lora_rank,
        "rope.dimension_count": mixer.qk_rope_head_dim,
    }  # fmt: skip


def _feed_forward(model: ModelSpec, text: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    feeds = [group.feed_forward for group in model.layers if group.feed_forward]
    dense = next((each for each in feeds if isinstance(each, DenseFeedForward)), None)
    routed = next((each for each in feeds if isinstance(each, MoeFeedForward)), None)
    width = dense.intermediate_size if dense else text.get("intermediate_size")
    stated: dict[str, Any] = {"feed_forward_length": text.get("intermediate_size_mlp", width)}
    if architecture == "qwen":
        stated["feed_forward_length"] = text["intermediate_size"]
    if architecture == "nemotron_h":
        widths = [0] * model.layer_count
        for group in model.layers:
            for index in group.indices if isinstance(group.feed_forward, DenseFeedForward) else ():
                widths[index] = group.feed_forward.intermediate_size  # type: ignore[union-attr]
        stated["feed_forward_length"] = widths
    if routed is None:
        return stated
    stated |= {
        "expert_count": routed.experts, "expert_used_count": routed.experts_per_token,
        "expert_feed_forward_length": None if model.model_type == "mixtral" else routed.expert_intermediate_size,
        "leading_dense_block_count": text.get("first_k_dense_replace", text.get("num_dense_layers")),
        "moe_latent_size": text.get("moe_latent_size"),
        "interleave_moe_layer_step": text.get("interleave_moe_layer_step"),
    }  # fmt: skip
    shared = routed.shared_intermediate_size
    if shared and architecture.startswith(("qwen", "nemotron", "granite")):
        one = text.get("moe_shared_expert_intermediate_size", shared)
        stated |= {"expert_shared_feed_forward_length": one, "expert_shared_count": text.get("n_shared_experts")}
    elif shared:
        stated["expert_shared_count"] = shared // routed.expert_intermediate_size
    return stated


def _recurrence(model: ModelSpec, text: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    def first(*keys: str) -> Any:
        return next((text[key] for key in keys if text.get(key) not in (None, "auto")), None)

    stated: dict[str, Any] = {"shortconv.l_cache": text.get("conv_L_cache")}
    if architecture.startswith(("qwen3next", "qwen35")):
        heads = text.get("linear_num_value_heads", 32)
        return stated | {
            "ssm.conv_kernel": text.get("linear_conv_kernel_dim", 4), "ssm.time_step_rank": heads,
            "ssm.state_size": text.get("linear_key_head_dim", 128),
            "ssm.group_count": text.get("linear_num_key_heads", 16),
            "ssm.inner_size": heads * text.get("linear_value_head_dim", 128),
        }  # fmt: skip
    state, taps = first("ssm_state_size", "mamba_d_state", "state_size"), first("conv_kernel", "mamba_d_conv")
    if state is None:
        return stated
    stated |= {"ssm.state_size": state, "ssm.conv_kernel": taps}
    heads = first("mamba_num_heads", "mamba_n_heads", "num_heads")
    if heads is None:
        rank = first("mamba_dt_rank", "time_step_rank") or -(-model.hidden_size // 16)
        inner = (first("mamba_expand", "expand") or 2) * model.hidden_size
        return stated | {"ssm.time_step_rank": rank, "ssm.inner_size": inner}
    width = first("mamba_head_dim", "mamba_d_head") or first("mamba_expand") * model.hidden_size // heads
    return stated | {
        "ssm.time_step_rank": heads, "ssm.inner_size": first("mamba_d_ssm") or heads * width,
        "ssm.group_count": first("n_groups", "mamba_n_groups") or 1,
    }  # fmt: skip

"""Gemma 3n and Gemma 4: inputs of each layer from tables, late layers that read an earlier layer's cache.

Both hold a table of `hidden_size_per_layer_input` numbers per token and layer, which the layers mix in. The last
`num_kv_shared_layers` layers have no keys and values of their own. Gemma 3n runs `altup_num_inputs` residual streams
with a low-rank shortcut (laurel). Gemma 4 has larger and fewer KV heads in its full layers, where keys may serve as
values, too (the engines then keep both all the same), and in its mixtures a dense feed-forward beside the experts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, linear, norm
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, MAX_LAYERS, Config, show
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.catalogs.hf_config.windows import every, layer_types
from llmplan.spec.model import GqaAttention, Shard, Tensor, TensorRole

_FOUR_NORMS: Final = (
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm",
)  # fmt: skip
_FULL: Final = "full_attention"


def _kinds(config: Config, period: int) -> tuple[str, ...]:
    """The kind of every layer: as listed, or full at the end of every `period`."""
    listed = layer_types(config)
    if listed is not None:
        return listed
    return tuple("sliding_attention" if (i + 1) % period else _FULL for i in range(config.layers))


def _shares(config: Config, index: int) -> bool:
    """Whether a layer reads an earlier one's cache."""
    shared = config.optional_integer("num_kv_shared_layers", high=MAX_LAYERS) or 0
    if shared > config.layers:
        raise config.fail("num_kv_shared_layers", f"{shared} of {config.layers} layers cannot share")
    return index >= config.layers - shared


def _attention(config: Config, layer: str, window: int | None) -> GqaAttention:
    """Queries with a norm; keys and values unless they are another layer's; values unless they are the keys.

    Checkpoints store the keys and values of late layers, too, which nothing reads; engines load them in Gemma 3n and
    skip them in Gemma 4.
    """
    path, hidden, dim = f"{layer}.self_attn", config.hidden, config.head_dim
    bias, borrowed = config.flag("attention_bias"), config.flag("borrowed_cache")
    width, kv_width = config.heads * dim, config.kv_heads * dim
    tensors = [
        *linear(f"{path}.q_proj", width, hidden, Shard.COLUMN, bias=bias), *norm(f"{path}.q_norm", dim),
    ]  # fmt: skip
    if not borrowed or config.has("skipped_keys"):
        keys = [*linear(f"{path}.k_proj", kv_width, hidden, Shard.KV_COLUMN, bias=bias), *norm(f"{path}.k_norm", dim)]
        if not config.flag("keys_are_values"):
            keys += linear(f"{path}.v_proj", kv_width, hidden, Shard.KV_COLUMN, bias=bias)
        skipped = config.flag("skipped_keys")
        tensors += [replace(tensor, buffer=borrowed, unused=skipped) for tensor in keys]
    tensors += linear(f"{path}.o_proj", hidden, width, Shard.ROW, bias=bias)
    return GqaAttention(
        query_heads=config.heads, kv_heads=config.kv_heads, head_dim=dim, v_head_dim=dim, window_tokens=window,
        borrowed_cache=borrowed, tensors=tuple(tensors),
    )  # fmt: skip


def _layer_inputs(config: Config, layer: str) -> Iterator[Tensor]:
    """The gate and projection by which a layer mixes in its own input."""
    size, hidden = config.optional_integer("hidden_size_per_layer_input") or 0, config.hidden
    if size:
        yield from linear(f"{layer}.per_layer_input_gate", size, hidden, Shard.REPLICATED)
        yield from linear(f"{layer}.per_layer_projection", hidden, size, Shard.REPLICATED)
        yield from norm(f"{layer}.post_per_layer_input_norm", hidden)


def _layer_tables(config: Config, base: str) -> Iterator[Tensor]:
    """The table of all layers' inputs and the projection that is added to it."""
    size, layers = config.optional_integer("hidden_size_per_layer_input") or 0, config.layers
    if size:
        rows = config.integer("vocab_size_per_layer_input")
        yield Tensor(
            name=f"{base}.embed_tokens_per_layer.weight", shape=(rows, layers * size), role=TensorRole.OTHER,
            shard=Shard.VOCAB,
        )  # fmt: skip
        yield from linear(f"{base}.per_layer_model_projection", layers * size, config.hidden, Shard.REPLICATED)
        yield from norm(f"{base}.per_layer_projection_norm", size)


def _layer_3n(config: Config, index: int) -> Mapping[str, Any]:
    """A width per layer, where the file lists them; late layers borrow."""
    found: dict[str, Any] = {"borrowed_cache": True, "skipped_keys": False} if _shares(config, index) else {}
    widths = config.values.get("intermediate_size")
    if isinstance(widths, list | tuple):
        if len(widths) < config.layers:
            raise config.fail("intermediate_size", f"lists {len(widths)} layers of {config.layers}")
        found["intermediate_size"] = replace(config, values={"intermediate_size": widths[index]}).integer(
            "intermediate_size"
        )
    return found


def _streams(config: Config, layer: str) -> Iterator[Tensor]:
    """Alternating updates of several residual streams, the low-rank shortcut, and the layer's own input."""
    inputs, hidden = config.integer("altup_num_inputs", high=64), config.hidden
    path, rank = f"{layer}.altup", config.integer("laurel_rank")
    yield Tensor(
        name=f"{path}.correct_output_scale", shape=(hidden,), role=TensorRole.OTHER, shard=Shard.REPLICATED
    )  # fmt: skip
    yield from linear(f"{path}.correction_coefs", inputs, inputs, Shard.REPLICATED)
    yield from linear(f"{path}.prediction_coefs", inputs**2, inputs, Shard.REPLICATED)
    yield from linear(f"{path}.modality_router", inputs, hidden, Shard.REPLICATED)
    yield from norm(f"{path}.router_norm", hidden)
    yield from linear(f"{layer}.laurel.linear_left", rank, hidden, Shard.REPLICATED)
    yield from linear(f"{layer}.laurel.linear_right", hidden, rank, Shard.REPLICATED)
    yield from norm(f"{layer}.laurel.post_laurel_norm", hidden)
    yield from _layer_inputs(config, layer)


def _stream_projections(config: Config, base: str) -> Iterator[Tensor]:
    """Projections into the further residual streams and out of them."""
    yield from _layer_tables(config, base)
    for number in range(config.integer("altup_num_inputs", high=64) - 1):
        yield from linear(f"{base}.altup_projections.{number}", config.hidden, config.hidden, Shard.REPLICATED)
        yield from linear(f"{base}.altup_unembed_projections.{number}", config.hidden, config.hidden, Shard.REPLICATED)


def _layer_4(config: Config, index: int) -> Mapping[str, Any]:
    """Full layers have heads of their own; late layers borrow and may be twice as wide."""
    found: dict[str, Any] = {}
    if _shares(config, index):
        found |= {"borrowed_cache": True, "skipped_keys": True}
        if config.flag("use_double_wide_mlp"):
            found["intermediate_size"] = 2 * config.integer("intermediate_size")
    full = _kinds_4(config)[index] == _FULL
    if full and config.flag("attention_k_eq_v"):
        found["keys_are_values"] = True
    heads = _stated_heads(config, index) if config.has("per_layer_config") else _global_heads(config, full)
    return {**found, **heads}


def _global_heads(config: Config, full: bool) -> Mapping[str, Any]:
    """Heads of full layers; fewer of them only where keys are values."""
    if not full:
        return {}
    kv = config.optional_integer("num_global_key_value_heads", low=1, high=MAX_HEADS)
    fewer = {"num_key_value_heads": kv} if kv is not None and config.flag("attention_k_eq_v") else {}
    return {"head_dim": config.integer("global_head_dim"), **fewer}


def _stated_heads(config: Config, index: int) -> Mapping[str, Any]:
    """Heads as newer files state them, by the number of the layer, which may have zeros before it."""
    layers = config.mapping("per_layer_config")
    stated: Any = next((layers[key] for key in layers if str(key).lstrip("0") == str(index or "")), {})
    if not isinstance(stated, Mapping):
        raise config.fail(f"per_layer_config.{index}", f"expected an object, got {show(stated)}")
    own = Config(where=f"{config.where}: per_layer_config.{index}", values=stated)
    return {key: own.integer(key) for key in ("head_dim", "num_key_value_heads") if own.has(key)}


def _kinds_4(config: Config) -> tuple[str, ...]:
    """The last layer is full, whatever the file lists."""
    return (*_kinds(config, 6)[:-1], _FULL)


def _windows_4(config: Config) -> tuple[int | None, ...]:
    windows = every(6)(config)
    return (*windows[:-1], None)


def _beside_4(config: Config, layer: str) -> Iterator[Tensor]:
    """A scale of the layer's output, the layer's own input, and the norms of a mixture."""
    yield Tensor(
        name=f"{layer}.layer_scalar", shape=(1,), role=TensorRole.OTHER, shard=Shard.REPLICATED, buffer=True
    )  # fmt: skip
    yield from _layer_inputs(config, layer)
    if config.flag("enable_moe_block"):
        for name in ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"):
            yield from norm(f"{layer}.{name}", config.hidden)


def _router_scales(config: Config, layer: str) -> Iterator[Tensor]:
    for name, size in (("scale", config.hidden), ("per_expert_scale", config.integer("num_experts"))):
        yield Tensor(
            name=f"{layer}.router.{name}", shape=(size,), role=TensorRole.OTHER, shard=Shard.REPLICATED
        )  # fmt: skip


_STYLE: Final = Style(
    attention_of=_attention, norms=_FOUR_NORMS, windows=every(5), at_layer=_layer_3n, extra=_streams,
    extra_globals=_stream_projections,
)  # fmt: skip
_MIXTURE: Final = Moe(
    path="", router="router.proj", experts="experts", names=MlpNames(gate="gate_up_proj", up="gate_up_proj"),
    chosen_key="top_k_experts", extra=_router_scales, shared_path="mlp",
    shared_size=lambda config: config.integer("intermediate_size"),
    is_moe=lambda config: (config.flag("enable_moe_block"),) * config.layers,
)  # fmt: skip
_GEMMA4: Final = replace(
    _STYLE, windows=_windows_4, at_layer=_layer_4, extra=_beside_4, extra_globals=_layer_tables, moe=_MIXTURE
)
_DEFAULTS: Final = {
    "tie_word_embeddings": True, "head_dim": 256, "sliding_window": 512, "hidden_size_per_layer_input": 256,
    "vocab_size_per_layer_input": 262144,
}  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("gemma3n_text",), style=_STYLE, states_scaled_length=True,
        defaults={
            **_DEFAULTS, "num_kv_shared_layers": 15, "altup_num_inputs": 4, "laurel_rank": 64,
            "max_position_embeddings": 32768,
        },
    ),
    Family(model_types=("gemma4_text",), defaults={**_DEFAULTS, "global_head_dim": 512}, style=_GEMMA4),
    Family(
        model_types=("gemma4_unified_text",), style=_GEMMA4,
        defaults={"tie_word_embeddings": True, "head_dim": 256, "sliding_window": 1024, "global_head_dim": 512},
    ),
)  # fmt: skip

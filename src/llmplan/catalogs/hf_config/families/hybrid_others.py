"""OLMo Hybrid (delta rule), RecurrentGemma (gated linear recurrence) and PLaMo 2 (Mamba 2 with norms inside)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import Heads, MlpNames, QkvNames, gqa, linear, norm
from llmplan.catalogs.hf_config.layer_lists import listed
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, MAX_LAYERS, MAX_TOKENS, Config, show
from llmplan.catalogs.hf_config.recurrent import conv1d, vector
from llmplan.catalogs.hf_config.recurrent_keys import delta_sizes, taps
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Style
from llmplan.catalogs.hf_config.windows import Windows
from llmplan.spec.model import (
    GqaAttention,
    RecurrentKind,
    RecurrentMixer,
    Shard,
    State,
    Tensor,
    TensorRole,
)  # fmt: skip

_FUSED: Final = MlpNames(gate="gate_up_proj", up="gate_up_proj")


def _olmo_mixers(config: Config) -> tuple[LayerMixers, ...]:
    """`layer_types`, or attention in every fourth layer, at least in the last."""
    kinds = listed(config, "layer_types")
    if kinds is not None:
        return tuple(("recurrent",) if kind == "linear_attention" else ("attention",) for kind in kinds)
    last = config.layers - 1
    return tuple(
        ("attention",) if i % 4 == 3 or (i == last and last < 3) else ("recurrent",) for i in range(config.layers)
    )  # fmt: skip


def _olmo(config: Config, layer: str) -> RecurrentMixer:
    """The delta rule with a projection and a convolution each for queries, keys and values."""
    path, hidden, sizes = f"{layer}.linear_attn", config.hidden, delta_sizes(config)
    keys, values = sizes.groups * sizes.key_dim, sizes.inner
    tensors: list[Tensor] = []
    for name, width, shard in (("q", keys, Shard.KV_COLUMN), ("k", keys, Shard.KV_COLUMN), ("v", values, Shard.COLUMN)):
        tensors += linear(f"{path}.{name}_proj", width, hidden, shard)
        tensors += conv1d(f"{path}.{name}_conv1d", width, sizes.taps, bias=False, shard=shard)
    tensors += [
        *linear(f"{path}.a_proj", sizes.heads, hidden, Shard.COLUMN),
        *linear(f"{path}.b_proj", sizes.heads, hidden, Shard.COLUMN),
        *linear(f"{path}.g_proj", values, hidden, Shard.COLUMN),
        vector(f"{path}.A_log", sizes.heads),
        vector(f"{path}.dt_bias", sizes.heads),
        *norm(f"{path}.o_norm", sizes.value_dim),
        *linear(f"{path}.o_proj", hidden, values, Shard.ROW),
    ]
    return RecurrentMixer(
        kind=RecurrentKind.GATED_DELTA, heads=sizes.heads, kv_heads=sizes.groups, key_dim=sizes.key_dim,
        value_dim=sizes.value_dim, conv_width=sizes.taps, states=sizes.states(None), tensors=tuple(tensors),
    )  # fmt: skip


def _olmo_sizes(config: Config) -> Mapping[str, Any]:
    """As many heads as attention has; a key of three quarters of a head, a value of twice the key."""
    keys = config.optional_integer("linear_num_key_heads", low=1, high=MAX_HEADS) or config.heads
    values = config.optional_integer("linear_num_value_heads", low=1, high=MAX_HEADS) or config.heads
    key_dim = config.optional_integer("linear_key_head_dim", low=1) or 3 * config.hidden // (4 * keys)
    value_dim = config.optional_integer("linear_value_head_dim", low=1) or 2 * key_dim
    return {
        "linear_num_key_heads": keys, "linear_num_value_heads": values, "linear_key_head_dim": key_dim,
        "linear_value_head_dim": value_dim,
    }  # fmt: skip


def _attends(config: Config, index: int) -> Mapping[str, Any]:
    return {"attends": _olmo_mixers(config)[index] == ("attention",)}


def _olmo_norms(config: Config, style: Style) -> Style:
    """Attention and what feeds on it are normed behind themselves, layers of recurrence before each half."""
    if config.flag("attends"):
        return style
    return replace(style, norms=("input_layernorm", "post_attention_layernorm"))


def _griffin_kinds(config: Config) -> tuple[str, ...]:
    """`block_types`, repeated over the stack."""
    kinds = config.items("block_types") or ()
    if not kinds:
        raise config.fail("block_types", "empty; without it the kinds of the layers are unknown")
    for kind in kinds:
        if kind not in ("recurrent", "attention"):
            raise config.fail("block_types", f"a layer of kind {show(kind)} is not read")
    return tuple(str(kinds[i % len(kinds)]) for i in range(config.layers))


def _griffin_mixers(config: Config) -> tuple[LayerMixers, ...]:
    return tuple(("attention",) if kind == "attention" else ("recurrent",) for kind in _griffin_kinds(config))


def _griffin_windows(config: Config) -> Windows:
    """All attention is windowed."""
    return (config.integer("attention_window_size", high=MAX_TOKENS),) * config.layers


def _griffin(config: Config, layer: str) -> RecurrentMixer:
    """A gated recurrence of one number per channel, whose gates are one matrix per head."""
    path, hidden = f"{layer}.temporal_block", config.hidden
    width, heads = config.optional_integer("lru_width", low=1) or hidden, config.heads
    if width % heads:
        raise config.fail("lru_width", f"{width} is not a multiple of the {heads} heads")
    block, steps = width // heads, taps(config, "conv1d_width")
    gates = {f"{name}_gate_{part}": shape for name in ("input", "recurrent")
             for part, shape in (("weight", (heads, block, block)), ("bias", (heads, block)))}  # fmt: skip
    tensors = (
        *linear(f"{path}.linear_y", width, hidden, Shard.COLUMN, bias=True),
        *linear(f"{path}.linear_x", width, hidden, Shard.COLUMN, bias=True),
        *linear(f"{path}.linear_out", hidden, width, Shard.ROW, bias=True),
        *conv1d(f"{path}.conv_1d", width, steps, bias=True),
        vector(f"{path}.rg_lru.recurrent_param", width),
        *(Tensor(name=f"{path}.rg_lru.{name}", shape=shape, role=TensorRole.OTHER, shard=Shard.COLUMN)
          for name, shape in gates.items()),
    )  # fmt: skip
    return RecurrentMixer(
        kind=RecurrentKind.LINEAR, heads=width, kv_heads=1, key_dim=1, value_dim=1, conv_width=steps,
        states=(State(heads=width, elements=steps - 1), State(heads=width, elements=1, dtype="fp32")), tensors=tensors,
    )  # fmt: skip


def _plamo_mixers(config: Config) -> tuple[LayerMixers, ...]:
    """One layer of attention in the middle of every `mamba_step`; a stack too short for one has it at the end."""
    step = config.integer("mamba_step", low=2, high=MAX_LAYERS)
    half, last = step // 2, config.layers - 1
    attends = (i == last if config.layers <= half else i % step == half for i in range(config.layers))
    return tuple(("attention",) if there else ("recurrent",) for there in attends)


def _plamo(config: Config, layer: str) -> RecurrentMixer:
    """Mamba 2 whose keys, queries and time steps come out of a projection of the convolved values, and are normed."""
    path, hidden = f"{layer}.mixer", config.hidden
    heads, dim = config.integer("mamba_num_heads", high=MAX_HEADS), config.integer("hidden_size_per_head")
    inner, state, rank = heads * dim, config.integer("mamba_d_state"), max(64, hidden // 16)
    steps = taps(config, "mamba_d_conv")
    tensors = (
        *linear(f"{path}.in_proj", 2 * inner, hidden, Shard.COLUMN),
        *conv1d(f"{path}.conv1d", inner, steps, bias=False),
        *linear(f"{path}.bcdt_proj", rank + 2 * state, inner, Shard.ROW),
        *linear(f"{path}.dt_proj", heads, rank, Shard.COLUMN),
        *(vector(f"{path}.{name}", heads) for name in ("dt_bias", "A_log", "D")),
        *(vector(f"{path}.{name}_norm_weight", size, shard=Shard.REPLICATED)
          for name, size in (("dt", rank), ("B", state), ("C", state))),
        *linear(f"{path}.out_proj", hidden, inner, Shard.ROW),
    )  # fmt: skip
    return RecurrentMixer(
        kind=RecurrentKind.MAMBA2, heads=heads, kv_heads=1, key_dim=state, value_dim=dim, conv_width=steps,
        states=(State(heads=heads, elements=dim * (steps - 1)), State(heads=heads, elements=state * dim)),
        tensors=tensors,
    )  # fmt: skip


def _plamo_attention(config: Config, layer: str, window: int | None) -> GqaAttention:
    """Norms of queries and keys have weights of their own for every head."""
    path = f"{layer}.mixer"
    heads = Heads(query=config.heads, kv=config.kv_heads, dim=config.integer("hidden_size_per_head"))
    norms = (
        vector(f"{path}.q_weight", heads.query * heads.dim),
        vector(f"{path}.k_weight", heads.kv * heads.dim, shard=Shard.KV_COLUMN),
    )
    return gqa(path, config.hidden, heads, names=QkvNames(fused="qkv_proj"), extra=norms)


FAMILIES: Final = (
    Family(
        model_types=("olmo_hybrid",), derive=_olmo_sizes,
        defaults={
            "tie_word_embeddings": False, "attention_bias": False, "linear_conv_kernel_dim": 4,
            "max_position_embeddings": 65536,
        },
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="full", mixers=_olmo_mixers,
            recurrent_of=_olmo, layer_kinds=frozenset({"linear_attention"}), at_layer=_attends, vary=_olmo_norms,
            norms=("post_attention_layernorm", "post_feedforward_layernorm"),
        ),
    ),
    Family(
        model_types=("recurrent_gemma",),
        defaults={
            "tie_word_embeddings": True, "attention_bias": False, "attention_window_size": 2048, "conv1d_width": 4,
            "block_types": ("recurrent", "recurrent", "attention"), "max_position_embeddings": 8192,
        },
        style=Style(
            attention="temporal_block", out_bias=True, qkv_bias="attention_bias", mixers=_griffin_mixers,
            recurrent_of=_griffin, windows=_griffin_windows, norms=("temporal_pre_norm", "channel_pre_norm"),
            final_norm="final_norm", mlp_path="mlp_block", mlp_bias=True,
            mlp_size=lambda config: config.integer("intermediate_size", low=2) // 2,
        ),
    ),
    Family(
        model_types=("plamo2",),
        defaults={
            "tie_word_embeddings": True, "num_key_value_heads": 4, "hidden_size_per_head": 128, "mamba_d_state": 64,
            "mamba_d_conv": 4, "mamba_num_heads": 64, "mamba_step": 2, "max_position_embeddings": 2048,
        },
        style=Style(
            layers="layers.layers.{i}", mixers=_plamo_mixers, recurrent_of=_plamo, attention_of=_plamo_attention,
            mlp_names=_FUSED, norms=("pre_mixer_norm", "post_mixer_norm", "pre_mlp_norm", "post_mlp_norm"),
        ),
    ),
)  # fmt: skip

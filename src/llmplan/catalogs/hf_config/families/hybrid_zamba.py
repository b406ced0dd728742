"""Zamba 1 and 2: a stack of Mamba layers through which a few attention blocks are threaded again and again.

A block's weights are counted where it is first used; every use has a cache of its own, and in Zamba 2 low-rank
adapters of its own. The block sees the layer's input beside the embedding, so that it is twice as wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import SEPARATE, Heads, MlpNames, gqa, linear, mlp, norm
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, MAX_LAYERS, Config, show
from llmplan.catalogs.hf_config.recurrent import conv1d, mamba2
from llmplan.catalogs.hf_config.recurrent_keys import Mamba2Keys, mamba2_sizes, taps, time_step_rank
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Style
from llmplan.spec.model import (
    DenseFeedForward,
    GqaAttention,
    RecurrentKind,
    RecurrentMixer,
    Shard,
    State,
    Tensor,
    TensorRole,
)  # fmt: skip

_KINDS: Final = "layers_block_type"
_PLAIN: Final = frozenset({"mamba", "linear_attention"})
_SIZES: Final = Mamba2Keys(
    heads="n_mamba_heads", groups="mamba_ngroups", state="mamba_d_state", head_dim=None, taps="mamba_d_conv",
    expand="mamba_expand",
)  # fmt: skip
_SECOND: Final = "m" + "mmmmmh" * 7 + "mmmm" + "h" + "mmm" + "h" + "mm"
"""the class's own order of layers in Zamba 2: m for Mamba, h for a block and Mamba"""


def _hybrid(config: Config) -> tuple[bool, ...]:
    """Which layers use a block."""
    return tuple(kind == "hybrid" for kind in config.values[_KINDS])


def _listed(config: Config, default: Iterable[str]) -> Mapping[str, Any]:
    """The list of layers is their number."""
    key = next((key for key in (_KINDS, "layer_types") if config.items(key)), None)
    kinds = tuple(default) if key is None else config.items(key) or ()
    if not 0 < len(kinds) <= MAX_LAYERS:
        raise config.fail(_KINDS, f"lists {len(kinds)} layers, not 1 to {MAX_LAYERS}")
    for kind in kinds:
        if not isinstance(kind, str) or kind not in _PLAIN | {"hybrid"}:
            raise config.fail(_KINDS, f"a layer of kind {show(kind)} is not read; kinds that are: mamba, hybrid")
    if key is not None and config.has("num_hidden_layers"):
        config.demand_length(key, len(kinds))
    return {_KINDS: kinds, "layer_types": None, "num_hidden_layers": len(kinds)}


def _first(config: Config) -> Mapping[str, Any]:
    period, offset = config.integer("attn_layer_period"), config.integer("attn_layer_offset", low=0)
    after = ("hybrid" if i % period == offset else "mamba" for i in range(max(0, config.layers - 3)))
    return {**_listed(config, ("mamba", "mamba", "hybrid", *after)), **_wide(config)}


def _second(config: Config) -> Mapping[str, Any]:
    found = _listed(config, ("hybrid" if letter == "h" else "mamba" for letter in _SECOND))
    size = config.optional_integer("intermediate_size", low=1) or 4 * config.hidden
    return {**found, **_wide(config), "intermediate_size": size}


def _wide(config: Config) -> Mapping[str, Any]:
    """Attention is twice as wide as the model."""
    wide = config.optional_integer("attention_hidden_size", low=1) or 2 * config.hidden
    if 2 * config.hidden % config.heads:
        raise config.fail("num_attention_heads", f"{config.heads} does not divide twice hidden_size")
    head_dim = config.optional_integer("attention_head_dim", low=1) or 2 * config.hidden // config.heads
    return {"attention_hidden_size": wide, "head_dim": head_dim}


def _mixers(config: Config) -> tuple[LayerMixers, ...]:
    return tuple(("attention", "recurrent") if hybrid else ("recurrent",) for hybrid in _hybrid(config))


def _at_layer(config: Config, index: int) -> Mapping[str, Any]:
    """Which use of a block a layer is, and the layer under which the block's weights are stored."""
    hybrid = _hybrid(config)
    if not hybrid[index]:
        return {"use": None}
    places = [i for i, used in enumerate(hybrid) if used]
    use, blocks = places.index(index), config.integer("num_mem_blocks", high=MAX_LAYERS)
    return {"use": use, "stored_at": places[use % blocks], "is_first": use < blocks}


def _recurrence_path(config: Config, layer: str) -> str:
    return layer if config.values.get("use") is None else f"{layer}.mamba_decoder"


def _mamba2(config: Config, layer: str) -> RecurrentMixer:
    return mamba2(
        f"{_recurrence_path(config, layer)}.mamba", config.hidden, mamba2_sizes(config, _SIZES),
        bias=config.flag("add_bias_linear"),
    )  # fmt: skip


def _mamba1(config: Config, layer: str) -> RecurrentMixer:
    """Zamba 1: Mamba 1 in heads, each with projections of its own."""
    path, hidden = f"{_recurrence_path(config, layer)}.mamba", config.hidden
    inner, state = config.integer("mamba_expand", high=1024) * hidden, config.integer("mamba_d_state")
    heads, width = config.integer("n_mamba_heads", high=MAX_HEADS), taps(config, "mamba_d_conv")
    if inner % heads:
        raise config.fail("n_mamba_heads", f"{heads} does not divide the {inner} channels of the recurrence")
    rank, dim, bias = time_step_rank(config, "mamba_dt_rank"), inner // heads, config.flag("mamba_proj_bias")
    own = {
        "x_proj_weight": (heads, rank + 2 * state, dim), "dt_proj_weight": (heads, dim, rank),
        "dt_proj_bias": (heads, dim), "A_log": (heads, dim, state), "D": (heads, dim),
    }  # fmt: skip
    tensors = (
        *linear(f"{path}.in_proj", 2 * inner, hidden, Shard.COLUMN, bias=bias),
        *conv1d(f"{path}.conv1d", inner, width, bias=config.flag("mamba_conv_bias", True)),
        *(Tensor(name=f"{path}.{name}", shape=shape, role=TensorRole.OTHER, shard=Shard.COLUMN)
          for name, shape in own.items()),
        *linear(f"{path}.out_proj", hidden, inner, Shard.ROW, bias=bias),
    )  # fmt: skip
    return RecurrentMixer(
        kind=RecurrentKind.MAMBA1, heads=inner, kv_heads=1, key_dim=state, value_dim=1, conv_width=width,
        states=(State(heads=inner, elements=width - 1), State(heads=inner, elements=state)), tensors=tensors,
    )  # fmt: skip


def _block_path(config: Config, layer: str) -> str:
    """Where the block that this layer uses is stored."""
    base = layer.replace("{i}", str(config.integer("stored_at", low=0)))
    return f"{base}.{'shared_transf' if config.flag('is_zamba1') else 'shared_transformer'}"


def _attention(config: Config, layer: str, window: int | None) -> GqaAttention:
    path, wide = f"{_block_path(config, layer)}.self_attn", config.integer("attention_hidden_size")
    heads = Heads(query=config.heads, kv=config.kv_heads, dim=config.head_dim)
    mixer = gqa(path, wide, heads, names=SEPARATE)
    inner = heads.query * heads.dim
    own = (*mixer.tensors[:-1], *linear(f"{path}.o_proj", config.hidden, inner, Shard.ROW))
    adapters: list[Tensor] = []
    if config.flag("use_shared_attention_adapter"):
        use, rank = config.integer("use", low=0), config.integer("adapter_rank")
        for name in ("q", "k", "v"):
            adapters += _adapter(f"{path}.linear_{name}_adapter_list.{use}", wide, rank, wide)
    return replace(mixer, tensors=(*(own if config.flag("is_first") else ()), *adapters))


def _adapter(path: str, inputs: int, rank: int, out: int) -> Iterable[Tensor]:
    yield from linear(f"{path}.0", rank, inputs, Shard.REPLICATED)
    yield from linear(f"{path}.1", out, rank, Shard.COLUMN)


def _feeds(config: Config) -> tuple[bool, ...]:
    return _hybrid(config)


def _feed(config: Config, layer: str) -> DenseFeedForward:
    path, hidden, size = (
        f"{_block_path(config, layer)}.feed_forward",
        config.hidden,
        config.integer("intermediate_size"),
    )
    first = config.flag("is_zamba1")
    names = MlpNames() if first else MlpNames(gate="gate_up_proj", up="gate_up_proj")
    own = mlp(path, hidden, size, names, bias=config.flag("add_bias_linear")) if config.flag("is_first") else ()
    adapters: Iterable[Tensor] = ()
    if not first:
        rank, use = config.integer("adapter_rank"), config.integer("use", low=0)
        adapters = _adapter(f"{path}.gate_up_proj_adapter_list.{use}", hidden, rank, 2 * size)
    return DenseFeedForward(intermediate_size=size, tensors=(*own, *adapters))


def _beside(config: Config, layer: str) -> Iterable[Tensor]:
    """The norm before the recurrence; a block's norms, and a matrix behind it of the layer's own."""
    yield from norm(f"{_recurrence_path(config, layer)}.input_layernorm", config.hidden)
    if config.values.get("use") is not None:
        yield from linear(f"{layer}.linear", config.hidden, config.hidden, Shard.COLUMN)
        if config.flag("is_first"):
            path = _block_path(config, layer)
            yield from norm(f"{path}.input_layernorm", config.integer("attention_hidden_size"))
            yield from norm(f"{path}.pre_ff_layernorm", config.hidden)


_STYLE: Final = Style(
    norms=(), final_norm="final_layernorm", mixers=_mixers, at_layer=_at_layer, feeds=_feeds, attention_of=_attention,
    recurrent_of=_mamba2, dense_of=_feed, extra=_beside,
)  # fmt: skip
_DEFAULTS: Final = {"tie_word_embeddings": True, "max_position_embeddings": 4096, "mamba_d_conv": 4, "mamba_expand": 2}

FAMILIES: Final = (
    Family(
        model_types=("zamba",), style=replace(_STYLE, recurrent_of=_mamba1), derive=_first,
        defaults={
            **_DEFAULTS, "is_zamba1": True, "num_mem_blocks": 1, "mamba_d_state": 16, "n_mamba_heads": 2,
            "num_key_value_heads": 16, "attn_layer_period": 6, "attn_layer_offset": 4,
        },
    ),
    Family(
        model_types=("zamba2",), style=_STYLE, derive=_second,
        defaults={
            **_DEFAULTS, "num_mem_blocks": 1, "mamba_d_state": 64, "mamba_ngroups": 1, "n_mamba_heads": 8,
            "adapter_rank": 128, "add_bias_linear": False, "use_shared_attention_adapter": False,
        },
    ),
)  # fmt: skip

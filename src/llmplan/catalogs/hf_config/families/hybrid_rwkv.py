"""RWKV 4 to 7: no attention; every layer mixes time with a recurrence and channels with a gated feed-forward.

A layer also keeps its last input, once before each of its halves, to mix it with the next. The classes of RWKV 5, 6
and 7 came with their checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import linear, norm
from llmplan.catalogs.hf_config.families.hybrid_mamba1 import recurrent_everywhere
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.recurrent import vector
from llmplan.catalogs.hf_config.style import Family, Style
from llmplan.spec.model import DenseFeedForward, RecurrentKind, RecurrentMixer, Shard, State, Tensor, TensorRole

_LARGE: Final = 4096
"""the width from which on RWKV 6 has larger low-rank projections"""


def _width(config: Config) -> int:
    """Width of the recurrence: the model's unless stated."""
    return config.optional_integer("attention_hidden_size", low=1) or config.hidden


def _head_size(config: Config, key: str = "head_size") -> int:
    size = config.integer(key)
    if _width(config) % size:
        raise config.fail(key, f"{size} does not divide the width {_width(config)} of the recurrence")
    return size


def _mixer(config: Config, heads: int, key_dim: int, value_dim: int, tensors: Iterable[Tensor], *,
           numbers: int = 0) -> RecurrentMixer:  # fmt: skip
    """`heads` states of key_dim x value_dim in 32 bit (`numbers` of each head in RWKV 4), and two earlier inputs."""
    size = numbers or key_dim * value_dim
    states = (State(heads=1, elements=2 * config.hidden), State(heads=heads, elements=size, dtype="fp32"))
    return RecurrentMixer(
        kind=RecurrentKind.LINEAR, heads=heads, kv_heads=heads, key_dim=key_dim, value_dim=value_dim, states=states,
        tensors=tuple(tensors),
    )  # fmt: skip


def _shared(path: str, names: Iterable[str], size: int) -> tuple[Tensor, ...]:
    """Vectors of the model's width, on every rank."""
    return tuple(vector(f"{path}.{name}", size, shard=Shard.REPLICATED) for name in names)


def _linears(path: str, names: Iterable[str], out: int, hidden: int, last: str) -> Iterable[Tensor]:
    for name in names:
        yield from linear(f"{path}.{name}", out, hidden, Shard.COLUMN)
    yield from linear(f"{path}.{last}", hidden, out, Shard.ROW)


def _matrix(name: str, *shape: int) -> Tensor:
    return Tensor(name=name, shape=shape, role=TensorRole.OTHER, shard=Shard.REPLICATED)


def _four(config: Config, layer: str) -> RecurrentMixer:
    """RWKV 4: one decay and three numbers of state per channel."""
    path, width, hidden = f"{layer}.attention", _width(config), config.hidden
    tensors = (
        vector(f"{path}.time_decay", width), vector(f"{path}.time_first", width),
        *_shared(path, ("time_mix_key", "time_mix_value", "time_mix_receptance"), hidden),
        *_linears(path, ("key", "value", "receptance"), width, hidden, "output"),
    )  # fmt: skip
    return _mixer(config, width, 1, 1, tensors, numbers=3)


def _five(config: Config, layer: str) -> RecurrentMixer:
    """RWKV 5: heads with a matrix of state, a gate and a norm per head."""
    path, width, hidden, size = f"{layer}.attention", _width(config), config.hidden, _head_size(config)
    mixes = ("time_mix_key", "time_mix_value", "time_mix_receptance", "time_mix_gate")
    tensors = (
        vector(f"{path}.time_decay", width), vector(f"{path}.time_faaaa", width), *_shared(path, mixes, hidden),
        *_linears(path, ("key", "value", "receptance", "gate"), width, hidden, "output"),
        *norm(f"{path}.ln_x", hidden, bias=True),
    )  # fmt: skip
    return _mixer(config, width // size, size, size, tensors)


def _six(config: Config, layer: str) -> RecurrentMixer:
    """RWKV 6: mixes and decays depend on the token through low-rank projections."""
    path, width, hidden, size = f"{layer}.attention", _width(config), config.hidden, _head_size(config)
    mix, decay = (64, 128) if hidden == _LARGE else (32, 64)
    tensors = (
        *_shared(path, (f"time_maa_{letter}" for letter in "xwkvrg"), hidden),
        _matrix(f"{path}.time_maa_w1", hidden, 5 * mix), _matrix(f"{path}.time_maa_w2", 5, mix, hidden),
        vector(f"{path}.time_decay", width),
        _matrix(f"{path}.time_decay_w1", hidden, decay), _matrix(f"{path}.time_decay_w2", decay, width),
        vector(f"{path}.time_faaaa", width),
        *_linears(path, ("receptance", "key", "value", "gate"), width, hidden, "output"),
        *norm(f"{path}.ln_x", hidden, bias=True),
    )  # fmt: skip
    return _mixer(config, width // size, size, size, tensors)


def _rank(config: Config, kind: str, factor: float) -> int:
    """Rank of a low-rank projection: stated, or a multiple of 32 near `factor` times the root of the width."""
    stated = config.optional_integer(f"{kind}_low_rank_dim", low=1)
    return stated or max(32, round(factor * config.hidden**0.5 / 32) * 32)


def _seven(config: Config, layer: str) -> RecurrentMixer:
    """RWKV 7: a delta rule; every gate is a low-rank projection, the first layer has none for values."""
    path, hidden, size = f"{layer}.attn", config.hidden, config.integer("head_dim")
    if hidden % size:
        raise config.fail("head_dim", f"{size} does not divide hidden_size {hidden}")
    values, wide = config.optional_integer("value_width", low=1) or hidden, size / 64
    gates = [
        ("w", hidden, _rank(config, "decay", 2.5 * wide), True),
        ("a", hidden, _rank(config, "a", 2.5 * wide), True),
    ]
    if not config.flag("is_first"):
        gates.append(("v", values, _rank(config, "v", 1.7 * wide), True))
    gates.append(("g", values, _rank(config, "gate", 5.0), False))
    tensors = [
        *_shared(path, (f"x_{letter}" for letter in "rwkvag"), hidden),
        vector(f"{path}.k_k", hidden), vector(f"{path}.k_a", hidden), vector(f"{path}.r_k", hidden),
        *linear(f"{path}.r_proj", hidden, hidden, Shard.COLUMN),
        *linear(f"{path}.k_proj", hidden, hidden, Shard.COLUMN),
        *linear(f"{path}.v_proj", values, hidden, Shard.COLUMN),
        *linear(f"{path}.o_proj", hidden, values, Shard.ROW),
        *norm(f"{path}.g_norm", values, bias=True),
    ]  # fmt: skip
    for name, out, rank, bias in gates:
        tensors += linear(f"{path}.{name}_lora.lora.0", rank, hidden, Shard.REPLICATED)
        tensors += linear(f"{path}.{name}_lora.lora.2", out, rank, Shard.COLUMN, bias=bias)
    heads = hidden // size
    if values % heads:
        raise config.fail("value_dim", f"{values} is not a multiple of the {heads} heads")
    return _mixer(config, heads, size, values // heads, tensors)


def _feed(mixes: tuple[str, ...]) -> Callable[[Config, str], DenseFeedForward]:
    """Two matrices and the gate `receptance`, with the mixes of a version's names."""

    def build(config: Config, layer: str) -> DenseFeedForward:
        path, hidden, size = f"{layer}.feed_forward", config.hidden, config.integer("intermediate_size")
        return DenseFeedForward(
            intermediate_size=size,
            tensors=(
                *_shared(path, mixes, hidden), *linear(f"{path}.key", size, hidden, Shard.COLUMN),
                *linear(f"{path}.receptance", hidden, hidden, Shard.REPLICATED),
                *linear(f"{path}.value", hidden, size, Shard.ROW),
            ),
        )  # fmt: skip

    return build


def _feed_seven(config: Config, layer: str) -> DenseFeedForward:
    path, hidden, size = f"{layer}.ffn", config.hidden, config.integer("intermediate_size")
    return DenseFeedForward(
        intermediate_size=size,
        tensors=(
            *_shared(path, ("x_k",), hidden), *linear(f"{path}.key", size, hidden, Shard.COLUMN),
            *linear(f"{path}.value", hidden, size, Shard.ROW),
        ),
    )  # fmt: skip


def _at_layer(config: Config, index: int) -> Mapping[str, Any]:
    """The first layer norms the embedding."""
    return {"is_first": index == 0}


def _at_layer_seven(config: Config, index: int) -> Mapping[str, Any]:
    """Values may have another width in every layer."""
    widths = config.values.get("value_dim")
    if not isinstance(widths, list | tuple):
        return {"is_first": index == 0, "value_width": config.optional_integer("value_dim", low=1)}
    if len(widths) < config.layers:
        raise config.fail("value_dim", f"lists {len(widths)} layers of {config.layers}")
    width = Config(where=config.where, values={"value_dim": widths[index]}).integer("value_dim")
    return {"is_first": index == 0, "value_width": width}


def _first_norm(name: str) -> Callable[[Config, str], Iterable[Tensor]]:
    def build(config: Config, layer: str) -> Iterable[Tensor]:
        return norm(f"{layer}.{name}", config.hidden, bias=True) if config.flag("is_first") else ()

    return build


def _four_times(config: Config) -> Mapping[str, Any]:
    return {"intermediate_size": config.optional_integer("intermediate_size", low=1) or 4 * config.hidden}


def _three_and_a_half(config: Config) -> Mapping[str, Any]:
    stated = config.optional_integer("intermediate_size", low=1)
    return {"intermediate_size": stated or 7 * config.hidden // 64 * 32}


def _derive_seven(config: Config) -> Mapping[str, Any]:
    """The width is `hidden_ratio` times the model's, rounded up to 32; layers of attention are not read."""
    if config.has("attn"):
        raise config.fail("attn", "layers of attention in RWKV 7 are not read")
    stated = config.optional_integer("intermediate_size", low=1)
    ratio = config.number(config.values, "hidden_ratio", "config") or 4.0
    size = stated or config.derived("hidden_ratio", -(-int(config.hidden * ratio) // 32) * 32)
    return {"intermediate_size": size}


_FOUR: Final = Style(
    base="rwkv", head="head", layers="blocks.{i}", embed="embeddings", final_norm="ln_out", norms=("ln1", "ln2"),
    norm_bias=True, mixers=recurrent_everywhere, recurrent_of=_four, at_layer=_at_layer,
    extra=_first_norm("pre_ln"), dense_of=_feed(("time_mix_key", "time_mix_receptance")),
)  # fmt: skip
_LENGTH: Final = {"max_position_embeddings": "context_length"}

FAMILIES: Final = (
    Family(
        model_types=("rwkv",), style=_FOUR, aliases=_LENGTH, derive=_four_times,
        defaults={"tie_word_embeddings": False, "max_position_embeddings": 1024},
    ),
    Family(
        model_types=("rwkv5",), style=replace(_FOUR, recurrent_of=_five), aliases=_LENGTH, derive=_three_and_a_half,
        defaults={"tie_word_embeddings": False, "max_position_embeddings": 4096, "head_size": 64},
    ),
    Family(
        model_types=("rwkv6",), aliases=_LENGTH, derive=_three_and_a_half,
        style=replace(_FOUR, recurrent_of=_six, dense_of=_feed(("time_maa_k", "time_maa_r"))),
        defaults={"tie_word_embeddings": False, "max_position_embeddings": 4096, "head_size": 64},
    ),
    Family(
        model_types=("rwkv7",), derive=_derive_seven,
        defaults={"tie_word_embeddings": False, "max_position_embeddings": 2048, "head_dim": 64},
        style=replace(
            _FOUR, base="model", head="lm_head", layers="layers.{i}", final_norm="norm",
            norms=("attn_norm", "ffn_norm"), recurrent_of=_seven, at_layer=_at_layer_seven,
            extra=_first_norm("pre_norm"), dense_of=_feed_seven,
        ),
    ),
)  # fmt: skip

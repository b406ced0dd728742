"""Decoders that run some of their layers several times for a token: the weights once, a cache for every time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import linear
from llmplan.catalogs.hf_config.normalize import MAX_LAYERS, MAX_TOKENS, Config, show
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Style
from llmplan.catalogs.hf_config.windows import everywhere, layer_types
from llmplan.spec.model import Shard, Tensor, TensorRole

_MLP: Final = "mlp"
_KINDS: Final = frozenset({_MLP})
MAX_LOOPS: Final = 64


def _blocks(config: Config) -> tuple[str, ...]:
    """Attention or MLP: each is a layer of its own in the checkpoint."""
    kinds = layer_types(config, _KINDS)
    if kinds is None:
        raise config.fail("layer_types", "missing; without it the kinds of the layers are unknown")
    if _MLP not in kinds:
        raise config.fail("layer_types", f"lists no `{_MLP}`; checkpoints list attention and MLP one by one")
    return kinds


def _mixers(config: Config) -> tuple[LayerMixers, ...]:
    """Attention of the layers between the first and the last ones keeps keys and values of every loop."""
    kinds, loops = _blocks(config), config.optional_integer("n_recurrent_loops", low=1, high=MAX_LOOPS) or 2
    first = config.integer("n_input_layers", low=0, high=MAX_LAYERS)
    looped = config.integer("n_recurrent_layers", low=0, high=MAX_LAYERS)
    mode = config.values.get("recurrent_kv_cache_mode", "per_loop")
    if mode not in ("per_loop", "last_loop"):
        raise config.fail("recurrent_kv_cache_mode", f"expected per_loop or last_loop, got {show(mode)}")
    once: LayerMixers = ("attention",)
    more = _repeated(loops) if mode == "per_loop" else once
    return tuple(
        () if kind == _MLP else more if first <= i < first + looped else once for i, kind in enumerate(kinds)
    )  # fmt: skip


def _repeated(loops: int) -> LayerMixers:
    again: LayerMixers = ("again",)
    return ("attention", *again * (loops - 1))


def _every_layer(config: Config) -> tuple[LayerMixers, ...]:
    loops = config.optional_integer("loop_num", low=1, high=MAX_LOOPS) or 2
    return (_repeated(loops),) * config.layers


def _loop_window(config: Config) -> int:
    return config.optional_integer("loop_window_size", low=1, high=MAX_TOKENS) or 64


def _loop_gate(config: Config, layer: str) -> Iterator[Tensor]:
    """A weight vector and a bias for each head, which weigh the first loop's attention against this loop's."""
    yield from linear(
        layer.replace("layers.", "gate_projections."), config.heads, config.head_dim, Shard.COLUMN, bias=True
    )  # fmt: skip


def _kind(config: Config, index: int) -> Mapping[str, Any]:
    return {"is_mlp": _blocks(config)[index] == _MLP}


def _gate(config: Config, path: str) -> Iterator[Tensor]:
    """What gates the output of attention, and the scales of queries, keys and gate."""
    width = config.heads * config.head_dim
    yield from linear(f"{path}.g_proj", width, config.hidden, Shard.COLUMN)
    for name in ("sqk", "s_gate"):
        yield Tensor(name=f"{path}.{name}", shape=(width,), role=TensorRole.OTHER, shard=Shard.COLUMN)


def _scales(config: Config, layer: str) -> Iterator[Tensor]:
    """How far a layer moves the residual stream, and the scales of an MLP."""
    name = "mlp_alpha" if config.flag("is_mlp") else "attn_alpha"
    yield Tensor(name=f"{layer}.{name}", shape=(config.hidden,), role=TensorRole.OTHER, shard=Shard.REPLICATED)
    if config.flag("is_mlp"):
        for part in ("suv_gate", "suv_up"):
            yield Tensor(
                name=f"{layer}.mixer.{part}", shape=(config.integer("intermediate_size"),), role=TensorRole.OTHER,
                shard=Shard.COLUMN,
            )  # fmt: skip


def _logit_scale(config: Config, base: str) -> Iterator[Tensor]:
    yield Tensor(
        name="lm_head.logit_scale", shape=(config.integer("vocab_size"),), role=TensorRole.OTHER, shard=Shard.VOCAB
    )  # fmt: skip


_COUNTED_ONCE: Final = "looped layers keep a cache for every loop; their arithmetic is counted once"

FAMILIES: Final = (
    Family(
        model_types=("iquestloopcoder",), defaults={"tie_word_embeddings": False}, notes=(_COUNTED_ONCE,),
        style=Style(mixers=_every_layer, again_window=_loop_window, extra=_loop_gate),
    ),
    Family(
        model_types=("dory",),
        defaults={
            "tie_word_embeddings": False, "head_dim": 256, "num_key_value_heads": 4, "sliding_window": 1024,
            "max_position_embeddings": 8192,
        },
        style=Style(
            base="backbone", embed="embeddings", attention="mixer", mlp_path="mixer", norms=(), final_norm=None,
            layer_kinds=_KINDS, windows=everywhere, mixers=_mixers, at_layer=_kind, beside=_gate, extra=_scales,
            extra_globals=_logit_scale, feeds=lambda config: tuple(kind == _MLP for kind in _blocks(config)),
        ),
        notes=(_COUNTED_ONCE,),
    ),
)  # fmt: skip

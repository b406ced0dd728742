"""DeciLM and Nemotron-NAS: a Llama of which a search has cut heads, widths or whole modules, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import linear
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, Config, show
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Style
from llmplan.spec.model import Shard, Tensor

_STEP: Final = 256
"""to a multiple of which the widths are rounded up"""
_PER_LAYER: Final = "num_key_value_heads_per_layer"
_FATES: Final = (("attention_is", "attention"), ("ffn_is", "ffn"))
"""this reader's key for what became of a module -> the file's name of it"""


def _blocks(config: Config) -> tuple[Any, ...]:
    """One object per layer."""
    blocks = config.items("block_configs")
    if blocks is None:
        raise config.fail("block_configs", "missing; without it the layers' heads and widths are unknown")
    config.demand_length("block_configs", len(blocks))
    return blocks


def _part(config: Config, index: int, name: str) -> Mapping[str, Any]:
    """What a layer says of its `attention` or `ffn`."""
    block = _blocks(config)[index]
    part = block.get(name) if isinstance(block, Mapping) else block
    if not isinstance(part, Mapping):
        raise config.fail(f"block_configs[{index}].{name}", f"expected an object, got {show(part)}")
    return part


def _said(config: Config, index: int, name: str, key: str) -> bool:
    value = _part(config, index, name).get(key)
    if value is not None and not isinstance(value, bool):
        raise config.fail(f"block_configs[{index}].{name}.{key}", f"expected true or false, got {show(value)}")
    return bool(value)


def _fate(config: Config, index: int, name: str) -> str:
    """What a layer has of a module: all of it, one matrix in its place, or nothing."""
    if _said(config, index, name, "replace_with_linear"):
        return "matrix"
    return "nothing" if _said(config, index, name, "no_op") else "module"


def _mixers(config: Config) -> tuple[LayerMixers, ...]:
    if config.items("block_configs") is None and config.has(_PER_LAYER):
        return (("attention",),) * config.layers
    return tuple(("attention",) if _fate(config, i, "attention") == "module" else () for i in range(config.layers))


def _feeds(config: Config) -> tuple[bool, ...]:
    if config.items("block_configs") is None and config.has(_PER_LAYER):
        return (True,) * config.layers
    return tuple(_fate(config, i, "ffn") == "module" for i in range(config.layers))


def _at_layer(config: Config, index: int) -> Mapping[str, Any]:
    """KV heads and width of one layer, and what became of its modules."""
    if config.items("block_configs") is None and config.has(_PER_LAYER):
        return {"num_key_value_heads": _listed_heads(config, index), "attention_is": "module", "ffn_is": "module"}
    found: dict[str, Any] = {name: _fate(config, index, part) for name, part in _FATES}
    if found["attention_is"] == "module":
        key = f"block_configs[{index}].attention.n_heads_in_group"
        stated = _part(config, index, "attention").get("n_heads_in_group")
        group = Config(where=config.where, values={key: stated}).integer(key, high=MAX_HEADS)
        if config.heads % group:
            raise config.fail(key, f"{group} does not divide the {config.heads} query heads")
        found["num_key_value_heads"] = config.heads // group
    if found["ffn_is"] == "module":
        found["intermediate_size"] = _width(config, _part(config, index, "ffn"), f"block_configs[{index}].ffn")
    return found


def _listed_heads(config: Config, index: int) -> int:
    """The first DeciLM lists the KV heads of its layers and leaves the rest as it was."""
    listed = config.items(_PER_LAYER) or ()
    config.demand_length(_PER_LAYER, len(listed))
    return Config(where=config.where, values={_PER_LAYER: listed[index]}).integer(_PER_LAYER, high=MAX_HEADS)


def _width(config: Config, part: Mapping[str, Any], within: str) -> int:
    """Two thirds of `ffn_mult` times the model's width, rounded up; or the width as such."""
    multiplier = config.number(part, "ffn_mult", within)
    if multiplier is not None:
        return config.derived(f"{within}.ffn_mult", -(-int(2 * multiplier * config.hidden / 3) // _STEP) * _STEP)
    key = f"{within}.intermediate_size"
    return Config(where=config.where, values={key: part.get("intermediate_size")}).integer(key)


def _vary(config: Config, style: Style) -> Style:
    """A module that is gone has taken its norm with it."""
    fates = (config.values.get(name) for name, _ in _FATES)
    return replace(
        style, norms=tuple(name for name, fate in zip(style.norms, fates, strict=True) if fate != "nothing")
    )  # fmt: skip


def _matrices(config: Config, layer: str) -> Iterable[Tensor]:
    """The matrices [h, h] that stand in the place of modules."""
    for (name, _), path in zip(_FATES, ("self_attn.linear_attn", "mlp.linear_mlp"), strict=True):
        if config.values.get(name) == "matrix":
            yield from linear(f"{layer}.{path}", config.hidden, config.hidden, Shard.COLUMN)


FAMILIES: Final = (
    Family(
        model_types=("nemotron-nas", "deci"),
        defaults={"tie_word_embeddings": False, "attention_bias": False, "mlp_bias": False},
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias", mixers=_mixers, feeds=_feeds,
            at_layer=_at_layer, vary=_vary, extra=_matrices,
        ),
    ),
)  # fmt: skip

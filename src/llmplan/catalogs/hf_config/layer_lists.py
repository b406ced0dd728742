"""What a file says of each layer in a list: which layers route to experts, how many heads a layer has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_HEADS, MAX_LAYERS, Config, show

Routed: TypeAlias = tuple[bool, ...]

PER_LAYER: Final = frozenset({
    "layer_types", "mlp_layer_types", "layers_block_type", "block_configs", "compress_ratios", "attn_type_list",
    "indexer_types", "index_topk_pattern", "moe_layer_freq", "sparse_attention_freq", "hybrid_layer_pattern",
    "interleaved_sliding_window", "no_rope_layers", "num_attention_heads_per_layer", "num_key_value_heads_per_layer",
    "sliding_windows", "gating_types",
})  # fmt: skip
"""keys with one entry per layer, where they hold a list or (`index_topk_pattern`) one letter per layer"""
_LETTERED: Final = "index_topk_pattern"

_SPARSE: Final = {"sparse": True, "moe": True, "hash_moe": True, "dense": False}


def demand_lengths(config: Config) -> None:
    """Refuse lists of one entry per layer whose length contradicts the number of layers. An empty one says nothing."""
    for key, value in config.values.items():
        is_list = isinstance(value, list | tuple) or (key == _LETTERED and isinstance(value, str))
        if key in PER_LAYER and is_list and value:
            config.demand_length(key, len(value))


def listed(config: Config, key: str, *, more: int = 0) -> tuple[object, ...] | None:
    """One entry per layer, and up to `more` behind them; None where the file has no such list."""
    entries = config.items(key)
    if entries is None:
        return None
    config.demand_length(key, len(entries))
    return entries[: config.layers + more]


def by_mlp_layer_types(fallback: Callable[[Config], Routed]) -> Callable[[Config], Routed]:
    """`mlp_layer_types` says dense or sparse; without it the fallback decides."""

    def rule(config: Config) -> Routed:
        entries = listed(config, "mlp_layer_types")
        if entries is None:
            return fallback(config)
        return tuple(_kind(config, entry) for entry in entries)

    return rule


def _kind(config: Config, entry: object) -> bool:
    if not isinstance(entry, str) or entry not in _SPARSE:
        raise config.fail("mlp_layer_types", f"a layer of kind {show(entry)} is not read; known: {', '.join(_SPARSE)}")
    return _SPARSE[entry]


def ones_of(key: str, fallback: Callable[[Config], Routed]) -> Callable[[Config], Routed]:
    """A list of 0 and 1 under `key` (`moe_layer_freq`); without it, or with a number there, the fallback decides."""

    def rule(config: Config) -> Routed:
        if not isinstance(config.values.get(key), list | tuple):
            return fallback(config)
        entries = listed(config, key) or ()
        for entry in entries:
            if entry not in (0, 1):
                raise config.fail(key, f"expected 0 or 1 for each layer, got {show(entry)}")
        return tuple(entry == 1 for entry in entries)

    return rule


def number_of(config: Config, key: str, layer: int, *, high: int = MAX_HEADS) -> int | None:
    """A layer's number from a list of one per layer; None where the file has no such list."""
    entries = listed(config, key, more=MAX_LAYERS)
    if entries is None:
        return None
    number = entries[layer]
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= high:
        raise config.fail(key, f"expected a whole number from 1 to {high} for each layer, got {show(number)}")
    return number


def leading(key: str) -> Callable[[Config], Routed]:
    """All layers route but the first ones, whose number is under `key`."""

    def rule(config: Config) -> Routed:
        first = config.optional_integer(key, high=MAX_LAYERS) or 0
        return tuple(i >= first for i in range(config.layers))

    return rule


def of_each(config: Config, count_key: str, size_key: str) -> int:
    """The width of so many experts side by side, 0 where there is none."""
    count = config.optional_integer(count_key, high=MAX_EXPERTS) or 0
    return config.derived(count_key, count * config.integer(size_key)) if count else 0

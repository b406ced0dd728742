"""Which layers see the whole context and which only a window of it.

A rule gives one window per layer, None for full attention. `layer_types` in the file always wins over a rule's
pattern. A window wider than the context is a window all the same: engines keep such layers as windowed ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from llmplan.catalogs.hf_config.normalize import MAX_TOKENS, Config, show
from llmplan.errors import UnsupportedModelError

Windows: TypeAlias = tuple[int | None, ...]
WindowRule: TypeAlias = Callable[[Config], Windows]

_FIRST_WINDOWED: Final = 28
"""`max_window_layers` of the Qwen classes where a file leaves it out"""
_FULL: Final = "full_attention"
_WINDOWED: Final = frozenset({"sliding_attention", "chunked_attention"})


def full(config: Config) -> Windows:
    """Every layer sees the whole context, whatever the file says of windows."""
    return (None,) * config.layers


def everywhere(config: Config) -> Windows:
    """Every layer has the window that the file states, if any (Mistral 7B v0.1, Phi-3)."""
    width = _width(config, "sliding_window")
    return full(config) if width is None else _by_layer_types(config, width) or (width,) * config.layers


def from_layer(config: Config) -> Windows:
    """Qwen 2 and 3: off unless `use_sliding_window`; then the layers from `max_window_layers` on are windowed."""
    width = _width(config, "sliding_window") if config.flag("use_sliding_window") else None
    if width is None:
        return full(config)
    start = config.optional_integer("max_window_layers")
    start = _FIRST_WINDOWED if start is None else start
    return _by_layer_types(config, width) or tuple(None if i < start else width for i in range(config.layers))


def listed(key: str) -> WindowRule:
    """The file lists the window of every layer, null for none (PLaMo 3)."""

    def rule(config: Config) -> Windows:
        widths = config.items(key)
        if widths is None:
            raise config.fail(key, "missing; without it the windows of the layers are unknown")
        config.demand_length(key, len(widths))
        return tuple(
            None if width is None else config.element(key, width, low=0, high=MAX_TOKENS) or None
            for width in widths[: config.layers]
        )

    return rule


def without_rope(config: Config) -> Windows:
    """SmolLM 3: off unless `use_sliding_window`; then the layers without rotary positions are windowed.

    Those are the zeros of `no_rope_layers`, or else every `no_rope_layer_interval`-th.
    """
    width = _width(config, "sliding_window") if config.flag("use_sliding_window") else None
    if width is None:
        return full(config)
    rotary = config.items("no_rope_layers")
    if rotary is None:
        period = config.optional_integer("no_rope_layer_interval", low=1) or 4
        rotary = tuple((i + 1) % period for i in range(config.layers))
    config.demand_length("no_rope_layers", len(rotary))
    return _by_layer_types(config, width) or tuple(None if kind else width for kind in rotary[: config.layers])


def every(
    period: int, *, key: str = "sliding_window", pattern_key: str = "sliding_window_pattern", beyond: int = 0
) -> WindowRule:  # fmt: skip
    """Windowed layers with a full one at the end of every `period` (Gemma 2 and 3, OLMo 3, EXAONE 4, gpt-oss, Llama 4).

    The file may state another period under `pattern_key`, as a number or as letters (`LLLG`). `beyond`: tokens that
    the engine's window has more than the file says (Cohere 2 counts those before a token).
    """

    def rule(config: Config) -> Windows:
        width = _width(config, key)
        if width is None:
            return full(config)
        width += beyond
        return _by_layer_types(config, width) or _periodic(config, width, _period(config, pattern_key, period))

    return rule


def first_of_every(period: int) -> WindowRule:
    """Windowed layers with a full one at the start of every `period` (CWM, Granite with windows)."""

    def rule(config: Config) -> Windows:
        width = _width(config, "sliding_window")
        if width is None:
            return full(config)
        pattern = tuple(width if i % period else None for i in range(config.layers))
        return _by_layer_types(config, width) or pattern

    return rule


def _period(config: Config, key: str, default: int) -> str | int:
    value = config.values.get(key)
    if isinstance(value, str):
        if not value or set(value) - {"L", "G"}:
            raise config.fail(key, f"expected a number or letters L and G, got {show(value)}")
        return value
    stated = config.optional_integer(key)
    return default if stated is None else stated


def _periodic(config: Config, width: int, period: str | int) -> Windows:
    if isinstance(period, str):
        letters = period[: config.layers]
        return tuple(None if letters[i % len(letters)] == "G" else width for i in range(config.layers))
    if period == 0:
        return full(config)
    return tuple(None if (i + 1) % period == 0 else width for i in range(config.layers))


def layer_types(config: Config, more: frozenset[str] | None = None) -> tuple[str, ...] | None:
    """What the file says of each layer; with `more`, any kind but full, windowed and these is refused."""
    kinds = config.items("layer_types")
    if kinds is None:
        return None
    config.demand_length("layer_types", len(kinds))
    for kind in kinds:
        if isinstance(kind, str) and (more is None or kind in (_WINDOWED | {_FULL} | more)):
            continue
        known = _WINDOWED | {_FULL} | (more or frozenset())
        raise UnsupportedModelError(
            f"{config.where}: key `layer_types`: a layer of kind {show(kind)} is not read",
            hints=[f"kinds that are read in this family: {', '.join(sorted(known))}"],
        )
    return kinds[: config.layers]


def _by_layer_types(config: Config, width: int) -> Windows | None:
    kinds = layer_types(config)
    return None if kinds is None else tuple(width if kind in _WINDOWED else None for kind in kinds)


def _width(config: Config, key: str) -> int | None:
    """The window that the file states, however long its context: engines do not compare the two. 0 is none."""
    return config.optional_integer(key, high=MAX_TOKENS) or None

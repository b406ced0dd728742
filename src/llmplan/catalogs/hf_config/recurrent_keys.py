"""The sizes of a recurrence as configs state them, checked against each other, and the type of its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from llmplan.catalogs.hf_config.normalize import MAX_HEADS, Config, show
from llmplan.catalogs.hf_config.recurrent import StateSizes

MAX_TAPS: Final = 64
_STATE_TYPES: Final[Mapping[str, str | None]] = {
    "float32": "fp32", "auto": None, "bfloat16": None, "float16": None
}  # fmt: skip
"""what files say of the state's type -> format id; None: the 16-bit type of the model"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mamba2Keys:
    """Under which keys a family states the sizes of Mamba 2; `expand` or `inner` states heads x head size again."""

    heads: str = "mamba_n_heads"
    groups: str = "mamba_n_groups"
    state: str = "mamba_d_state"
    head_dim: str | None = "mamba_d_head"
    taps: str = "mamba_d_conv"
    expand: str | None = "mamba_expand"
    inner: str | None = None


def mamba2_sizes(config: Config, keys: Mamba2Keys) -> StateSizes:
    """Heads and groups of Mamba 2; a head size that is missing or `auto` follows from the width of the values."""
    heads, groups = config.integer(keys.heads, high=MAX_HEADS), config.integer(keys.groups, high=MAX_HEADS)
    if heads % groups:
        raise config.fail(keys.groups, f"{groups} does not divide the {heads} heads of the recurrence")
    inner = _inner(config, keys)
    stated = None if keys.head_dim is None else config.values.get(keys.head_dim)
    if keys.head_dim is not None and stated is not None and stated != "auto":
        head_dim = config.integer(keys.head_dim)
        if inner is not None and heads * head_dim != inner:
            raise config.fail(keys.head_dim, f"{heads} heads of {head_dim} are not the {inner} channels of the values")
    elif inner is None:
        raise config.fail(keys.head_dim or keys.heads, "missing; the size of a head of the recurrence is unknown")
    elif inner % heads:
        raise config.fail(keys.heads, f"{heads} does not divide the {inner} channels of the values")
    else:
        head_dim = inner // heads
    return StateSizes(
        heads=heads, groups=groups, key_dim=config.integer(keys.state), value_dim=head_dim, taps=taps(config, keys.taps)
    )  # fmt: skip


def _inner(config: Config, keys: Mamba2Keys) -> int | None:
    """Channels of the values: stated, or a multiple of the model's width."""
    stated = config.optional_integer(keys.inner, low=1) if keys.inner else None
    if stated is not None or keys.expand is None:
        return stated
    return config.optional_integer(keys.expand, low=1, high=1024) and config.integer(keys.expand) * config.hidden


def delta_sizes(config: Config) -> StateSizes:
    """Heads of the delta rule under the `linear_...` keys that Qwen and OLMo use."""
    heads = config.integer("linear_num_value_heads", high=MAX_HEADS)
    groups = config.integer("linear_num_key_heads", high=MAX_HEADS)
    if heads % groups:
        raise config.fail("linear_num_key_heads", f"{groups} does not divide the {heads} value heads")
    return StateSizes(
        heads=heads, groups=groups, key_dim=config.integer("linear_key_head_dim"),
        value_dim=config.integer("linear_value_head_dim"), taps=taps(config, "linear_conv_kernel_dim"),
    )  # fmt: skip


def taps(config: Config, key: str) -> int:
    """Taps of the convolution before the recurrence."""
    return config.integer(key, low=2, high=MAX_TAPS)


def time_step_rank(config: Config, key: str) -> int:
    """Rank of Mamba 1's time step: stated, or a sixteenth of the model's width, rounded up."""
    value = config.values.get(key)
    return -(-config.hidden // 16) if value in (None, "auto") else config.integer(key)


def state_dtype(config: Config, key: str, default: str = "auto") -> str | None:
    """The format id of the state's type, None for the model's own, as the file states it under `key`."""
    value = config.values.get(key)
    value = default if value is None else value
    if not isinstance(value, str) or value not in _STATE_TYPES:
        raise config.fail(key, f"expected one of {', '.join(_STATE_TYPES)}, got {show(value)}")
    return _STATE_TYPES[value]

"""Recurrences as tensors under the checkpoint's module paths: Mamba 1 and 2, gated delta rule, short convolution.

A fused input projection is one entry per part that is sharded differently, as in attention: what belongs to heads by
column, what belongs to groups by KV column. Engines keep the last K - 1 inputs of a convolution of K taps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from llmplan.catalogs.hf_config.blocks import linear, norm
from llmplan.spec.model import RecurrentKind, RecurrentMixer, Shard, State, Tensor, TensorRole


def conv1d(path: str, channels: int, taps: int, *, bias: bool, shard: Shard = Shard.COLUMN) -> Iterator[Tensor]:
    """A depthwise causal convolution [channels, 1, taps]; never quantized."""
    yield Tensor(name=f"{path}.weight", shape=(channels, 1, taps), role=TensorRole.CONV, shard=shard)
    if bias:
        yield Tensor(name=f"{path}.bias", shape=(channels,), role=TensorRole.CONV, shard=shard)


def vector(path: str, size: int, *, shard: Shard = Shard.COLUMN, dtype: str | None = None) -> Tensor:
    """Numbers of a recurrence that are no layer: decays, time-step biases, skips. `path` is the tensor's own name."""
    return Tensor(name=path, shape=(size,), role=TensorRole.OTHER, shard=shard, dtype=dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSizes:
    """`heads` states of `key_dim` (N) x `value_dim` (P); keys come in `groups`; the convolution has `taps`."""

    heads: int
    groups: int
    key_dim: int
    value_dim: int
    taps: int

    @property
    def inner(self) -> int:
        """Channels of the values."""
        return self.heads * self.value_dim

    def states(self, dtype: str | None) -> tuple[State, ...]:
        """The last inputs of the convolution (values per head; keys and queries per group), then the state itself.

        Engines keep the state in the model's 16-bit type unless the config or the architecture asks for another.
        """
        return (
            State(heads=self.heads, elements=self.value_dim * (self.taps - 1)),
            State(heads=self.groups, elements=2 * self.key_dim * (self.taps - 1)),
            State(heads=self.heads, elements=self.key_dim * self.value_dim, dtype=dtype),
        )


def mamba2(
    path: str, hidden: int, sizes: StateSizes, *,
    bias: bool = False, out_bias: bool | None = None, conv_bias: bool = True, gated_norm: bool = True,
    state_dtype: str | None = None,
) -> RecurrentMixer:  # fmt: skip
    """Mamba 2: in_proj makes gate, values, keys and queries per group, and a time step per head.

    State: conv (inner + 2 groups N) (K - 1), heads P N. `out_bias` None: as `bias`.
    """
    inner, keys = sizes.inner, 2 * sizes.groups * sizes.key_dim
    tensors = [
        *linear(f"{path}.in_proj", 2 * inner, hidden, Shard.COLUMN, bias=bias),
        *linear(f"{path}.in_proj", keys, hidden, Shard.KV_COLUMN, bias=bias),
        *linear(f"{path}.in_proj", sizes.heads, hidden, Shard.COLUMN, bias=bias),
        *conv1d(f"{path}.conv1d", inner, sizes.taps, bias=conv_bias),
        *conv1d(f"{path}.conv1d", keys, sizes.taps, bias=conv_bias, shard=Shard.KV_COLUMN),
        vector(f"{path}.A_log", sizes.heads),
        vector(f"{path}.D", sizes.heads),
        vector(f"{path}.dt_bias", sizes.heads),
    ]
    if gated_norm:
        tensors += norm(f"{path}.norm", inner, shard=Shard.COLUMN)
    tensors += linear(
        f"{path}.out_proj", hidden, inner, Shard.ROW, bias=bias if out_bias is None else out_bias
    )  # fmt: skip
    states = sizes.states(state_dtype)
    return RecurrentMixer(
        kind=RecurrentKind.MAMBA2, heads=sizes.heads, kv_heads=sizes.groups, key_dim=sizes.key_dim,
        value_dim=sizes.value_dim, conv_width=sizes.taps, states=states, tensors=tuple(tensors),
    )  # fmt: skip


def gated_delta(
    path: str, hidden: int, sizes: StateSizes, *, fused: bool, state_dtype: str | None = None
) -> RecurrentMixer:
    """The gated delta rule: keys and queries in `groups` heads, values and gates in `heads`.

    `fused`: Qwen3-Next stores in_proj_qkvz and in_proj_ba; later models in_proj_qkv, in_proj_z, in_proj_b, in_proj_a.
    State: conv (2 groups d_k + heads d_v) (K - 1), heads d_k d_v.
    """
    keys, values = 2 * sizes.groups * sizes.key_dim, sizes.inner
    if fused:
        names = ("in_proj_qkvz", "in_proj_qkvz", "in_proj_qkvz", "in_proj_ba", "in_proj_ba")
    else:
        names = ("in_proj_qkv", "in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a")
    widths = (keys, values, values, sizes.heads, sizes.heads)
    shards = (Shard.KV_COLUMN, Shard.COLUMN, Shard.COLUMN, Shard.COLUMN, Shard.COLUMN)
    tensors = [
        tensor
        for name, width, shard in zip(names, widths, shards, strict=True)
        for tensor in linear(f"{path}.{name}", width, hidden, shard)
    ]
    tensors += [
        *conv1d(f"{path}.conv1d", keys, sizes.taps, bias=False, shard=Shard.KV_COLUMN),
        *conv1d(f"{path}.conv1d", values, sizes.taps, bias=False),
        vector(f"{path}.A_log", sizes.heads),
        vector(f"{path}.dt_bias", sizes.heads),
        *norm(f"{path}.norm", sizes.value_dim),
        *linear(f"{path}.out_proj", hidden, values, Shard.ROW),
    ]
    states = sizes.states(state_dtype)
    return RecurrentMixer(
        kind=RecurrentKind.GATED_DELTA, heads=sizes.heads, kv_heads=sizes.groups, key_dim=sizes.key_dim,
        value_dim=sizes.value_dim, conv_width=sizes.taps, states=states, tensors=tuple(tensors),
    )  # fmt: skip


def mamba1(
    path: str, hidden: int, *, inner: int, state: int, rank: int, taps: int, bias: bool = False, conv_bias: bool = True,
    state_dtype: str | None = None, extra: tuple[Tensor, ...] = (),
) -> RecurrentMixer:  # fmt: skip
    """Mamba 1: one state of N per channel; x_proj makes time step, keys and queries. `extra` are norms of those.

    State: conv inner (K - 1), inner N.
    """
    tensors = [
        *linear(f"{path}.in_proj", 2 * inner, hidden, Shard.COLUMN, bias=bias),
        *conv1d(f"{path}.conv1d", inner, taps, bias=conv_bias),
        *linear(f"{path}.x_proj", rank + 2 * state, inner, Shard.ROW),
        *linear(f"{path}.dt_proj", inner, rank, Shard.COLUMN, bias=True),
        Tensor(name=f"{path}.A_log", shape=(inner, state), role=TensorRole.OTHER, shard=Shard.COLUMN),
        vector(f"{path}.D", inner),
        *linear(f"{path}.out_proj", hidden, inner, Shard.ROW, bias=bias),
        *extra,
    ]
    states = (
        State(heads=inner, elements=taps - 1),
        State(heads=inner, elements=state, dtype=state_dtype),
    )
    return RecurrentMixer(
        kind=RecurrentKind.MAMBA1, heads=inner, kv_heads=1, key_dim=state, value_dim=1, conv_width=taps,
        states=states, tensors=tuple(tensors),
    )  # fmt: skip


def short_conv(path: str, hidden: int, taps: int, *, bias: bool = False) -> RecurrentMixer:
    """A gated short convolution (LFM2): in_proj makes two gates and the input. State: hidden (K - 1)."""
    tensors = (
        *linear(f"{path}.in_proj", 3 * hidden, hidden, Shard.COLUMN, bias=bias),
        *conv1d(f"{path}.conv", hidden, taps, bias=bias),
        *linear(f"{path}.out_proj", hidden, hidden, Shard.ROW, bias=bias),
    )
    return RecurrentMixer(
        kind=RecurrentKind.SHORT_CONV, heads=hidden, kv_heads=1, key_dim=0, value_dim=1, conv_width=taps,
        states=(State(heads=hidden, elements=taps - 1),), tensors=tensors,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class KdaGates:
    """How the gates of Kimi's delta attention are made: through a bottleneck as wide as a head, or by one matrix."""

    forget: Literal["low_rank", "full"] = "low_rank"
    """f_a_proj and f_b_proj, or f_proj"""
    output: Literal["low_rank", "full"] = "low_rank"
    """g_a_proj and g_b_proj, or g_proj"""


def kimi_delta(path: str, hidden: int, sizes: StateSizes, gates: KdaGates) -> RecurrentMixer:
    """The gated delta rule with a decay per channel (KDA): as many key heads as value heads, a convolution for each.

    State: conv 3 heads d (K - 1), heads d^2 in 32 bit whatever the model's type.
    """
    inner, rank = sizes.inner, sizes.value_dim
    tensors: list[Tensor] = []
    for name in ("q", "k", "v"):
        tensors += linear(f"{path}.{name}_proj", inner, hidden, Shard.COLUMN)
        tensors += conv1d(f"{path}.{name}_conv1d", inner, sizes.taps, bias=False)
    for name, kind in (("f", gates.forget), ("g", gates.output)):
        if kind == "full":
            tensors += linear(f"{path}.{name}_proj", inner, hidden, Shard.COLUMN)
        else:
            tensors += linear(f"{path}.{name}_a_proj", rank, hidden, Shard.REPLICATED)
            tensors += linear(f"{path}.{name}_b_proj", inner, rank, Shard.COLUMN)
    tensors += [
        *linear(f"{path}.b_proj", sizes.heads, hidden, Shard.COLUMN),
        vector(f"{path}.A_log", sizes.heads, dtype="fp32"),
        vector(f"{path}.dt_bias", inner, dtype="fp32"),
        *norm(f"{path}.o_norm", sizes.value_dim),
        *linear(f"{path}.o_proj", hidden, inner, Shard.ROW),
    ]
    return RecurrentMixer(
        kind=RecurrentKind.GATED_DELTA, heads=sizes.heads, kv_heads=sizes.groups, key_dim=sizes.key_dim,
        value_dim=sizes.value_dim, conv_width=sizes.taps, states=sizes.states("fp32"), tensors=tuple(tensors),
    )  # fmt: skip


def linear_attention(heads: int, head_dim: int, tensors: Iterable[Tensor]) -> RecurrentMixer:
    """Linear attention with a fixed decay per head, without a convolution. State: heads d^2."""
    return RecurrentMixer(
        kind=RecurrentKind.LINEAR, heads=heads, kv_heads=heads, key_dim=head_dim, value_dim=head_dim,
        states=(State(heads=heads, elements=head_dim * head_dim),), tensors=tuple(tensors),
    )  # fmt: skip

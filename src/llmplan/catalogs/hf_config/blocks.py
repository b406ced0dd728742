"""The building blocks of a decoder layer, as tensors under the checkpoint's module paths.

A block takes plain numbers and a path and returns the kind that `ModelSpec` knows. Shards follow the usual tensor
parallelism: what produces heads or intermediate features is cut by column, what consumes them by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from llmplan.spec.model import GqaAttention, MlaAttention, Shard, Tensor, TensorRole


def linear(
    path: str, out: int, inputs: int, shard: Shard, *,
    bias: bool = False, role: TensorRole = TensorRole.LINEAR, copies: int = 1,
) -> Iterator[Tensor]:  # fmt: skip
    """A weight [out, in] and, if asked, its bias [out], which is cut with the output features or not at all."""
    yield Tensor(name=f"{path}.weight", shape=(out, inputs), role=role, shard=shard, copies=copies)
    if bias:
        along = shard if shard in (Shard.COLUMN, Shard.KV_COLUMN, Shard.VOCAB, Shard.EXPERT) else Shard.REPLICATED
        kind = role if role is TensorRole.EXPERT else TensorRole.BIAS
        yield Tensor(name=f"{path}.bias", shape=(out,), role=kind, shard=along, copies=copies)


def norm(path: str, size: int, *, bias: bool = False, shard: Shard = Shard.REPLICATED) -> Iterator[Tensor]:
    """An RMS norm (a weight) or a layer norm (a weight and a bias)."""
    yield Tensor(name=f"{path}.weight", shape=(size,), role=TensorRole.NORM, shard=shard)
    if bias:
        yield Tensor(name=f"{path}.bias", shape=(size,), role=TensorRole.NORM, shard=shard)


@dataclass(frozen=True, slots=True, kw_only=True)
class QkvNames:
    """Module names of the projections; `fused` replaces q, k and v where the checkpoint keeps them as one."""

    q: str = "q_proj"
    k: str = "k_proj"
    v: str = "v_proj"
    fused: str | None = None
    out: str = "o_proj"


SEPARATE: Final = QkvNames()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """How many heads of which size."""

    query: int
    kv: int
    dim: int


def gqa(
    path: str, hidden: int, heads: Heads, *,
    names: QkvNames, qkv_bias: bool = False, out_bias: bool = False, window: int | None = None,
    chunked: bool = False, query_gate: bool = False, borrowed_cache: bool = False, encoder: bool = False,
    extra: tuple[Tensor, ...] = (),
) -> GqaAttention:  # fmt: skip
    """Multi-head (kv = query), grouped-query or multi-query (kv = 1) attention; `extra` are norms and sinks.

    `query_gate`: the query projection is twice as wide, its second half gates the output.
    """
    q_out, kv_out = heads.query * heads.dim, heads.kv * heads.dim
    q_rows = 2 * q_out if query_gate else q_out
    tensors: list[Tensor] = []
    if names.fused is None:
        tensors += linear(f"{path}.{names.q}", q_rows, hidden, Shard.COLUMN, bias=qkv_bias)
        tensors += linear(f"{path}.{names.k}", kv_out, hidden, Shard.KV_COLUMN, bias=qkv_bias)
        tensors += linear(f"{path}.{names.v}", kv_out, hidden, Shard.KV_COLUMN, bias=qkv_bias)
    elif heads.kv == heads.query:
        tensors += linear(f"{path}.{names.fused}", 3 * q_out, hidden, Shard.COLUMN, bias=qkv_bias)
    else:
        tensors += linear(f"{path}.{names.fused}", q_out, hidden, Shard.COLUMN, bias=qkv_bias)
        tensors += linear(f"{path}.{names.fused}", 2 * kv_out, hidden, Shard.KV_COLUMN, bias=qkv_bias)
    tensors += linear(f"{path}.{names.out}", hidden, q_out, Shard.ROW, bias=out_bias)
    return GqaAttention(
        query_heads=heads.query, kv_heads=heads.kv, head_dim=heads.dim, v_head_dim=heads.dim,
        window_tokens=window, chunked=chunked and window is not None, borrowed_cache=borrowed_cache,
        encoder=encoder, tensors=(*tensors, *extra),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MlaSizes:
    """The ranks and head sizes of latent attention; `q_rank` None: queries are not compressed."""

    heads: int
    q_rank: int | None
    kv_rank: int
    nope: int
    rope: int
    value: int


def mla(path: str, hidden: int, sizes: MlaSizes, *, bias: bool = False) -> MlaAttention:
    """Multi-head latent attention: down-projections are on every rank, up-projections are cut by head."""
    q_out = sizes.heads * (sizes.nope + sizes.rope)
    tensors: list[Tensor] = []
    if sizes.q_rank is None:
        tensors += linear(f"{path}.q_proj", q_out, hidden, Shard.COLUMN)
    else:
        tensors += linear(f"{path}.q_a_proj", sizes.q_rank, hidden, Shard.REPLICATED, bias=bias)
        tensors += norm(f"{path}.q_a_layernorm", sizes.q_rank)
        tensors += linear(f"{path}.q_b_proj", q_out, sizes.q_rank, Shard.COLUMN)
    tensors += linear(
        f"{path}.kv_a_proj_with_mqa", sizes.kv_rank + sizes.rope, hidden, Shard.REPLICATED, bias=bias
    )  # fmt: skip
    tensors += norm(f"{path}.kv_a_layernorm", sizes.kv_rank)
    tensors += linear(f"{path}.kv_b_proj", sizes.heads * (sizes.nope + sizes.value), sizes.kv_rank, Shard.COLUMN)
    tensors += linear(f"{path}.o_proj", hidden, sizes.heads * sizes.value, Shard.ROW, bias=bias)
    return MlaAttention(
        query_heads=sizes.heads, kv_lora_rank=sizes.kv_rank, qk_rope_head_dim=sizes.rope,
        qk_nope_head_dim=sizes.nope, v_head_dim=sizes.value, q_lora_rank=sizes.q_rank, tensors=tuple(tensors),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MlpNames:
    """Module names of a feed-forward. No `gate`: a plain two-matrix MLP. `gate` equal to `up`: the two are fused."""

    gate: str | None = "gate_proj"
    up: str = "up_proj"
    down: str = "down_proj"


GATED: Final = MlpNames()


def mlp(
    path: str, hidden: int, intermediate: int, names: MlpNames, *,
    bias: bool = False, role: TensorRole = TensorRole.LINEAR, copies: int = 1,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The matrices of one feed-forward, or of `copies` experts."""
    expert = role is TensorRole.EXPERT
    into, back = (Shard.EXPERT, Shard.EXPERT) if expert else (Shard.COLUMN, Shard.ROW)
    tensors: list[Tensor] = []
    if names.gate == names.up:
        tensors += linear(f"{path}.{names.up}", 2 * intermediate, hidden, into, bias=bias, role=role, copies=copies)
    else:
        ways = (names.up,) if names.gate is None else (names.gate, names.up)
        for name in ways:
            tensors += linear(f"{path}.{name}", intermediate, hidden, into, bias=bias, role=role, copies=copies)
    tensors += linear(f"{path}.{names.down}", hidden, intermediate, back, bias=bias, role=role, copies=copies)
    return tuple(tensors)


def router(path: str, experts: int, hidden: int, *, bias: bool = False, dtype: str | None = None) -> Iterator[Tensor]:
    """The small linear that scores the experts; on every rank, never quantized."""
    yield Tensor(
        name=f"{path}.weight", shape=(experts, hidden), role=TensorRole.ROUTER, shard=Shard.REPLICATED, dtype=dtype
    )  # fmt: skip
    if bias:
        yield Tensor(name=f"{path}.bias", shape=(experts,), role=TensorRole.BIAS, shard=Shard.REPLICATED)


def score_bias(path: str, experts: int) -> Tensor:
    """The load-balancing bias of a router: a 32-bit buffer of the checkpoint, not a trained parameter."""
    return Tensor(
        name=path, shape=(experts,), role=TensorRole.OTHER, shard=Shard.REPLICATED, dtype="fp32", buffer=True
    )  # fmt: skip


def embedding(path: str, vocabulary: int, hidden: int) -> Tensor:
    """The token embedding."""
    return Tensor(
        name=f"{path}.weight", shape=(vocabulary, hidden), role=TensorRole.EMBED, shard=Shard.VOCAB
    )  # fmt: skip


def head_bias(path: str, vocabulary: int) -> Iterator[Tensor]:
    """The bias of an output projection whose weight is the embedding's."""
    yield Tensor(name=f"{path}.bias", shape=(vocabulary,), role=TensorRole.BIAS, shard=Shard.VOCAB)


def head(path: str, vocabulary: int, hidden: int, *, bias: bool = False) -> Iterator[Tensor]:
    """The output projection of a model whose embedding is not tied to it."""
    yield from linear(path, vocabulary, hidden, Shard.VOCAB, bias=bias, role=TensorRole.HEAD)

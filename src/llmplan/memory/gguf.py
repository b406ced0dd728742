"""GGUF files: llama.cpp quantizes each tensor to a block type that depends on what it is and on its layer.

A file type such as Q4_K_M is a mix: a base type, and upgrades for the tensors that suffer most. The rules follow
llama.cpp's quantizer as of build 11434 (with an importance matrix where a type is not made without one);
publishers may override them per tensor, so the header of a given file is the last word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.memory.places import Part, Place
from llmplan.spec.formats import WeightFormat
from llmplan.spec.model import GqaAttention, MlaAttention, ModelSpec, MoeFeedForward, Shard, Tensor, TensorRole

BLOCKS: dict[str, tuple[int, int]] = {
    "F32": (4, 1), "F16": (2, 1), "Q4_0": (18, 32), "Q4_1": (20, 32), "Q5_0": (22, 32), "Q5_1": (24, 32),
    "Q8_0": (34, 32), "IQ4_NL": (18, 32), "Q2_K": (84, 256), "Q3_K": (110, 256), "Q4_K": (144, 256),
    "Q5_K": (176, 256), "Q6_K": (210, 256), "IQ4_XS": (136, 256), "IQ3_S": (110, 256), "IQ3_XXS": (98, 256),
    "IQ2_XXS": (66, 256), "IQ2_XS": (74, 256), "IQ2_S": (82, 256),
}  # fmt: skip
"""Block type: bytes per block, weights per block (ggml-common.h)."""

NARROW: dict[str, str] = {
    "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "IQ4_XS": "IQ4_NL", "Q2_K": "Q4_0", "Q3_K": "Q4_0",
    "IQ3_S": "IQ4_NL", "IQ3_XXS": "IQ4_NL", "IQ2_XXS": "IQ4_NL", "IQ2_XS": "IQ4_NL", "IQ2_S": "IQ4_NL",
}  # fmt: skip
"""What replaces a 256-wide block type in a tensor whose rows are no multiple of 256."""

Layers: TypeAlias = Literal["all", "more", "eighth", "sixteenth", "2", "4"]
"""Which layers an upgrade applies to: `all`, `more` (the outer eighths and every third between), `eighth` and
`sixteenth` (the first ones), `2` or `4` (that many)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """`to` in the chosen layers, `otherwise` (None: the base type) in the rest; `grouped_only`: GQA of 4 or more."""

    to: str
    layers: Layers = "all"
    otherwise: str | None = None
    grouped_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A file type: its base block type and where it departs from it."""

    base: str
    head: str = "Q6_K"
    embedding: str | None = None
    value: Upgrade | None = None
    query_key: Upgrade | None = None
    output: Upgrade | None = None
    down: Upgrade | None = None
    eight_expert_output: bool = True


MIXES: dict[str, Mix] = {
    "gguf-q8_0": Mix(base="Q8_0", head="Q8_0", eight_expert_output=False),
    "gguf-q6_k": Mix(base="Q6_K", eight_expert_output=False),
    "gguf-q5_k_m": Mix(
        base="Q5_K", value=Upgrade(to="Q6_K", layers="more"), down=Upgrade(to="Q6_K", layers="more"),
        eight_expert_output=False,
    ),
    "gguf-q5_k_s": Mix(base="Q5_K", eight_expert_output=False),
    "gguf-q5_0": Mix(base="Q5_0", eight_expert_output=False),
    "gguf-q4_k_m": Mix(
        base="Q4_K", value=Upgrade(to="Q6_K", layers="more"), down=Upgrade(to="Q6_K", layers="more"),
    ),
    "gguf-q4_k_s": Mix(base="Q4_K", value=Upgrade(to="Q5_K", layers="4"), down=Upgrade(to="Q5_K", layers="eighth")),
    "gguf-q4_0": Mix(base="Q4_0", eight_expert_output=False),
    "gguf-iq4_nl": Mix(
        base="IQ4_NL", value=Upgrade(to="Q5_K", grouped_only=True), down=Upgrade(to="Q5_K", layers="eighth"),
    ),
    "gguf-iq4_xs": Mix(
        base="IQ4_XS", value=Upgrade(to="Q5_K", grouped_only=True), down=Upgrade(to="Q5_K", layers="eighth"),
    ),
    "gguf-q3_k_l": Mix(
        base="Q3_K", value=Upgrade(to="Q5_K"), down=Upgrade(to="Q5_K"), output=Upgrade(to="Q5_K"),
        eight_expert_output=False,
    ),
    "gguf-q3_k_m": Mix(
        base="Q3_K", value=Upgrade(to="Q5_K", layers="2", otherwise="Q4_K"),
        down=Upgrade(to="Q5_K", layers="sixteenth", otherwise="Q4_K"), output=Upgrade(to="Q4_K"),
    ),
    "gguf-q3_k_s": Mix(base="Q3_K"),
    "gguf-iq3_m": Mix(
        base="IQ3_S", value=Upgrade(to="Q4_K"), output=Upgrade(to="Q4_K"), down=Upgrade(to="Q4_K", layers="eighth"),
    ),
    "gguf-iq3_xxs": Mix(
        base="IQ3_XXS", head="Q5_K", embedding="IQ3_S", query_key=Upgrade(to="IQ2_S"), output=Upgrade(to="IQ3_S"),
        value=Upgrade(to="Q4_K", grouped_only=True, otherwise="IQ3_S"),
    ),
    "gguf-q2_k": Mix(
        base="Q2_K", value=Upgrade(to="Q4_K", grouped_only=True, otherwise="Q3_K"), down=Upgrade(to="Q3_K"),
        output=Upgrade(to="Q3_K"),
    ),
    "gguf-iq2_m": Mix(
        base="IQ2_S", head="Q5_K", embedding="IQ3_S", down=Upgrade(to="IQ3_S", layers="eighth"),
        value=Upgrade(to="Q4_K", grouped_only=True, otherwise="IQ3_S"), output=Upgrade(to="IQ3_S"),
    ),
    "gguf-iq2_xs": Mix(
        base="IQ2_XS", head="Q5_K", embedding="Q2_K", down=Upgrade(to="Q2_K", layers="eighth"),
        value=Upgrade(to="Q4_K", grouped_only=True, otherwise="Q2_K"),
    ),
    "gguf-iq2_xxs": Mix(
        base="IQ2_XXS", head="Q5_K", embedding="Q2_K", down=Upgrade(to="Q2_K", layers="eighth"),
        value=Upgrade(to="Q4_K", grouped_only=True, otherwise="Q2_K"),
    ),
}  # fmt: skip


def block_bytes(block_type: str, elements: float, row_elements: int) -> float:
    """Bytes of a tensor in one block type; narrow rows take the type that replaces it.

    block_type: ggml name; elements [-]; row_elements [-]: length of a row, which blocks must divide.
    bytes = elements / weights per block x bytes per block.
    Valid for ggml's types. Reference: ggml-common.h, build 11434.

    >>> block_bytes("Q4_K", 4096 * 4096, 4096) == 4096 * 4096 * 144 / 256
    True
    >>> block_bytes("Q4_K", 2880 * 64, 2880) == 2880 * 64 * 22 / 32
    True
    """
    if row_elements % BLOCKS[block_type][1]:
        block_type = NARROW.get(block_type, "F16")
    if row_elements % BLOCKS[block_type][1]:
        block_type = "F16"
    size, weights = BLOCKS[block_type]
    return elements * size / weights


def is_upgraded(layers: Layers, index: int, model_layers: int) -> bool:
    """Whether an upgrade applies to one layer.

    layers: the rule; index [-] of the layer; model_layers [layers]. With n layers, `more` is i < n//8, i >= 7n//8 or
    (i - n//8) mod 3 = 2.
    Valid for llama.cpp since 2023. Reference: llama.cpp src/llama-quant.cpp, build 11434.

    >>> sum(is_upgraded("more", index, 32) for index in range(32))
    16
    """
    eighth = model_layers // 8
    match layers:
        case "all":
            return True
        case "more":
            return index < eighth or index >= 7 * model_layers // 8 or (index - eighth) % 3 == 2
        case "eighth":
            return index < eighth
        case "sixteenth":
            return index < model_layers // 16
        case _:
            return index < int(layers)


def upgraded_share(layers: Layers, indices: Sequence[int], model_layers: int) -> float:
    """Share of some layers that an upgrade applies to.

    layers: the rule; indices: positions of the layers; model_layers [layers].
    Valid as `is_upgraded`. Reference: as `is_upgraded`.

    >>> upgraded_share("eighth", range(32), 32)
    0.125
    """
    return sum(is_upgraded(layers, index, model_layers) for index in indices) / len(indices)


def gguf_bytes(place: Place, tensor: Tensor, model: ModelSpec, weights: WeightFormat) -> float:
    """Bytes of one layer's `tensor` (or a rank's part of it) in a GGUF file, averaged over its layers.

    place: where it sits; tensor: the shape to store; model: for the rules by depth and heads; weights: the type.
    Matrices follow the mix, everything else stays F32.
    Valid for files made by llama-quantize without per-tensor overrides. Reference: llama.cpp build 11434.
    """
    mix = MIXES[weights.id]
    elements, row = float(tensor.elements), tensor.shape[-1]
    if len(tensor.shape) < 2 or tensor.role in (TensorRole.ROUTER, TensorRole.NORM, TensorRole.BIAS, TensorRole.OTHER):
        return 4.0 * elements
    if tensor.role is TensorRole.HEAD or (tensor.role is TensorRole.EMBED and model.tied_embeddings):
        return block_bytes(mix.head, elements, row)
    if tensor.role is TensorRole.EMBED:
        return block_bytes(mix.embedding or mix.base, elements, row)
    if _eight_experts(place) and place.part is Part.ATTENTION and mix.base != "Q8_0":
        if place.tensor.shard is Shard.KV_COLUMN:
            return block_bytes("Q8_0", elements, row)
        if place.tensor.shard is Shard.ROW and mix.eight_expert_output:
            return block_bytes("Q5_K", elements, row)
    upgrade = _upgrade(mix, place, model)
    if upgrade is None:
        return block_bytes(mix.base, elements, row)
    to, rest = upgrade.to, upgrade.otherwise or mix.base
    if upgrade.grouped_only and _heads_per_kv(place) < 4:
        to = rest
    if upgrade is mix.value and _is_70b(model):
        to, rest = (("Q5_K" if kind in ("Q3_K", "Q4_K") else kind) for kind in (to, rest))
    indices = (place.group.indices if place.group else ()) or range(model.layer_count)
    share = upgraded_share(upgrade.layers, indices, model.layer_count)
    return share * block_bytes(to, elements, row) + (1 - share) * block_bytes(rest, elements, row)


def _upgrade(mix: Mix, place: Place, model: ModelSpec) -> Upgrade | None:
    """Which departure from the base type concerns this tensor."""
    name, shard = place.tensor.name, place.tensor.shard
    if place.part is Part.ATTENTION:
        if shard is Shard.ROW:
            return mix.output
        is_value = "v_proj" in name or "value" in name or "qkv" in name.replace("query_key_value", "qkv")
        if is_value or "kv_b_proj" in name or "c_attn" in name or "W_pack" in name:
            return mix.value
        return mix.query_key
    if place.part is Part.FEED_FORWARD:
        narrow_out = place.tensor.shape[0] == model.hidden_size
        is_down = shard is Shard.ROW or (shard is Shard.EXPERT and narrow_out and "down" in name)
        is_down = is_down or (shard is Shard.EXPERT and narrow_out and place.tensor.shape[-1] != model.hidden_size)
        return mix.down if is_down else None
    return None


def _eight_experts(place: Place) -> bool:
    feed_forward = place.group.feed_forward if place.group else None
    return isinstance(feed_forward, MoeFeedForward) and feed_forward.experts == 8


def _heads_per_kv(place: Place) -> float:
    attention = place.group.attention if place.group else None
    match attention:
        case GqaAttention():
            return attention.query_heads / attention.kv_heads
        case MlaAttention():
            return float(attention.query_heads)
        case None:
            return math.inf


def _is_70b(model: ModelSpec) -> bool:
    """llama.cpp takes an 80-layer grouped-query model for a 70B and spares its value projection."""
    attention = model.layers[0].attention
    return (
        model.layer_count == 80 and isinstance(attention, GqaAttention) and attention.query_heads > attention.kv_heads
    )

"""GGUF files: llama.cpp quantizes each tensor to a block type that depends on what it is and on its layer.

Publishers may override the rules per tensor, so the header of a given file is the last word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from llmplan.spec.gguf_mixes import BLOCKS, MIXES, NARROW, Layers, Mix, Upgrade
from llmplan.spec.mixers import GqaAttention, MlaAttention
from llmplan.spec.model import LayerGroup, ModelSpec, MoeFeedForward
from llmplan.spec.places import Part, Place
from llmplan.spec.tensor import Shard, Tensor, TensorRole
from llmplan.spec.weight_format import WeightFormat

Kind: TypeAlias = Literal["value", "query_key", "output", "down", "gate_up"]

_MATRICES: Final = (TensorRole.LINEAR, TensorRole.EXPERT, TensorRole.HEAD)
_AS_CONVERTED: Final = ("per_layer_model_projection", "altup", "laurel")
"""small matrices that llama.cpp leaves in the 16 bit of the converted file"""
_VALUES: Final = ("v_proj", "value", "qkv", "c_attn", "W_pack")
_QUERIES_AND_KEYS: Final = ("q_proj", "k_proj", "query", "wq", "wk")
_SPM_TOKENS: Final = 64_000
_SPM_TOKEN_BYTES, _BPE_TOKEN_BYTES = 23, 38


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
    eighth, last_eighth = model_layers // 8, 7 * model_layers // 8
    match layers:
        case "all":
            return True
        case "more":
            return index < eighth or index >= last_eighth or (index - eighth) % 3 == 2
        case "inner":
            return eighth <= index < last_eighth
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


def gguf_header_bytes(vocabulary: int) -> int:
    """Bytes of a file's metadata, nearly all of it the tokenizer.

    vocabulary [tokens]. 23 B per token of a small vocabulary (text, score, type), 38 B of a larger one, which mostly
    lists merges, too.
    Valid within a factor of 1.6 (measured 23 for 32,000 and for 256,000 tokens of SentencePiece, 39 for 152,000 and 61
    for 128,000 of byte pairs), which is 0.1 % of a 4 GB file. Reference: GGUF specification; headers of Llama 2, Gemma,
    Qwen 2.5 and Llama 3.

    >>> gguf_header_bytes(32_000)
    736000
    """
    return vocabulary * (_SPM_TOKEN_BYTES if vocabulary <= _SPM_TOKENS else _BPE_TOKEN_BYTES)


def gguf_bytes(place: Place, tensor: Tensor, model: ModelSpec, weights: WeightFormat) -> float:
    """Bytes of one layer's `tensor` (or a rank's part of it) in a GGUF file, averaged over its layers.

    place: where it sits; tensor: the shape to store; model: for the rules by depth and heads; weights: the type.
    Matrices follow the mix, everything else stays F32. llama.cpp stores the up-projection of latent attention as two.
    Valid for files made by llama-quantize without per-tensor overrides; some converters store a
    tied head again (GPT-2).
    Reference: llama.cpp build 11434.
    """
    mix = MIXES[weights.id]
    elements, row = float(tensor.elements), tensor.shape[-1]
    table = place.tensor.is_token_table
    if len(tensor.shape) < 2 or (tensor.role not in _MATRICES and not table):
        return 4.0 * elements
    if place.part is Part.TOWER or any(part in place.tensor.name for part in _AS_CONVERTED):
        return 2.0 * elements
    if tensor.role is TensorRole.HEAD or (table and model.tied_embeddings):
        return block_bytes("Q8_0" if row % BLOCKS[mix.base][1] else mix.head, elements, row)
    if table:
        return block_bytes(mix.embedding or mix.base, elements, row)
    if tensor.role is TensorRole.EXPERT and mix.experts:
        return block_bytes(mix.experts, elements, row)
    if place.expands_latent and isinstance(place.mixer, MlaAttention):
        keys = place.mixer.qk_nope_head_dim / (place.mixer.qk_nope_head_dim + place.mixer.v_head_dim)
        return block_bytes(mix.base, keys * elements, place.mixer.qk_nope_head_dim) + block_bytes(
            mix.base, (1 - keys) * elements, row
        )  # fmt: skip
    spared = _of_eight_experts(mix, place)
    if spared is not None:
        return block_bytes(spared, elements, row)
    return _mixed(mix, place, model, elements, row)


def _mixed(mix: Mix, place: Place, model: ModelSpec, elements: float, row: int) -> float:
    kind = _kind(place, model)
    upgrade: Upgrade | None = getattr(mix, kind) if kind else None
    if upgrade is None:
        return block_bytes(mix.base, elements, row)
    to, rest = upgrade.to, upgrade.otherwise or mix.base
    if upgrade.grouped_only and _heads_per_kv(place) < 4 and not (mix.low and _experts(place) >= 4):
        to = rest
    if kind == "value" and _is_70b(model):
        to, rest = (("Q5_K" if each in ("Q3_K", "Q4_K") else each) for each in (to, rest))
    layers = upgrade.layers
    if kind == "down" and mix.eight_expert_down and _experts(place) == 8:
        layers = mix.eight_expert_down
    indices, total = _positions(place, model, values=kind == "value")
    share = upgraded_share(layers, indices, total)
    return share * block_bytes(to, elements, row) + (1 - share) * block_bytes(rest, elements, row)


def _positions(place: Place, model: ModelSpec, *, values: bool) -> tuple[Sequence[int], int]:
    """Where the tensor's layers stand in llama.cpp's count, and its end: value projections count only layers that
    have one, the rest counts layers."""
    group = place.group
    if group is None or not group.indices:
        return range(model.layer_count), model.layer_count
    if not values:
        return group.indices, model.layer_count
    having = sorted(index for each in model.layers if _has_values(each) for index in each.indices)
    position = {index: at for at, index in enumerate(having)}
    return [position.get(index, index) for index in group.indices], max(len(having), 1)


def _has_values(group: LayerGroup) -> bool:
    return any(_is_value(tensor.name) for mixer in group.mixers for tensor in mixer.tensors)


def _is_value(name: str) -> bool:
    return any(part in name for part in _VALUES)


def _kind(place: Place, model: ModelSpec) -> Kind | None:
    """Which of a mix's departures from its base type concerns this tensor."""
    name, shard = place.tensor.name, place.tensor.shard
    if place.part is Part.MIXER:
        attends = isinstance(place.mixer, GqaAttention | MlaAttention)
        if shard is Shard.ROW:
            return "output" if attends else None
        if _is_value(name):
            return "value"
        return "query_key" if attends and any(part in name for part in _QUERIES_AND_KEYS) else None
    if place.part is not Part.FEED_FORWARD:
        return None
    narrow_out = place.tensor.shape[0] == model.hidden_size
    is_down = shard is Shard.ROW or (shard is Shard.EXPERT and narrow_out and "down" in name)
    is_down = is_down or (shard is Shard.EXPERT and narrow_out and place.tensor.shape[-1] != model.hidden_size)
    return "down" if is_down else "gate_up"


def _of_eight_experts(mix: Mix, place: Place) -> str | None:
    """The type that models with 8 experts give the small projections of attention."""
    if _experts(place) != 8 or mix.is_plain or not isinstance(place.mixer, GqaAttention):
        return None
    if place.tensor.shard is Shard.ROW:
        return mix.eight_expert_output
    if place.tensor.shard is Shard.KV_COLUMN:
        return "Q4_K" if mix.low else "Q8_0"
    return None


def _experts(place: Place) -> int:
    feed_forward = place.group.feed_forward if place.group else None
    return feed_forward.experts if isinstance(feed_forward, MoeFeedForward) else 0


def _heads_per_kv(place: Place) -> float:
    return place.mixer.query_heads / place.mixer.kv_heads if place.mixer else math.inf


def _is_70b(model: ModelSpec) -> bool:
    """llama.cpp takes an 80-layer grouped-query model for a 70B and spares its value projection."""
    grouped = any(isinstance(mixer, GqaAttention) and mixer.query_heads > mixer.kv_heads for mixer in model.mixers())
    return model.layer_count == 80 and grouped

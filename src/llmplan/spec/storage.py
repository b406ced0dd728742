"""Bytes of one tensor under a weight format, as a checkpoint stores it and as engines hold it on a GPU."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, TypeAlias

from llmplan.spec.formats import WEIGHT_FORMATS
from llmplan.spec.gguf import gguf_bytes
from llmplan.spec.gguf_mixes import MIXES
from llmplan.spec.kept import kept_share
from llmplan.spec.model import ModelSpec
from llmplan.spec.places import Part, Place
from llmplan.spec.tensor import Tensor, TensorRole
from llmplan.spec.weight_format import WeightFormat

GLOBAL_ROLES: Final = (TensorRole.EMBED, TensorRole.HEAD)
OWN_BITS: Final = {"fp32": 32.0, "bf16": 16.0, "fp16": 16.0}
"""Widths in which checkpoints keep single tensors whatever their format."""
AGREEMENT: Final = 0.25
"""How far a header's bytes may be from the formula's for what engines do to the format to be done to the tensor."""
ROUTER_GROUP: Final = 64
ROUTER_SCALE_BYTES: Final = 4

_BY_ID: Final = {known.id: known for known in WEIGHT_FORMATS}
_EVERYTHING: Final = frozenset({TensorRole.LINEAR, TensorRole.EXPERT, TensorRole.HEAD, TensorRole.ROUTER})

Share: TypeAlias = tuple[WeightFormat | None, float]
"""A format, None: not quantized, and the share of a tensor's layers that are stored so."""


def linear_bytes(out_features: int, in_features: int, weights: WeightFormat) -> float:
    """Bytes of one linear layer [out, in] under a format that quantizes it.

    out_features [-], in_features [-]: its shape; weights: the format.
    N b/8 + out ceil(in/g) (scale + zero/8) + 4 in (GPTQ's g_idx) + per-linear bytes; scales per tile for `block`.
    Valid for AWQ, GPTQ, compressed-tensors, ModelOpt, fp8, bitsandbytes, HQQ and MLX files. Reference: vLLM 0.33
    model_executor/layers/quantization, checked against published file sizes.

    >>> by_id = {known.id: known for known in WEIGHT_FORMATS}
    >>> linear_bytes(4096, 4096, by_id["awq-int4"]) == 4096 * 4096 / 2 + 4096 * 32 * 2.5
    True
    >>> linear_bytes(4096, 4096, by_id["fp8-block"]) == 4096 * 4096 + 32 * 32 * 4
    True
    """
    stored = out_features * in_features * weights.bits / 8
    if weights.block is not None:
        tiles = math.ceil(out_features / weights.block[0]) * math.ceil(in_features / weights.block[1])
        stored += tiles * weights.scale_bytes
    else:
        groups = math.ceil(in_features / weights.group_size) if weights.group_size else 1
        stored += out_features * groups * (weights.scale_bytes + weights.zero_bits / 8)
    return stored + weights.index_bytes_per_input * in_features + weights.per_linear_bytes


def is_quantizable(tensor: Tensor, weights: WeightFormat) -> bool:
    """Whether a format converts this kind of tensor at all: matrices of layers, of experts alone, or all matrices."""
    if not weights.is_quantized or len(tensor.shape) != 2:
        return False
    if weights.everything:
        covered = tensor.role in _EVERYTHING or tensor.is_token_table
        return covered and tensor.shape[-1] % (weights.group_size or 1) == 0
    return tensor.role is TensorRole.EXPERT or (tensor.role is TensorRole.LINEAR and not weights.experts_only)


def own_format(model: ModelSpec) -> WeightFormat | None:
    """The format of most of a checkpoint's weights with all that its file states; None: an id that nobody knows."""
    return model.checkpoint_weights or _BY_ID.get(model.checkpoint_format)


def as_published(weights: WeightFormat, model: ModelSpec) -> WeightFormat:
    """The checkpoint's own group size, scales and zeros where its kind of format is meant and nothing else is said."""
    own = own_format(model)
    return own if own is not None and weights == _BY_ID.get(own.id) else weights


def shares(place: Place, model: ModelSpec, weights: WeightFormat) -> tuple[Share, ...]:
    """How a tensor is stored: in which formats, and in what share of the layers that hold it.

    place: the tensor; model: for what its file says of single modules; weights: the format.
    The file's lists where its own format is meant, else the format's own rule. Towers stay in 16 bit unless listed.
    Valid for the formats of the registry. Reference: `ModelSpec.module_formats`, `ModelSpec.unquantized_modules`.
    """
    tensor = place.tensor
    usual = _usual(place, weights)
    if weights.id != model.checkpoint_format or len(tensor.shape) != 2:
        return ((usual, 1.0),)
    found: list[Share] = []
    for each in model.module_formats:
        share = kept_share(tensor, place.group, each.modules)
        if share:
            found.append((each.weights, share))
    if usual is not None and model.unquantized_modules:
        kept = kept_share(tensor, place.group, frozenset(model.unquantized_modules))
        if kept:
            found.append((None, kept))
    rest = 1.0 - math.fsum(share for _, share in found)
    return (*found, (usual, rest)) if rest > 1e-9 else tuple(found)


def _usual(place: Place, weights: WeightFormat) -> WeightFormat | None:
    tensor = place.tensor
    if place.part is Part.TOWER or not is_quantizable(tensor, weights):
        return None
    if tensor.role is TensorRole.ROUTER:
        if _is_one_module_with_its_bias(place):
            return None
        if weights.router_bits is not None:
            weights = replace(
                weights, bits=weights.router_bits, group_size=ROUTER_GROUP, scale_bytes=ROUTER_SCALE_BYTES
            )  # fmt: skip
    if weights.everything and tensor.dtype == "fp32":
        return replace(weights, scale_bytes=2 * weights.scale_bytes)
    return weights


def _is_one_module_with_its_bias(place: Place) -> bool:
    """A router that holds its score bias is a module of its own kind, no linear layer that a converter would find."""
    feed_forward = place.group.feed_forward if place.group else None
    path = place.tensor.name.removesuffix("weight")
    return any(t.buffer and t.name.startswith(path) for t in (feed_forward.tensors if feed_forward else ()))


def plain_bits_on_disk(model: ModelSpec, weights: WeightFormat) -> float:
    """Width of what a format leaves alone in a file: 16 bit, or 32 where the file's own type is."""
    if not weights.is_quantized:
        return weights.bits
    is_own = weights.id == model.checkpoint_format
    return 32.0 if is_own and model.dtype in ("fp32", "float32") else 16.0


def tensor_bytes(place: Place, tensor: Tensor, model: ModelSpec, weights: WeightFormat, *, loaded: bool) -> float:
    """Bytes of `tensor`, one layer's or a rank's part of it, averaged over the layers that hold it.

    place: where it sits; tensor: the shape to store; model: for its own type and lists; weights: the format; loaded:
    on a GPU, where nothing that is quantized has 32-bit neighbours and kernels keep what they need, else on disk.
    Sum over `shares` of share x bytes; where a header was read, its bytes x share of the elements x loaded / stored,
    the latter if the header shows the tensor in the format at all.
    Valid for the formats of the registry. Reference: `linear_bytes`, `gguf_bytes`.
    """
    weights = as_published(weights, model)
    on_disk = plain_bits_on_disk(model, weights)
    bits = (16.0 if weights.is_quantized else weights.bits) if loaded else on_disk
    size = _by_formula(place, tensor, model, weights, bits, loaded=loaded)
    known = place.tensor.stored_bytes
    if known is None or weights.id != model.checkpoint_format or weights != own_format(model):
        return size
    whole = _by_formula(place, place.tensor, model, weights, on_disk, loaded=False)
    stored = _by_formula(place, tensor, model, weights, on_disk, loaded=False)
    agrees = stored > 0 and abs(known - whole) <= AGREEMENT * whole
    return known * tensor.elements / place.tensor.elements * (size / stored if agrees else 1.0)


def _by_formula(
    place: Place, tensor: Tensor, model: ModelSpec, weights: WeightFormat, plain_bits: float, *, loaded: bool
) -> float:  # fmt: skip
    if weights.id in MIXES:
        return gguf_bytes(place, tensor, model, weights)
    if tensor.dtype is not None:
        plain_bits = max(plain_bits, OWN_BITS[tensor.dtype])
    elif tensor.role in GLOBAL_ROLES and not weights.is_quantized:
        plain_bits = max(plain_bits, weights.head_bits)
    total = 0.0
    for how, share in shares(place, model, weights):
        if how is None:
            total += share * tensor.elements * plain_bits / 8
        else:
            kept = how.loaded() if loaded else how
            total += share * tensor.copies * linear_bytes(tensor.shape[0], tensor.shape[1], kept)
    return total


def matrix_bytes(place: Place, tensor: Tensor, model: ModelSpec, weights: WeightFormat) -> float:
    """Bytes on a GPU of `tensor` without its scales, zeros and indices, which are allocated apart.

    place: where it sits; tensor: the shape to hold; model, weights: what is loaded.
    Sum over `shares` of share x elements x bits / 8. Valid for the formats of the registry. Reference: `shares`.
    """
    if weights.id in MIXES:
        return gguf_bytes(place, tensor, model, weights)
    weights = as_published(weights, model)
    plain = OWN_BITS[tensor.dtype] if tensor.dtype else 16.0 if weights.is_quantized else weights.bits
    found = shares(place, model, weights)
    return tensor.elements / 8 * math.fsum(share * (how.bits if how else plain) for how, share in found)


def bytes_per_weight(place: Place, model: ModelSpec, weights: WeightFormat) -> float:
    """Bytes that one weight of a tensor takes on a GPU, with its share of scales and zeros.

    place: the tensor and its layers; model, weights: what is loaded.
    bytes / elements, averaged over the layers that hold it. Valid as `tensor_bytes`. Reference: `tensor_bytes`.
    """
    return tensor_bytes(place, place.tensor, model, weights, loaded=True) / place.tensor.elements

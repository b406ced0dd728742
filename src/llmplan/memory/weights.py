"""Bytes of weights: what a checkpoint takes on disk, and what one tensor takes under a format."""

from __future__ import annotations

import math

from llmplan.memory.gguf import gguf_bytes
from llmplan.memory.places import Place, places
from llmplan.spec.formats import WeightFormat
from llmplan.spec.identity import remembered
from llmplan.spec.kept import kept_share
from llmplan.spec.model import ModelSpec, Tensor, TensorRole

GLOBAL_ROLES = (TensorRole.EMBED, TensorRole.HEAD)
OWN_BITS = {"fp32": 32.0, "bf16": 16.0, "fp16": 16.0}
"""Widths in which checkpoints keep single tensors whatever their format."""


def linear_bytes(out_features: int, in_features: int, weights: WeightFormat) -> float:
    """Bytes of one linear layer [out, in] under a format that quantizes it.

    out_features [-], in_features [-]: its shape; weights: the format.
    N b/8 + out ceil(in/g) (scale + zero/8) + 4 in (GPTQ's g_idx) + per-linear bytes; scales per tile for `block`.
    Valid for AWQ, GPTQ, compressed-tensors, ModelOpt, fp8 and bitsandbytes files. Reference: vLLM 0.33
    model_executor/layers/quantization, checked against published file sizes.

    >>> from llmplan.memory.formats import weight_format
    >>> linear_bytes(4096, 4096, weight_format("awq-int4")) == 4096 * 4096 / 2 + 4096 * 32 * 2.5
    True
    >>> linear_bytes(4096, 4096, weight_format("fp8-block")) == 4096 * 4096 + 32 * 32 * 4
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
    """Whether a format converts this kind of tensor at all: matrices of layers, or of experts alone."""
    if not weights.is_quantized or len(tensor.shape) != 2:
        return False
    return tensor.role is TensorRole.EXPERT or (tensor.role is TensorRole.LINEAR and not weights.experts_only)


def tensor_bytes(place: Place, tensor: Tensor, model: ModelSpec, weights: WeightFormat, plain_bits: float) -> float:
    """Bytes of `tensor`, one layer's or a rank's part of it, averaged over the layers that hold it.

    place: where it sits; tensor: the shape to store; model: for its ignore list; weights: the format;
    plain_bits [bit]: width of what stays unquantized.
    share kept x plain + (1 - share) x quantized. Valid for the formats of the registry.
    Reference: `linear_bytes`, `gguf_bytes`.
    """
    if weights.family == "gguf":
        return gguf_bytes(place, tensor, model, weights)
    if tensor.dtype is not None:
        plain_bits = max(plain_bits, OWN_BITS[tensor.dtype])
    elif tensor.role in GLOBAL_ROLES:
        plain_bits = max(plain_bits, weights.head_bits)
    plain = tensor.elements * plain_bits / 8
    if not is_quantizable(tensor, weights):
        return plain
    packed = tensor.copies * linear_bytes(tensor.shape[0], tensor.shape[1], weights)
    if weights.id != model.checkpoint_format or not model.unquantized_modules:
        return packed
    kept = kept_share(tensor, place.group, frozenset(model.unquantized_modules))
    return kept * plain + (1 - kept) * packed


@remembered
def _checkpoint_bytes(model: ModelSpec, weights: WeightFormat) -> int:
    bits = weights.bits if not weights.is_quantized else 16.0
    if weights.is_quantized and weights.id == model.checkpoint_format and model.dtype in ("fp32", "float32"):
        bits = 32.0
    return round(math.fsum(p.layers * tensor_bytes(p, p.tensor, model, weights, bits) for p in places(model)))


def checkpoint_bytes(model: ModelSpec, weight_format: WeightFormat) -> int:
    """Bytes of the model's files in a format: every tensor once, tied ones once, headers not counted.

    model: the inventory; weight_format: how it is stored.
    Sum over tensors of `tensor_bytes`. Valid for all supported families; draft (MTP) layers are not in the inventory.
    Reference: published file sizes, see docs/how-it-works/memory.md.
    """
    return _checkpoint_bytes(model, weight_format)

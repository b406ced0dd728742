"""Bytes of weights: what a checkpoint takes on disk, and what one tensor takes under a format."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from llmplan.spec import storage
from llmplan.spec.formats import WeightFormat
from llmplan.spec.gguf import gguf_header_bytes
from llmplan.spec.identity import remembered
from llmplan.spec.model import GqaAttention, MlaAttention, ModelSpec, Tensor
from llmplan.spec.places import Part, Place, draft_places, places

COPY_BYTES: Final = 2


def tensor_bytes(place: Place, tensor: Tensor, model: ModelSpec, weights: WeightFormat) -> float:
    """Bytes on a GPU of `tensor`, one layer's or a rank's part of it, averaged over the layers that hold it.

    place: where it sits; tensor: the shape to hold; model: for its own type and lists; weights: the format.
    As stored, without what kernels drop (zeros and input order of GPTQ that say nothing) and with what engines widen
    (bitsandbytes' doubly quantized scales), and with the 16-bit copy of a quantized latent up-projection that decoding
    multiplies into the queries. Valid for the formats of the registry. Reference: `spec.storage`; vLLM 0.33
    model_executor/layers/attention/mla_attention.py, process_weights_after_loading.
    """
    size = storage.tensor_bytes(place, tensor, model, weights, loaded=True)
    if weights.family == "gguf" or not place.expands_latent:
        return size
    quantized = math.fsum(share for how, share in storage.shares(place, model, weights) if how is not None)
    return size + quantized * COPY_BYTES * tensor.elements


@remembered
def _checkpoint_bytes(model: ModelSpec, weights: WeightFormat) -> int:
    own = storage.as_published(weights, model)
    total = math.fsum(
        place.layers * storage.tensor_bytes(place, place.tensor, model, weights, loaded=False)
        for place in _stored(model, weights)
    )
    if weights.id == model.checkpoint_format and any(place.tensor.stored_bytes is not None for place in places(model)):
        return round(total)  # read from headers, which name every tensor
    if weights.id == model.checkpoint_format and own.kv_scale_bytes:
        total += own.kv_scale_bytes * _cached_layers(model)
    if weights.family == "gguf":
        total += gguf_header_bytes(model.vocab_size)
    return round(total)


def _stored(model: ModelSpec, weights: WeightFormat) -> Iterator[Place]:
    """What a file holds: converters drop the towers of GGUF files and all layers that only draft."""
    for place in places(model, unused=True):
        if weights.family != "gguf" or place.part is not Part.TOWER:
            yield place
    if weights.id == model.checkpoint_format or not weights.is_quantized:
        yield from draft_places(model)


def _cached_layers(model: ModelSpec) -> int:
    attends = GqaAttention | MlaAttention
    return sum(group.count for group in model.layers for mixer in group.mixers if isinstance(mixer, attends))


def checkpoint_bytes(model: ModelSpec, weight_format: WeightFormat) -> int:
    """Bytes of the model's files in a format: every tensor once, tied ones once.

    model: the inventory; weight_format: how it is stored.
    Sum over tensors of `tensor_bytes` on disk, with towers and, in the published or a 16-bit format, the layers that
    draft tokens. Headers count in GGUF files only, which hold the tokenizer there and no tower.
    Valid for all supported families. Reference: published file sizes, see docs/how-it-works/memory.md.
    """
    return _checkpoint_bytes(model, weight_format)

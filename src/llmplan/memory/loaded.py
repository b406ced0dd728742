"""What loading adds to the weights themselves: the allocator's rounding and the table of rotary positions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from llmplan.spec.model import (
    CompressedAttention,
    GqaAttention,
    Mixer,
    MlaAttention,
    ModelSpec,
    RecurrentMixer,
    Shard,
    TensorRole,
)
from llmplan.spec.places import Part, Place
from llmplan.units import HALF_BYTES, MIB

SMALLEST_BYTES: Final = 512
SMALL_BYTES: Final = MIB
OWN_SEGMENT_BYTES: Final = 10 * MIB
SHARED_SEGMENT_BYTES: Final = 20 * MIB
SEGMENT_STEP_BYTES: Final = 2 * MIB
UNSPLIT_REST_BYTES: Final = MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTensor:
    """A rank's part of a tensor [bytes] and its place. `matrix_bytes`: the weights without scales, which are tensors of
    their own."""

    place: Place
    size_bytes: float
    matrix_bytes: float


def unsplit_bytes(sizes_bytes: Iterable[float]) -> float:
    """What PyTorch's caching allocator counts beyond tensors that it is asked for one after the other.

    sizes_bytes [B]: each is rounded up to 512 B; from 1 to 10 MiB it takes the smallest free block that holds it, or a
    new segment of 20 MiB, from 10 MiB on a segment of the next multiple of 2 MiB; what is left of a block is not split
    off, but counted, if it is 1 MiB or less.
    Valid for PyTorch 2 without expandable segments, where nothing is freed.
    Reference: c10/cuda/CUDACachingAllocator.cpp.

    >>> unsplit_bytes([19.5 * 1024**2, 6.5 * 1024**2, 6.5 * 1024**2, 6.5 * 1024**2]) / 1024**2
    1.0
    """
    free: list[float] = []
    beyond = 0.0
    for asked in sizes_bytes:
        size = math.ceil(asked / SMALLEST_BYTES) * SMALLEST_BYTES
        beyond += size - asked
        if size <= SMALL_BYTES:
            continue
        block = min((each for each in free if each >= size), default=None) if size < OWN_SEGMENT_BYTES else None
        if block is not None:
            free.remove(block)
        elif size < OWN_SEGMENT_BYTES:
            block = SHARED_SEGMENT_BYTES
        else:
            block = math.ceil(size / SEGMENT_STEP_BYTES) * SEGMENT_STEP_BYTES
        rest = block - size
        if rest > UNSPLIT_REST_BYTES:
            free.append(rest)
        else:
            beyond += rest
    return beyond


def rounding_of_layers(tensors: Sequence[LoadedTensor], layers: int) -> float:
    """Rounding of equal layers' tensors, as the engine joins them.

    tensors: one rank's parts of one layer; layers [layers]. Query, key and value are one allocation, gate and up are
    one, and the experts' matrices are two; scales are apart, and small ones fill what others leave. Sum by
    `unsplit_bytes` over all layers.
    Valid for vLLM's fused layers. Reference: vLLM 0.33 model_executor/layers/linear.py.
    """
    matrices: dict[str, float] = {}
    scales: dict[str, float] = {}
    for tensor in tensors:
        name = _allocation(tensor.place)
        matrices[name] = matrices.get(name, 0.0) + tensor.matrix_bytes
        scales[name] = scales.get(name, 0.0) + tensor.size_bytes - tensor.matrix_bytes
    large = (size for size in scales.values() if size >= OWN_SEGMENT_BYTES)
    one = [*matrices.values(), *large]
    return unsplit_bytes(size for _ in range(layers) for size in one)


def _allocation(place: Place) -> str:
    tensor = place.tensor
    if tensor.role is TensorRole.EXPERT:
        return "w2" if tensor.name.endswith(("down_proj.weight", "w2.weight")) else "w13"
    column = tensor.role is TensorRole.LINEAR and tensor.shard in (Shard.COLUMN, Shard.KV_COLUMN)
    if column and isinstance(place.mixer, GqaAttention):
        return "qkv"
    if column and place.part is Part.FEED_FORWARD:
        return "gate_up"
    return tensor.name


def rotary_table_bytes(model: ModelSpec) -> float:
    """The table of cosines and sines that all layers share.

    model: its positions and head sizes. positions x rotary dimensions x 2 B.
    Valid for rotary models under vLLM; partial rotary dimensions are not told apart. Reference: vLLM 0.33
    model_executor/layers/rotary_embedding; Llama-3.1-8B: 131072 x 128 x 2 B = 32 MiB.
    """
    dimensions = max((rotary_dim(mixer) for mixer in model.mixers()), default=0)
    return float(model.max_context_tokens * dimensions * HALF_BYTES)


def rotary_dim(mixer: Mixer) -> int:
    """Dimensions of a head that carry positions: all of them, or the rotary part of a latent; none of a recurrence.

    mixer: the attention or recurrence. Valid for rotary positions; partial rotary dimensions are not told apart.
    Reference: as `rotary_table_bytes`.
    """
    match mixer:
        case GqaAttention():
            return 0 if mixer.cross or mixer.encoder else mixer.head_dim
        case MlaAttention():
            return mixer.qk_rope_head_dim
        case CompressedAttention():
            return mixer.rope_dim
        case RecurrentMixer():
            return 0

"""Bytes of weights on one GPU: every tensor cut the way the engine cuts it, for the fullest pipeline stage."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from llmplan.memory.joined import padding_bytes
from llmplan.memory.loaded import LoadedTensor, rotary_table_bytes, rounding_of_layers, unsplit_bytes
from llmplan.memory.stages import layers_in, stage_ranges
from llmplan.memory.weights import tensor_bytes
from llmplan.plan.deployment import Parallelism
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import WeightFormat
from llmplan.spec.identity import remembered
from llmplan.spec.model import ModelSpec, Shard, Tensor, TensorRole
from llmplan.spec.places import Place, places
from llmplan.spec.storage import matrix_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RankWeights:
    """Weights of one tensor-parallel rank by pipeline stage [bytes]."""

    layer_count: int
    stages_bytes: tuple[float, ...]
    """the layers of each pipeline stage"""
    embedding_bytes: float
    head_bytes: float
    """the output matrix; the embedding's size where they are tied, though stored once"""
    other_bytes: float
    tied: bool

    @property
    def layer_bytes(self) -> float:
        """An average layer."""
        return math.fsum(self.stages_bytes) / self.layer_count

    def stage_bytes(self, *, host_layers: int = 0, embedding_on_host: bool = False) -> float:
        """The fullest pipeline stage: its layers, and what the first and the last stage hold besides."""
        on_gpu = 1 - host_layers / self.layer_count
        stages = [size * on_gpu for size in self.stages_bytes]
        if not embedding_on_host:
            stages[0] += self.embedding_bytes
        if len(stages) > 1 or embedding_on_host or not self.tied:
            stages[-1] += self.head_bytes
        return max(stages) + self.other_bytes


def rank_part(place: Place, model: ModelSpec, parallel: Parallelism, vocab_padding: int) -> Tensor:
    """The part of a tensor that the fullest rank holds.

    place: the tensor and its layer; model: for its hidden size; parallel: ranks; vocab_padding [rows]: multiple.
    Column: out / tp. Row: in / tp. KV column: heads / tp, at least one head. Vocabulary: padded rows / tp.
    Experts: whole ones over tp x dp ranks with EP, else each expert's width over them.
    Valid for Megatron-style layers. Reference: vLLM 0.33 model_executor/layers/{linear,vocab_parallel_embedding}.py.
    """
    tensor = place.tensor
    first, tp = tensor.shape[0], parallel.tp
    match tensor.shard:
        case Shard.REPLICATED:
            return tensor
        case Shard.COLUMN:
            return replace(tensor, shape=(math.ceil(first / tp), *tensor.shape[1:]))
        case Shard.ROW:
            return replace(tensor, shape=(*tensor.shape[:-1], math.ceil(tensor.shape[-1] / tp)))
        case Shard.KV_COLUMN:
            heads = math.ceil(place.kv_heads / tp)
            return replace(tensor, shape=(math.ceil(first * heads / place.kv_heads), *tensor.shape[1:]))
        case Shard.VOCAB:
            rows = math.ceil(first / vocab_padding) * vocab_padding
            return replace(tensor, shape=(math.ceil(rows / tp), *tensor.shape[1:]))
        case Shard.EXPERT:
            return _expert_part(place, model, parallel)


def _expert_part(place: Place, model: ModelSpec, parallel: Parallelism) -> Tensor:
    tensor, ranks = place.tensor, parallel.tp * parallel.dp
    if parallel.ep:
        return replace(tensor, copies=math.ceil(tensor.copies / ranks))
    axis = _width_axis(place, model)
    if axis is None:
        return tensor
    shape = tuple(math.ceil(size / ranks) if at == axis else size for at, size in enumerate(tensor.shape))
    return replace(tensor, shape=shape)


def _width_axis(place: Place, model: ModelSpec) -> int | None:
    """The axis along an expert's own width; None for a vector along the hidden size, which every rank holds.

    The one axis as long as the width (twice, where gate and up are joined); where both are or neither, the one that
    is not the hidden size.
    """
    shape, width = place.tensor.shape, place.expert_intermediate
    along = [at for at, size in enumerate(shape) if width and size in (width, 2 * width)]
    if len(along) == 1:
        return along[0]
    if len(shape) == 1:
        return None if shape[0] == model.hidden_size else 0
    return 0 if shape[0] != model.hidden_size else len(shape) - 1


def _padded(place: Place, part: Tensor, model: ModelSpec, weights: WeightFormat) -> Tensor:
    """An expert's matrix as the kernels keep it: both sides rounded up to the format's multiples."""
    multiple, width = weights.resident_multiple, place.expert_intermediate
    if multiple is None or width is None or part.role is not TensorRole.EXPERT or len(part.shape) != 2:
        return part
    axis = _width_axis(place, model)
    halves = max(1, round(place.tensor.shape[axis or 0] / width))
    sizes = []
    for at, size in enumerate(part.shape):
        pieces, step = (halves, multiple[0]) if at == axis else (1, multiple[1])
        sizes.append(pieces * math.ceil(size / pieces / step) * step)
    return replace(part, shape=tuple(sizes))


@remembered
def rank_weights(
    model: ModelSpec, weights: WeightFormat, parallel: Parallelism, vocab_padding: int, pytorch: bool
) -> RankWeights:
    """Add up one rank's tensors by what pipeline stages and offloading move: layers, embedding, head, the rest.

    model, weights: what is loaded; parallel: how it is cut; vocab_padding [rows]: the engine's multiple; pytorch:
    whether its allocator rounds and a table of positions is kept (all engines but llama.cpp).
    Unquantized tensors are held in 16 bit, or 32 if the format is. Valid after loading, before compilation.
    Reference: `rank_part`, `tensor_bytes`, `rounding_of_layers`.
    """
    ranges = stage_ranges(model.layer_count, parallel.pp)
    stages = [0.0] * parallel.pp
    outside = dict.fromkeys(TensorRole, 0.0)
    by_group: dict[int, list[LoadedTensor]] = {}
    for place in places(model):
        part = _padded(place, rank_part(place, model, parallel, vocab_padding), model, weights)
        size = tensor_bytes(place, part, model, weights)
        if place.group is None:
            rounding = unsplit_bytes([size] * place.layers) if pytorch else 0.0
            outside[place.tensor.role] += place.layers * size + rounding
        else:
            matrix = matrix_bytes(place, part, model, weights)
            loaded = LoadedTensor(place=place, size_bytes=size, matrix_bytes=min(matrix, size))
            by_group.setdefault(id(place.group), []).append(loaded)
    for group in model.layers:
        tensors = by_group.get(id(group), [])
        layer = math.fsum(tensor.size_bytes for tensor in tensors)
        layer += rounding_of_layers(tensors, group.count) / group.count if pytorch else 0.0
        if pytorch and weights.family == "gguf":
            parts = [(each.place, rank_part(each.place, model, parallel, vocab_padding)) for each in tensors]
            layer += padding_bytes(group, parts, model, weights)
        stages = [held + layer * layers_in(group, model, stage) for held, stage in zip(stages, ranges, strict=True)]
    embedding, head = outside.pop(TensorRole.EMBED), outside.pop(TensorRole.HEAD)
    return RankWeights(
        layer_count=model.layer_count,
        stages_bytes=tuple(stages),
        embedding_bytes=embedding,
        head_bytes=head if not model.tied_embeddings else embedding,
        other_bytes=math.fsum(outside.values()) + (rotary_table_bytes(model) if pytorch else 0.0),
        tied=model.tied_embeddings,
    )


@remembered
def expert_bytes(model: ModelSpec, weights: WeightFormat, parallel: Parallelism) -> float:
    """Bytes of the routed experts on one rank, all layers of a stage, as they are loaded.

    model, weights: what is loaded; parallel: how it is cut. Sum of the expert tensors' parts / stages.
    Valid as `rank_weights`. Reference: llama.cpp build 11434 `--n-cpu-moe`, which names the same tensors.
    """
    total = 0.0
    for place in places(model):
        if place.group is not None and place.tensor.role is TensorRole.EXPERT:
            part = _padded(place, rank_part(place, model, parallel, 1), model, weights)
            total += place.layers * tensor_bytes(place, part, model, weights)
    return total / parallel.pp


def weights_on_rank(
    model: ModelSpec, weight_format: WeightFormat, parallel: Parallelism, engine: EngineSpec
) -> RankWeights:
    """`rank_weights` as an engine loads it."""
    return rank_weights(model, weight_format, parallel, engine.vocab_padding, not engine.host_layers)


def resident_weight_bytes_per_gpu(
    model: ModelSpec, weight_format: WeightFormat, parallel: Parallelism, engine: EngineSpec
) -> float:
    """Bytes of weights on the fullest GPU once the engine has loaded the model.

    model, weight_format: what is loaded; parallel: ranks; engine: its vocabulary padding, and whether it keeps the
    token embedding in host memory (an engine that splits layers between GPU and CPU does).
    The fullest stage: its layers + embedding (first) or output matrix (last).
    Valid within 0.5 % of vLLM's "Model loading took" for 16-bit, fp8 and int8; 3 % where kernels repack weights.
    Reference: measured logs, see docs/how-it-works/memory.md.
    """
    share = weights_on_rank(model, weight_format, parallel, engine)
    return share.stage_bytes(embedding_on_host=engine.host_layers)

"""What one GPU has to do in a step: weights to read, FLOP per token, cache bytes per token of context.

Everything here is a count, derived from the model's tensor inventory and the way it is cut over ranks. No
bandwidth, no efficiency, no seconds: those belong to `step`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.perf.launches import launches
from llmplan.perf.mixing import mixings
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.spec.formats import KvFormat, WeightFormat
from llmplan.spec.identity import remembered
from llmplan.spec.model import (
    LayerGroup,
    ModelSpec,
    MoeFeedForward,
    Shard,
    Tensor,
    TensorRole,
)
from llmplan.spec.places import Part, Place, places_in
from llmplan.spec.storage import bytes_per_weight

ACTIVATION_BYTES = 2.0
"""Hidden states travel between GPUs in 16 bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertWork:
    """Routed experts of one stage on one rank: all that are resident, of which a step touches only some."""

    experts: int
    chosen: int
    resident_weights: float
    resident_bytes: float
    width: float
    """intermediate columns of one expert on one rank"""

    def coverage(self, tokens: float) -> float:
        """Share of the experts that at least one of `tokens` tokens is routed to."""
        return expert_coverage(self.experts, self.chosen, tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionWork:
    """Mixers of one stage with the same reach on one rank. `window_tokens` inf: the whole context.

    A recurrence reaches one token: its bytes per context token are its state, read and written, and do not grow.
    """

    window_tokens: float
    cache_bytes_per_context_token: float
    decode_flop_per_context_token: float
    prefill_flop_per_context_token: float
    grows: bool = True
    """whether the bytes are kept per token of context: not those of a state, nor of a cache that another layer keeps"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The busiest rank of the busiest pipeline stage."""

    layers: int
    launches: float
    """kernels started, whatever the batch"""
    quantizing_launches: float
    """further ones where matrices compute in fewer than 16 bits"""
    expert_layers: float
    dense_weights: float
    dense_bytes: float
    experts: tuple[ExpertWork, ...]
    head_weights: float
    head_bytes: float
    attention: tuple[AttentionWork, ...]
    hidden_bytes_per_token: float
    routed_copies_per_token: float
    """hidden vectors sent per token in all MoE layers of the stage (experts per token, summed over layers)"""
    adapter_bytes_per_rank_unit: float
    """bytes of one LoRA adapter of rank 1 over the stage's linear layers"""

    @property
    def cache_bytes_per_context_token(self) -> float:
        """Bytes of the cache that one more token of context adds, over all layers inside their windows."""
        return sum(each.cache_bytes_per_context_token for each in self.attention if each.grows)

    @property
    def resident_bytes(self) -> float:
        """Weights read at most once a step: dense, all experts and the head [bytes]."""
        return self.dense_bytes + self.head_bytes + sum(e.resident_bytes for e in self.experts)


def expert_coverage(experts: int, chosen: int, tokens: float) -> float:
    """Expected share of experts that a step touches, if routing is uniform.

    experts [-], chosen [-] per token, tokens [tokens] in the step.
    1 - (1 - k/E)^B. Valid for uniform independent routing; real routers are skewed and touch fewer.
    Reference: occupancy problem (Feller, vol. 1, IV.2).

    >>> round(expert_coverage(8, 2, 1), 4)
    0.25
    >>> round(expert_coverage(128, 4, 64), 4)
    0.8689
    """
    if chosen >= experts:
        return 1.0 if tokens > 0 else 0.0
    return -math.expm1(tokens * math.log1p(-chosen / experts))


def adapter_slot_rank(replica: Replica) -> int:
    """Rank that one adapter is read at [-]: that of its slot, whose rows beyond the adapter's are zeros.

    replica: its tenancy and its engine's ranks. The engine's smallest that holds the adapter's, else its own.
    Valid for vLLM, whose kernels take the whole slot. Reference: vLLM 0.33 config/lora.py; as `memory` reserves.
    """
    rank = replica.tenancy.lora_rank if replica.tenancy else 0
    return min((known for known in replica.engine.max_lora_ranks if known >= rank), default=rank)


def exchanged_bytes_per_token(work: Work, parallel: Parallelism) -> float:
    """Bytes that one GPU sends for each token of its group so that data-parallel groups can share experts, one way.

    work: copies and layers of the stage; parallel: how experts are spread.
    EP: k copies of the hidden vector to the (n - 1)/n of ranks that are others, shared by tp GPUs. Without EP every
    group's tokens are gathered on all groups: (dp - 1) copies in each layer with experts. The way back is as long.
    Valid for rings and pairwise exchanges. Reference: vLLM 0.33 distributed/device_communicators/all2all.py.
    """
    if not parallel.ep:
        return work.expert_layers * (parallel.dp - 1) * work.hidden_bytes_per_token
    ranks = parallel.tp * parallel.dp
    return work.routed_copies_per_token * work.hidden_bytes_per_token * (ranks - 1) / ranks / parallel.tp


@remembered
def work_of(model: ModelSpec, weights: WeightFormat, kv: KvFormat, parallel: Parallelism) -> Work:
    """Count the work of the busiest rank of the busiest stage.

    model, weights, kv: what runs; parallel: how it is cut.
    Every tensor of a layer / its shard count; a stage holds ceil(L / pp) of L layers, the last one the head.
    Valid for stages of equal layer counts. Reference: Megatron-LM (arXiv 1909.08053) for the cuts.
    """
    stage_layers = math.ceil(model.layer_count / parallel.pp)
    share = stage_layers / model.layer_count
    dense, expert_layers, copies = _Dense(), 0.0, 0.0
    started = quantizing = 0.0
    experts: dict[tuple[int, int, float], list[float]] = {}
    for group in model.layers:
        count = group.count * share
        _count_tensors(model, group, count, weights, parallel, dense, experts)
        kernels = launches(group, weights)
        started += count * kernels.plain
        quantizing += count * kernels.quantizing
        if isinstance(group.feed_forward, MoeFeedForward):
            expert_layers += count
            copies += count * group.feed_forward.experts_per_token
    head_weights, head_bytes = _head(model, weights, parallel)
    return Work(
        layers=stage_layers,
        launches=started,
        quantizing_launches=quantizing,
        expert_layers=expert_layers,
        dense_weights=dense.weights,
        dense_bytes=dense.size_bytes,
        experts=tuple(
            ExpertWork(experts=key[0], chosen=key[1], width=key[2], resident_weights=total[0], resident_bytes=total[1])
            for key, total in experts.items()
        ),
        head_weights=head_weights,
        head_bytes=head_bytes,
        attention=_attention_work(model, kv, parallel, share),
        hidden_bytes_per_token=model.hidden_size * ACTIVATION_BYTES,
        routed_copies_per_token=copies,
        adapter_bytes_per_rank_unit=dense.adapter_bytes,
    )


@dataclass(slots=True)
class _Dense:
    """Running sums over what every token passes through."""

    weights: float = 0.0
    size_bytes: float = 0.0
    adapter_bytes: float = 0.0


def _count_tensors(
    model: ModelSpec,
    group: LayerGroup,
    count: float,
    weights: WeightFormat,
    parallel: Parallelism,
    dense: _Dense,
    experts: dict[tuple[int, int, float], list[float]],
) -> None:
    """Add one rank's part of `count` layers of a group to the sums."""
    feed_forward = group.feed_forward
    for place in places_in(group):
        tensor, kv_heads = place.tensor, place.kv_heads
        per_rank = count * tensor.elements / _shards(tensor.shard, parallel, kv_heads)
        size_bytes = per_rank * bytes_per_weight(place, model, weights)
        if tensor.role is TensorRole.EXPERT and isinstance(feed_forward, MoeFeedForward):
            width = feed_forward.expert_intermediate_size / (1 if parallel.ep else parallel.tp * parallel.dp)
            key = feed_forward.experts, feed_forward.experts_per_token, width
            total = experts.setdefault(key, [0.0, 0.0])
            total[0] += per_rank
            total[1] += size_bytes
            continue
        dense.size_bytes += size_bytes
        if tensor.role in (TensorRole.LINEAR, TensorRole.ROUTER):
            dense.weights += per_rank
        if tensor.role is TensorRole.LINEAR and len(tensor.shape) == 2:
            features = _adapter_features(tensor, _shards(tensor.shard, parallel, kv_heads))
            dense.adapter_bytes += count * ACTIVATION_BYTES * tensor.copies * features


def _adapter_features(tensor: Tensor, shards: int) -> float:
    """Columns of A and rows of B that a rank holds of one adapter: only the side that the layer is cut on shrinks."""
    outputs, inputs = tensor.shape
    return outputs + inputs / shards if tensor.shard is Shard.ROW else outputs / shards + inputs


def _attention_work(model: ModelSpec, kv: KvFormat, parallel: Parallelism, share: float) -> tuple[AttentionWork, ...]:
    """Mixers with the same reach are one entry: their bytes and FLOP add."""
    sums: dict[tuple[float, bool], list[float]] = {}
    for group in model.layers:
        count = group.count * share
        for work in (work for mixer in group.mixers for work in mixings(mixer, kv, parallel.tp)):
            total = sums.setdefault((work.window_tokens, work.grows), [0.0, 0.0, 0.0])
            total[0] += count * work.read_bytes / (parallel.dcp if work.grows else 1)
            total[1] += count * work.decode_flop
            total[2] += count * work.prefill_flop
    return tuple(
        AttentionWork(
            window_tokens=window,
            cache_bytes_per_context_token=total[0],
            decode_flop_per_context_token=total[1],
            prefill_flop_per_context_token=total[2],
            grows=grows,
        )
        for (window, grows), total in sums.items()
    )


def _head(model: ModelSpec, weights: WeightFormat, parallel: Parallelism) -> tuple[float, float]:
    """Weights and bytes of the output matrix on one rank; the embedding stands in when they are tied."""
    role = TensorRole.EMBED if model.tied_embeddings else TensorRole.HEAD
    elements = size_bytes = 0.0
    for tensor in model.globals:
        if tensor.role is role:
            place = Place(tensor=tensor, layers=1, part=Part.GLOBAL)
            elements += tensor.elements / parallel.tp
            size_bytes += tensor.elements / parallel.tp * bytes_per_weight(place, model, weights)
    return elements, size_bytes


def _shards(shard: Shard, parallel: Parallelism, kv_heads: int) -> int:
    match shard:
        case Shard.COLUMN | Shard.ROW | Shard.VOCAB:
            return parallel.tp
        case Shard.KV_COLUMN:
            return min(parallel.tp, kv_heads)
        case Shard.EXPERT:
            return parallel.tp * parallel.dp
        case Shard.REPLICATED:
            return 1

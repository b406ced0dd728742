"""LoRA adapters: what they take beside one copy of the base weights."""

from __future__ import annotations

import math

from llmplan.memory.identity import remembered
from llmplan.memory.places import places
from llmplan.memory.shards import rank_part
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.spec.model import ModelSpec, Shard, TensorRole

HALF_BYTES = 2


@remembered
def adapter_bytes(model: ModelSpec, parallel: Parallelism, rank: int) -> float:
    """Bytes of one adapter on one GPU: 16-bit A [rank, in] and B [out, rank] of every linear layer.

    model: its linear layers (not the routed experts); parallel: ranks; rank [-]: the adapter's.
    2 B x rank x sum over layers (in + out), with the side that tensor parallelism cuts divided by it.
    Valid for adapters on all attention and MLP projections. Reference: Hu et al. 2021 (arXiv 2106.09685);
    vLLM 0.33 lora/layers.
    """
    features = 0.0
    for place in places(model):
        tensor = place.tensor
        if place.group is None or tensor.role is not TensorRole.LINEAR or len(tensor.shape) != 2:
            continue
        part = tensor if tensor.shard is Shard.EXPERT else rank_part(place, model, parallel, 1)
        features += place.layers * tensor.copies * (part.shape[0] + part.shape[1])
    return HALF_BYTES * rank * features / parallel.pp


def resident_adapters(replica: Replica) -> int:
    """Adapters that must be on the GPU at once: all, but no more than sequences run at once.

    replica: its tenancy and settings.
    min(adapters, max_num_seqs); the rest wait in host memory. Valid for vLLM's `--max-loras`.
    Reference: vLLM 0.33 config/lora.py.
    """
    if replica.tenancy is None:
        return 0
    return min(replica.tenancy.adapters, replica.settings.max_num_seqs)


def adapters_bytes(replica: Replica) -> float:
    """Bytes of all resident adapters on one GPU of a replica."""
    count = resident_adapters(replica)
    if not count or replica.tenancy is None:
        return 0.0
    return count * adapter_bytes(replica.model, replica.parallel, replica.tenancy.lora_rank)


def host_adapters_bytes(replica: Replica) -> float:
    """Bytes of the adapters that wait in host memory, whole."""
    if replica.tenancy is None:
        return 0.0
    waiting = max(0, replica.tenancy.adapters - resident_adapters(replica))
    return (
        math.ceil(waiting * adapter_bytes(replica.model, Parallelism(), replica.tenancy.lora_rank)) if waiting else 0.0
    )

"""LoRA adapters: what they take beside one copy of the base weights."""

from __future__ import annotations

from llmplan.memory.shards import rank_part
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.spec.identity import remembered
from llmplan.spec.model import ModelSpec, TensorRole
from llmplan.spec.places import places
from llmplan.units import HALF_BYTES


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
        part = rank_part(place, model, parallel, 1)
        features += place.layers * tensor.copies * (part.shape[0] + part.shape[1])
    return HALF_BYTES * rank * features / parallel.pp


def adapters_bytes(replica: Replica) -> float:
    """Bytes of the adapters that are on one GPU at once.

    replica: its tenancy, settings and engine, which reserves for the next larger rank that it has.
    resident adapters x `adapter_bytes`. Valid for vLLM, which reserves all slots at start. Reference: vLLM 0.33
    config/lora.py.
    """
    count = replica.resident_adapters
    return count * adapter_bytes(replica.model, replica.parallel, slot_rank(replica)) if count else 0.0


def slot_rank(replica: Replica) -> int:
    """Rank of a slot [-]: the engine's smallest that holds the adapters'.

    replica: its tenancy and its engine's ranks; the adapters' own rank where the engine has no list of them.
    Valid for vLLM, whose ranks are a closed list. Reference: vLLM 0.33 config/lora.py.
    """
    rank = replica.tenancy.lora_rank if replica.tenancy else 0
    return min((known for known in replica.engine.max_lora_ranks if known >= rank), default=rank)


def host_adapters_bytes(replica: Replica) -> float:
    """Bytes of the adapters that wait in host memory, whole.

    replica: its tenancy. (adapters - resident ones) x `adapter_bytes` on one rank.
    Valid for vLLM, which keeps `--max-cpu-loras` of them. Reference: vLLM 0.33 config/lora.py.
    """
    waiting = replica.tenancy.adapters - replica.resident_adapters if replica.tenancy else 0
    return waiting * adapter_bytes(replica.model, Parallelism(), slot_rank(replica)) if waiting else 0.0

"""What offloading moves from the GPU to host memory, and whether the host has it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from llmplan.memory.adapters import host_adapters_bytes
from llmplan.memory.kv_cache import contiguous_cache_bytes
from llmplan.memory.runtime import micro_batch_tokens
from llmplan.memory.shards import RankWeights, expert_bytes
from llmplan.plan.deployment import Replica
from llmplan.plan.expert_layers import expert_share_on_host
from llmplan.plan.outcome import MemoryBudget
from llmplan.units import GIB

HOST_RESERVE_BYTES: Final = 4 * GIB
"""Operating system, the server process and its page tables (assumed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Weights on one GPU, layers it computes, and bytes of the whole replica in host memory."""

    gpu_weight_bytes: float
    host_layers: int
    host_bytes: float


def place_weights(replica: Replica, share: RankWeights) -> Placement:
    """Split one replica's weights between its GPUs and its host.

    replica: its offload; share: one rank's weights.
    `layers`: that many average layers and their cache on the host. `experts`: the routed experts of that many, no
    cache. `weights`: that many bytes of each GPU's.
    `kv`: the host pool is on top. An engine that splits layers keeps the token embedding on the host, too.
    Valid for vLLM 0.33 and llama.cpp. Reference: vLLM `--cpu-offload-gb`, llama.cpp `--n-gpu-layers`.
    """
    offload = replica.offload
    on_host = replica.engine.host_layers
    host_layers = min(offload.host_layers, share.layer_count) if offload and offload.kind == "layers" else 0
    resident = share.stage_bytes(host_layers=host_layers, embedding_on_host=on_host)
    host = host_adapters_bytes(replica)
    if on_host:
        host += share.embedding_bytes
    if host_layers:
        host += host_layers * share.layer_bytes + host_cache_bytes(replica, host_layers)
    elif offload and offload.kind == "experts":
        moved = expert_share_on_host(replica.model, offload.host_layers) * expert_bytes(
            replica.model, replica.weights, replica.parallel
        )
        resident -= moved
        host += moved * replica.parallel.gpus
    elif offload and offload.kind == "weights":
        moved = min(float(offload.host_weight_bytes), resident)
        resident -= moved
        host += moved * replica.parallel.gpus
    elif offload and offload.kind == "kv":
        host += offload.host_kv_bytes
    return Placement(gpu_weight_bytes=resident, host_layers=host_layers, host_bytes=math.ceil(host))


def host_cache_bytes(replica: Replica, host_layers: int) -> float:
    """Cache of the layers that the host computes [bytes].

    replica: its model, cache format and slots; host_layers [layers] on the CPU.
    `stage_cache_bytes` x host layers / layers. Valid for llama.cpp's layer split, every layer taken for an
    average one. Reference: llama.cpp build 11434 `--n-gpu-layers`.
    """
    return stage_cache_bytes(replica, 1) * host_layers / replica.model.layer_count


def stage_cache_bytes(replica: Replica, pp: int) -> float:
    """Cache of a stage's layers for the whole context of every slot, wherever they are computed [bytes].

    replica: its model, cache format, slots and batch; pp [stages], 1 for all layers.
    `contiguous_cache_bytes` with the physical batch. Valid for llama.cpp. Reference: `contiguous_cache_bytes`.
    """
    settings = replica.settings
    step = micro_batch_tokens(settings.max_num_batched_tokens)
    return contiguous_cache_bytes(replica.model, replica.kv, pp, settings.max_model_len, settings.max_num_seqs, step)


def host_share_bytes(replica: Replica) -> int:
    """Host memory that a replica may use: its GPUs' share of each machine, less a reserve for the system.

    replica: its host and ranks. memory x GPUs used / GPUs of the machine - 4 GiB.
    Valid where a machine's GPUs are all put to use. Reference: assumed.
    """
    host = replica.host
    gpus = min(replica.parallel.gpus, host.gpus) if host.gpus else 1
    share = gpus / host.gpus if host.gpus else 1.0
    nodes = math.ceil(replica.parallel.gpus / host.gpus) if host.gpus else 1
    return max(0, round(nodes * (host.memory_bytes * share - HOST_RESERVE_BYTES)))


def host_bytes_beside(replica: Replica, budget: MemoryBudget) -> int:
    """Host memory that a replica needs beside its GPUs, where it keeps anything there [bytes].

    replica: whether it offloads; budget: the bytes that it keeps in host memory.
    host + `HOST_RESERVE_BYTES`; 0 without offload. Valid for rented machines, which must have it. Reference: none.
    """
    return budget.host_bytes + HOST_RESERVE_BYTES if replica.offload is not None else 0

"""What a replica does besides, and pools of its kind, as JSON."""

from __future__ import annotations

from typing import Any, TypeAlias

from llmplan.plan.deployment import Replica
from llmplan.plan.disaggregation import PoolState
from llmplan.units import MS_PER_S

Record: TypeAlias = dict[str, Any]


def disaggregation(state: PoolState) -> Record:
    """The two pools of a disaggregated deployment; speeds are of all of it."""
    return {
        "prefill_replicas": state.pools.prefill,
        "decode_replicas": state.pools.decode,
        "prefill_utilization": state.prefill_utilization,
        "decode_utilization": state.decode_utilization,
        "transfer_utilization": state.transfer_utilization,
        "transfer_ms": state.transfer_s * MS_PER_S,
        "transfer_bytes_per_gpu": round(state.transfer_bytes_per_gpu),
        "link": state.link,
        "bottleneck": state.bottleneck,
    }


def extras(replica: Replica) -> Record:
    """What a replica does besides, only where it was asked for."""
    found: Record = {}
    if replica.offload is not None:
        offload = replica.offload
        found["offload"] = {
            "kind": offload.kind,
            "host_layers": offload.host_layers,
            "host_weight_bytes": offload.host_weight_bytes,
            "host_kv_bytes": offload.host_kv_bytes,
        }
    if replica.tenancy is not None and replica.tenancy.adapters:
        found["adapters"] = {"count": replica.tenancy.adapters, "lora_rank": replica.tenancy.lora_rank}
    if replica.speculation is not None:
        drafted = replica.speculation
        found["speculation"] = {
            "tokens": drafted.tokens,
            "acceptance_rate": drafted.acceptance_rate,
            "drafter": drafted.drafter,
            "draft_model": drafted.model.id if drafted.model else None,
            "tokens_per_step": drafted.tokens_per_step,
        }
    return found

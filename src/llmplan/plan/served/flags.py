"""A replica as the flags that `memory`, `predict` and `calibrate` take, and commands of them that can be pasted."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from llmplan.plan.deployment import Replica
from llmplan.plan.load import Load
from llmplan.units import GIB


def replica_flags(replica: Replica) -> dict[str, Any]:
    """The flags by their names with underscores; what is not said there is not asked for."""
    parallel, settings = replica.parallel, replica.settings
    ranks = {"tp": parallel.tp, "pp": parallel.pp, "dp": parallel.dp, "dcp": parallel.dcp}
    pool = settings.kv_cache_memory_bytes
    return {
        "gpu": replica.gpu.id,
        "host": replica.host.id,
        **{name: size for name, size in ranks.items() if size > 1},
        **({"ep": parallel.tp * parallel.dp} if parallel.ep and parallel.tp * parallel.dp > 1 else {}),
        "engine": replica.engine.id,
        "engine_version": replica.engine.version,
        "weights": replica.weights.id,
        "kv_cache": replica.kv.id,
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_num_seqs,
        "max_num_batched_tokens": settings.max_num_batched_tokens,
        "gpu_memory_utilization": settings.memory_fraction,
        "block_size": settings.block_tokens,
        **({"enforce_eager": True} if settings.enforce_eager else {}),
        **({"kv_cache_memory_gib": pool / GIB} if pool else {}),
        **_extras(replica),
    }


def _extras(replica: Replica) -> dict[str, Any]:
    offload, tenancy, speculation = replica.offload, replica.tenancy, replica.speculation
    found: dict[str, Any] = {}
    match offload.kind if offload else None:
        case "layers" if offload:
            found["host_layers"] = offload.host_layers
        case "experts" if offload:
            found["experts_on_cpu"] = offload.host_layers
        case "weights" if offload:
            found["cpu_offload_gb"] = offload.host_weight_bytes / GIB
    if tenancy is not None and tenancy.adapters:
        found |= {"adapters": tenancy.adapters, "lora_rank": tenancy.lora_rank}
    if speculation is not None:
        drafter = speculation.model.id if speculation.drafter == "model" and speculation.model else speculation.drafter
        found |= {
            "speculative_tokens": speculation.tokens,
            "acceptance_rate": speculation.acceptance_rate,
            "draft_model": drafter,
        }
    return found


def load_flags(load: Load) -> dict[str, Any]:
    """A load by the names of the flags: whole tokens, at least one."""
    found: dict[str, Any] = {
        "isl": max(1, round(load.input_tokens.mean)),
        "osl": max(1, round(load.output_tokens.mean)),
        load.kind: True if load.kind == "saturation" else float(f"{load.value:.4g}"),
    }
    return found | ({"prefix_share": float(f"{load.prefix_share:.3g}")} if load.prefix_share else {})


def command(words: tuple[str, ...], flags: Mapping[str, Any]) -> str:
    """A command line that a shell reads as it is meant.

    >>> command(("llmplan", "memory", "a b"), {"tp": 2, "enforce_eager": True, "gpu_memory_utilization": 0.9})
    "llmplan memory 'a b' --tp 2 --enforce-eager --gpu-memory-utilization 0.9"
    """
    typed = list(words)
    for name, value in flags.items():
        typed.append(f"--{name.replace('_', '-')}")
        if value is not True:
            typed.append(f"{value:.10g}" if isinstance(value, float) else str(value))
    return shlex.join(typed)

"""The planned settings of a replica as vLLM options, every one written out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from llmplan import units
from llmplan.emit.launch_file import Env, Setting, Value
from llmplan.emit.selection import Launch
from llmplan.emit.vllm_flags import LORA_RANKS, VLLM_FLAGS
from llmplan.emit.weights import DTYPES, Checkpoint, dtype_name
from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica

PORT = 8000
MASTER_PORT = 29501
DP_RPC_PORT = 13345
KV_DTYPES: Mapping[str, str] = {"fp8": "fp8", "fp8-ds-mla": "fp8_ds_mla", "int8": "int8_per_token_head"}

Options: TypeAlias = dict[str, Value]
"""option string to value; True is a switch. In the order in which they are written."""


def options(launch: Launch, checkpoint: Checkpoint) -> Options:
    """Everything but the model, the same on every node."""
    replica = launch.replica
    named: Options = {} if checkpoint.is_named else {"--served-model-name": replica.model.id}
    method: Options = {} if checkpoint.method is None else {"--quantization": checkpoint.method}
    found = {
        **named,
        "--port": PORT,
        **_parallel(replica),
        "--dtype": dtype_name(replica),
        **method,
        "--kv-cache-dtype": _kv_dtype(replica),
        **_memory(launch),
        **_scheduler(replica),
        **_lora(replica),
        **_offload(replica),
    }
    for flag, value in found.items():
        _demand_known(flag, value)
    return found


def head_options(launch: Launch) -> Options:
    """What the first node of a replica that spans machines needs on top."""
    if launch.nodes == 1:
        return {}
    address = Env(name="MASTER_ADDR", message="set MASTER_ADDR to the address of the first node")
    if launch.replica.parallel.dp == 1:
        return {"--nnodes": launch.nodes, "--node-rank": 0, "--master-addr": address, "--master-port": MASTER_PORT}
    return {
        "--data-parallel-size-local": _local_groups(launch),
        "--data-parallel-address": address,
        "--data-parallel-rpc-port": DP_RPC_PORT,
    }


def worker_options(launch: Launch) -> Options:
    """The same for the other nodes, which run no API server."""
    head = head_options(launch)
    if launch.replica.parallel.dp == 1:
        ranks = "1" if launch.nodes == 2 else f"1 to {launch.nodes - 1}"
        rank = Env(name="NODE_RANK", message=f"set NODE_RANK to the rank of this node ({ranks})")
        return {**head, "--node-rank": rank, "--headless": True}
    local = _local_groups(launch)
    start = Env(
        name="DP_START_RANK",
        message=f"set DP_START_RANK to the first data-parallel rank of this node, a multiple of {local}",
    )
    return {**head, "--data-parallel-start-rank": start, "--headless": True}


def as_settings(found: Options) -> tuple[Setting, ...]:
    """The options as settings, in the same order."""
    return tuple(Setting(name=flag, value=value) for flag, value in found.items())


def as_config(found: Options) -> dict[str, Value]:
    """The options as a `--config` file. A switch is written as true under its own name: the file reader drops a false
    and turns a null into the text "None"."""
    return {flag.removeprefix("--"): value for flag, value in found.items()}


def _parallel(replica: Replica) -> Options:
    parallel = replica.parallel
    found: Options = {"--tensor-parallel-size": parallel.tp, "--pipeline-parallel-size": parallel.pp}
    if parallel.dp > 1:
        found["--data-parallel-size"] = parallel.dp
    if parallel.dcp > 1:
        found["--decode-context-parallel-size"] = parallel.dcp
    if parallel.ep:
        found["--enable-expert-parallel"] = True
    return found


def _kv_dtype(replica: Replica) -> str:
    known = KV_DTYPES.get(replica.kv.id)
    if known is not None:
        return known
    if replica.kv.bytes_per_element == 2:
        own = dtype_name(replica)
        return own if own != DTYPES["fp32"] else DTYPES[replica.kv.id]
    raise UsageError(
        f"vLLM has no KV cache format {replica.kv.id!r} in this table", hints=["llmplan recommend ... --kv-cache fp8"]
    )


def _memory(launch: Launch) -> Options:
    settings = launch.replica.settings
    found: Options = {"--gpu-memory-utilization": memory_fraction(launch)}
    if settings.kv_cache_memory_bytes is not None:
        found["--kv-cache-memory-bytes"] = settings.kv_cache_memory_bytes
    if launch.same_engine and not launch.replica.model.is_mla:
        found["--block-size"] = settings.block_tokens
    return found


def memory_fraction(launch: Launch) -> float:
    """vLLM's share of all memory: as planned, or from the planned budget where another engine's fraction means
    something else; rounded down to a thousandth."""
    if launch.same_engine:
        return launch.replica.settings.memory_fraction
    if launch.memory is None:
        raise UsageError("the plan has no memory budget from which vLLM's --gpu-memory-utilization follows")
    return math.floor(1000 * launch.memory.budget_bytes / launch.memory.total_bytes) / 1000


def _scheduler(replica: Replica) -> Options:
    settings = replica.settings
    found: Options = {
        "--max-model-len": settings.max_model_len,
        "--max-num-seqs": settings.max_num_seqs,
        "--max-num-batched-tokens": settings.max_num_batched_tokens,
    }
    found["--enable-prefix-caching" if settings.prefix_caching else "--disable-prefix-caching"] = True
    if settings.enforce_eager:
        found["--enforce-eager"] = True
    return found


def _lora(replica: Replica) -> Options:
    tenancy = replica.tenancy
    if tenancy is None or tenancy.adapters == 0:
        return {}
    rank = next((rank for rank in LORA_RANKS if rank >= tenancy.lora_rank), None)
    if rank is None:
        raise UsageError(f"vLLM loads LoRA adapters up to rank {LORA_RANKS[-1]}, the plan has rank {tenancy.lora_rank}")
    return {
        "--enable-lora": True,
        "--max-loras": replica.resident_adapters,
        "--max-lora-rank": rank,
        "--max-cpu-loras": tenancy.adapters,
    }


def _offload(replica: Replica) -> Options:
    offload = replica.offload
    match offload.kind if offload else None:
        case "weights" if offload:
            return {"--cpu-offload-gb": math.ceil(100 * offload.host_weight_bytes / units.GIB) / 100}
        case "kv" if offload:
            return {"--kv-offloading-size": math.ceil(100 * offload.host_kv_bytes / units.GIB) / 100}
        case "layers":
            raise UsageError(
                "vLLM cannot run layers on the CPU, as this plan does",
                hints=["llmplan emit-config PLAN --target llama-cpp"],
            )
    return {}


def _local_groups(launch: Launch) -> int:
    parallel, per_node = launch.replica.parallel, launch.replica.host.gpus
    group = parallel.tp * parallel.pp
    if per_node % group:
        raise UsageError(
            f"data-parallel groups of {group} GPUs do not fill nodes of {per_node} GPUs evenly",
            hints=["llmplan recommend ... with a TP that divides the node"],
        )
    return per_node // group


def _demand_known(flag: str, value: Value) -> None:
    known = VLLM_FLAGS[flag]
    if (known.type == "switch") != (value is True) or (known.allowed and str(value) not in known.allowed):
        raise ValueError(f"{flag} cannot be {value!r}")

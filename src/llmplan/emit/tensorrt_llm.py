"""TensorRT-LLM: `trtllm-serve MODEL --config trtllm.yaml`. The engine-building tools are gone and never emitted.

Keys are those of the PyTorch backend's arguments, which refuse any other. Command-line names that mean the same are
left to the file, so that one place holds the settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from llmplan.emit import compose
from llmplan.emit.container import CACHE_PATH, Container, Node
from llmplan.emit.launch_file import Command, Env, LaunchFile, Setting
from llmplan.emit.selection import Launch
from llmplan.emit.supply import hub_environment, image_of, resources_of
from llmplan.emit.weights import Checkpoint, checkpoint_for, dtype_name
from llmplan.errors import UsageError
from llmplan.plan.deployment import Offload, Replica

CONFIG = "trtllm.yaml"
IMAGE = "nvcr.io/nvidia/tensorrt-llm/release:1.2.1"
PORT = 8000
MOUNTED_CONFIG = f"/config/{CONFIG}"
CONFIG_KEYS: Mapping[str, tuple[str, ...]] = {
    "": (
        "backend", "dtype", "tensor_parallel_size", "pipeline_parallel_size", "moe_expert_parallel_size",
        "enable_attention_dp", "gpus_per_node", "max_batch_size", "max_num_tokens", "max_seq_len",
        "enable_chunked_prefill", "kv_cache_config", "cuda_graph_config", "enable_lora", "lora_config",
    ),
    "kv_cache_config": (
        "dtype", "free_gpu_memory_fraction", "max_gpu_total_bytes", "enable_block_reuse",
        "tokens_per_block", "host_cache_size",
    ),
    "cuda_graph_config": ("max_batch_size", "enable_padding"),
    "lora_config": ("max_lora_rank", "max_loras", "max_cpu_loras"),
}  # fmt: skip
"""Every key that may be written, by section."""
KV_DTYPES: Mapping[str, str] = {"fp8": "fp8"}


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`serve.sh`, `trtllm.yaml` and `compose.yaml` (one machine per replica)."""
    checkpoint = checkpoint_for(launch, {})
    header = (*launch.summary, *checkpoint.notes)
    files = [
        LaunchFile(
            path="serve.sh",
            kind="shell",
            content=_command(launch, checkpoint),
            executable=True,
            header=(*header, f"run it in the folder that holds {CONFIG}"),
        ),
        _config(launch, header),
    ]
    if launch.nodes == 1:
        files.append(_compose(launch, header))
    return tuple(files)


def compose_only(launch: Launch) -> tuple[LaunchFile, ...]:
    """The Compose file with the configuration that it mounts."""
    files = {file.path: file for file in emit(launch)}
    if "compose.yaml" not in files:
        container(launch)  # says why
    return tuple(file for file in files.values() if file.kind == "yaml")


def config(launch: Launch) -> dict[str, Any]:
    """The `--config` file."""
    replica = launch.replica
    settings, parallel = replica.settings, replica.parallel
    graphs = None if settings.enforce_eager else {"max_batch_size": settings.max_num_seqs, "enable_padding": True}
    found: dict[str, Any] = {
        "backend": "pytorch",
        "dtype": dtype_name(replica),
        "tensor_parallel_size": parallel.tp * parallel.dp,
        "pipeline_parallel_size": parallel.pp,
        **_experts(replica),
        **({"gpus_per_node": replica.host.gpus} if launch.nodes > 1 else {}),
        "max_batch_size": settings.max_num_seqs,
        "max_num_tokens": settings.max_num_batched_tokens,
        "max_seq_len": settings.max_model_len,
        "enable_chunked_prefill": True,
        "kv_cache_config": _kv_cache(launch),
        "cuda_graph_config": graphs,
        **_lora(replica),
    }
    return found


def _experts(replica: Replica) -> dict[str, Any]:
    """With data-parallel attention every rank holds whole attention weights: only TP 1 groups can be said so."""
    parallel = replica.parallel
    found: dict[str, Any] = {}
    if parallel.ep:
        found["moe_expert_parallel_size"] = parallel.tp * parallel.dp
    if parallel.dp > 1:
        if parallel.tp > 1:
            raise UsageError(
                f"TensorRT-LLM's attention data parallelism has groups of one GPU, the plan has TP{parallel.tp}",
                hints=["llmplan recommend ... --engine tensorrt-llm"],
            )
        found["enable_attention_dp"] = True
    return found


def _kv_cache(launch: Launch) -> dict[str, Any]:
    replica = launch.replica
    settings = replica.settings
    found: dict[str, Any] = {"dtype": _kv_dtype(replica), "free_gpu_memory_fraction": _free_fraction(launch)}
    if settings.kv_cache_memory_bytes is not None:
        found["max_gpu_total_bytes"] = settings.kv_cache_memory_bytes
    found["enable_block_reuse"] = settings.prefix_caching
    if launch.same_engine:
        found["tokens_per_block"] = settings.block_tokens
    if replica.offload is not None:
        found["host_cache_size"] = _host_cache_bytes(replica, replica.offload)
    return found


def _kv_dtype(replica: Replica) -> str:
    known = KV_DTYPES.get(replica.kv.id)
    if known is None and replica.kv.bytes_per_element != 2:
        raise UsageError(
            f"TensorRT-LLM has no KV cache format {replica.kv.id!r}", hints=["llmplan recommend ... --kv-cache fp8"]
        )
    return known or dtype_name(replica)


def _free_fraction(launch: Launch) -> float:
    """The share of what is free after loading that becomes the KV pool. Planned for another engine, it is chosen so
    that the pool has the planned size: pool / (pool + memory outside the planned budget)."""
    if launch.same_engine:
        return launch.replica.settings.memory_fraction
    budget = launch.memory
    if budget is None:
        raise UsageError("the plan has no memory budget from which TensorRT-LLM's free_gpu_memory_fraction follows")
    pool_bytes = budget.kv_cache_bytes.mid
    free_bytes = pool_bytes + max(0, budget.total_bytes - budget.budget_bytes)
    return math.floor(1000 * pool_bytes / free_bytes) / 1000


def _host_cache_bytes(replica: Replica, offload: Offload) -> int:
    if offload.kind != "kv":
        raise UsageError(
            "TensorRT-LLM keeps no weights in host memory, as this plan does",
            hints=["llmplan emit-config PLAN --target vllm", "llmplan emit-config PLAN --target llama-cpp"],
        )
    return offload.host_kv_bytes // replica.parallel.gpus


def _lora(replica: Replica) -> dict[str, Any]:
    tenancy = replica.tenancy
    if tenancy is None or tenancy.adapters == 0:
        return {}
    sizes = {
        "max_lora_rank": tenancy.lora_rank, "max_loras": replica.resident_adapters, "max_cpu_loras": tenancy.adapters,
    }  # fmt: skip
    return {"enable_lora": True, "lora_config": sizes}


def _command(launch: Launch, checkpoint: Checkpoint, config_path: str = CONFIG) -> Command:
    serve = ("trtllm-serve", checkpoint.model)
    name = launch.replica.model.id
    named = () if checkpoint.is_named else (Setting(name="--served_model_name", value=name),)
    settings = (
        Setting(name="--config", value=config_path),
        Setting(name="--host", value="0.0.0.0"),
        Setting(name="--port", value=PORT),
        *named,
    )
    if launch.nodes == 1:
        return Command(program=serve, settings=settings)
    hosts = Env(name="HOSTFILE", message="set HOSTFILE to an MPI host file that lists the machines")
    mpi = ("mpirun", "-n", str(launch.replica.parallel.gpus), "--hostfile", hosts, "trtllm-llmapi-launch")
    return Command(program=(*mpi, *serve), settings=settings)


def container(launch: Launch, node: Node = "head") -> Container:
    """One replica in NVIDIA's image, with its configuration mounted."""
    if launch.nodes > 1:
        raise UsageError(
            "a TensorRT-LLM replica over several machines starts under MPI: only its own target says how",
            hints=["llmplan emit-config PLAN --target tensorrt-llm"],
        )
    checkpoint = checkpoint_for(launch, {})
    command = _command(launch, checkpoint, MOUNTED_CONFIG)
    return Container(
        image=image_of(launch, IMAGE),
        entrypoint=("trtllm-serve",),
        arguments=(checkpoint.model,),
        settings=command.settings,
        model_name=launch.replica.model.id,
        weights=checkpoint.model,
        gpus=launch.replica.parallel.gpus,
        port=PORT,
        env=hub_environment(launch, CACHE_PATH),
        files={MOUNTED_CONFIG: _config(launch, (*launch.summary, *checkpoint.notes))},
        **resources_of(launch),
    )


def _config(launch: Launch, header: tuple[str, ...]) -> LaunchFile:
    return LaunchFile(path=CONFIG, kind="yaml", content=config(launch), header=header)


def _compose(launch: Launch, header: tuple[str, ...]) -> LaunchFile:
    content = compose.service(container(launch))
    return LaunchFile(path="compose.yaml", kind="yaml", content=content, header=(*header, "docker compose up -d"))

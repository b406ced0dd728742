"""Rules on the machines of a launch: nodes and links, mixed GPUs, slices, and platforms with rules of their own."""

from __future__ import annotations

from llmplan.checks.rule import GPU_SERVERS, Finding, Rule, error, warning
from llmplan.plan.deployment import Replica
from llmplan.plan.engine_rule import in_range
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.units import GIB

CUSTOM_ALL_REDUCE_SIZES = (2, 4, 6, 8, 16)
NODE_BACKENDS = ("mp", "uni", "external_launcher")
ALIKE = 0.02
"""relative difference of memory up to which GPUs count as the same size"""


def nodes_are_whole(replica: Replica) -> Finding | None:
    """TP stays inside a machine, and a replica over several machines takes them whole."""
    gpus, per_node, tp = replica.parallel.gpus, replica.host.gpus, replica.parallel.tp
    if gpus <= per_node or per_node < 1:
        return None
    if gpus % per_node:
        return error(
            f"World size ({gpus}) is larger than the number of available GPUs ({per_node}) in this node, "
            "and does not fill whole nodes.",
            f"use a multiple of {per_node} GPUs (--nnodes with equal nodes)",
        )
    if tp > per_node or per_node % tp:
        return warning(
            f"Tensor parallel size {tp} crosses nodes of {per_node} GPUs: every layer waits for the network twice.",
            f"--tp {per_node} --pp {gpus // per_node}",
        )
    return None


def ranks_have_gpus(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """Every rank has a GPU on the nodes that the launch names, and the nodes can find each other."""
    nodes = facts.nodes or 1
    world = ranks_of(replica, facts)
    if nodes > 1 and facts.executor_backend not in (None, *NODE_BACKENDS):
        return error(
            "nnodes > 1 can only be set when distributed executor backend is mp, uni or external_launcher.",
            "--distributed-executor-backend mp",
        )
    if "ray" in (facts.executor_backend, facts.data_parallel_backend) or facts.gpus_per_node is None:
        return nodes_are_whole(replica)
    if world > facts.gpus_per_node * nodes:
        need = -(-world // facts.gpus_per_node)
        return error(
            f"World size ({world}) is larger than the number of available GPUs ({facts.gpus_per_node * nodes}) in "
            f"{'this node' if nodes == 1 else f'these {nodes} nodes'}.",
            f"{_fewer(replica, facts.gpus_per_node)}, or {_more_nodes(replica, need)}",
        )
    if nodes > 1 and facts.master_address in (None, "127.0.0.1", "localhost"):
        option = "--dist-init-addr" if replica.engine.id == "sglang" else "--master-addr"
        return warning(
            f"{nodes} nodes and no {option}: each waits for the others on its own 127.0.0.1.",
            f"{option} ADDRESS of the first node",
        )
    return nodes_are_whole(replica) if nodes > 1 else None


def ranks_of(replica: Replica, facts: LaunchFacts) -> int:
    """Ranks that this launch starts on the nodes it names: of vLLM's data parallel groups, those that are local."""
    stage = replica.parallel.tp * replica.parallel.pp
    if replica.engine.id != "vllm" or facts.data_parallel_local is None:
        return stage * replica.parallel.dp
    return stage * max(1, facts.data_parallel_local)


def _fewer(replica: Replica, gpus: int) -> str:
    """The parallel sizes cut down to the GPUs that are there."""
    parallel = replica.parallel
    if parallel.dp > 1 and parallel.tp * parallel.pp <= gpus:
        return f"--dp {gpus // (parallel.tp * parallel.pp)}"
    return f"--tp {gpus}"


def _more_nodes(replica: Replica, nodes: int) -> str:
    """How the engine is started on so many nodes."""
    if replica.engine.id == "tensorrt-llm":
        return f"trtllm-llmapi-launch on {nodes} nodes"
    if replica.engine.id == "sglang":
        return f"--nnodes {nodes} with --node-rank and --dist-init-addr"
    if in_range(replica.engine.version, "<0.12"):
        return f"--distributed-executor-backend ray on {nodes} nodes"
    return f"--nnodes {nodes} with --node-rank and --master-addr"


def all_reduce_is_fast(replica: Replica) -> Finding | None:
    """The engine's own all-reduce needs NVLink beyond two GPUs, and certain world sizes."""
    tp = replica.parallel.tp
    if tp <= 2:
        return None
    if not replica.gpu.has_fast_link or replica.host.fast_link_gpus < min(tp, replica.host.gpus):
        return warning(
            "Custom allreduce is disabled because it's not supported on more than two PCIe-only GPUs "
            f"(tensor parallel size {tp} on {replica.gpu.id}).",
            "--tp 2 with --pp, or GPUs with NVLink",
        )
    if tp not in CUSTOM_ALL_REDUCE_SIZES:
        return warning(f"Custom allreduce is disabled due to an unsupported world size: {tp}.", "use --tp 2, 4, 6 or 8")
    return None


def gpus_are_alike(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """TP and PP divide evenly: the smallest GPU bounds them all."""
    if replica.parallel.gpus == 1:
        return None
    sizes = facts.gpu_memory_bytes
    if sizes and min(sizes) < max(sizes) * (1 - ALIKE) and min(sizes) < replica.gpu.memory_bytes * (1 - ALIKE):
        return error(
            f"One of the GPUs has {min(sizes) / GIB:.1f} GiB and this was computed for {replica.gpu.id} "
            f"({replica.gpu.memory_bytes / GIB:.1f} GiB): shards are equal, so the small one runs out of memory.",
            "leave the small one out (CUDA_VISIBLE_DEVICES), or plan with --gpu of the small one",
        )
    names = sorted(set(facts.gpu_names))
    if len(names) < 2:
        return None
    return warning(
        f"{' and '.join(names)} in one replica: every step waits for the slower one, and mixed GPUs are not reliably "
        "supported.",
        "one replica per kind of GPU",
    )


def slices_stand_alone(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """MIG slices do not talk to each other."""
    if not facts.mig_slices or replica.parallel.gpus == 1:
        return None
    return error(
        f"{replica.parallel.describe()} on MIG slices: there is no CUDA P2P between slices.",
        f"--tensor-parallel-size 1, and one replica for each of the {facts.mig_slices} slices",
    )


def platform_runs_many_nodes(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """KServe's multi-node serving has conditions."""
    nodes = facts.nodes or -(-replica.parallel.gpus // max(1, replica.host.gpus))
    if facts.platform != "kserve" or nodes == 1:
        return None
    return warning(
        f"KServe serves a replica on {nodes} machines as RawDeployment only, without autoscaling, with weights on a "
        "ReadWriteMany volume, and sets the GPUs of a pod to TP; else the placement group waits forever.",
        "llmplan emit-config PLAN --target leaderworkerset",
    )


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-P2", engines=GPU_SERVERS, severities=("error", "warning"), find=nodes_are_whole,
        find_in_launch=ranks_have_gpus,
        title="A replica over several machines takes them whole, says so, and keeps TP inside each.",
        says="World size ({world}) is larger than the number of available GPUs ({gpus}) in this node.",
        source="vLLM 0.33.0 vllm/config/parallel.py:1066-1115; docs/serving/parallelism_scaling.md",
        basis=("code", "docs"),
    ),
    Rule(
        id="V-P3", engines=("vllm",), severities=("warning",), find=all_reduce_is_fast,
        title="vLLM's own all-reduce runs for 2, 4, 6, 8 or 16 ranks, and beyond two only over NVLink.",
        says="Custom allreduce is disabled because it's not supported on more than two PCIe-only GPUs",
        source="vLLM 0.33.0 distributed/device_communicators/custom_all_reduce.py:118, 267-273; "
        "vllm-project/vllm#13719", basis=("code", "issue"),
    ),
    Rule(
        id="V-P6", engines=(), severities=("error", "warning"), find_in_launch=gpus_are_alike,
        title="The GPUs of a replica are alike.", says="CUDA out of memory",
        source="vllm-project/vllm#2317, #13760, #10204; sgl-project/sglang#5614", basis=("issue",),
    ),
    Rule(
        id="V-P7", engines=("vllm", "sglang", "tensorrt-llm"), severities=("error",), find_in_launch=slices_stand_alone,
        title="A MIG slice is a replica of its own.", says="ValueError: invalid literal for int(): 'MIG-{uuid}'",
        source="vllm-project/vllm#7211, #6551; NVIDIA/nccl#1716", basis=("issue",),
    ),
    Rule(
        id="K-1", engines=("vllm",), severities=("warning",), find_in_launch=platform_runs_many_nodes,
        title="KServe serves one replica on several machines under conditions.", says="",
        source="kserve/website#402; kserve/kserve#4226, #4946", basis=("docs", "issue"),
    ),
)  # fmt: skip

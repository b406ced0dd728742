"""Rules on the machines of a launch: mixed GPUs, slices of GPUs, and platforms with rules of their own."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, error, warning
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.units import GIB

ALIKE = 0.02
"""relative difference of memory up to which GPUs count as the same size"""


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

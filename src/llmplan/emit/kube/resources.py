"""What a pod asks of its node: GPUs as planned, processor and memory as far as anything is known of them."""

from __future__ import annotations

from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.kube.placement import gpu_resource
from llmplan.emit.kube.quantities import gib
from llmplan.emit.selection import Launch
from llmplan.units import GIB

CORES_BESIDE_GPUS = 2
THREADS_PER_CORE = 2
"""an engine runs one busy process per GPU, one that schedules and one that answers; a request of Kubernetes counts
hardware threads (docs.vllm.ai, Optimization and Tuning, "CPU Resources for GPU Deployments": at least 2 + N cores)"""
PROCESS_BYTES = 8 * GIB
"""host memory per GPU for a process with its CUDA context and staging buffers: an assumption, nobody states it"""
NODE_SHARE = 0.9
"""of its node that a pod may ask for: the rest is the system's"""


def resources(launch: Launch, container: Container) -> dict[str, Any]:
    """Requests, and the GPUs as their own limit. No limit on processor and memory: their peak is not known, and one
    that is guessed too low kills a server under load."""
    name = gpu_resource(launch)
    return {
        "requests": {"cpu": str(threads(launch, container)), "memory": gib(memory_bytes(launch, container))},
        "limits": {name: str(container.gpus)},
    }


def threads(launch: Launch, container: Container) -> int:
    """Hardware threads: two for each core that is kept busy, within the pod's share of its node."""
    wanted = THREADS_PER_CORE * (CORES_BESIDE_GPUS + container.gpus)
    return max(
        1, min(wanted, int(NODE_SHARE * _share(launch, container) * THREADS_PER_CORE * launch.replica.host.cpu_cores))
    )


def memory_bytes(launch: Launch, container: Container) -> float:
    """What the plan keeps in host memory, shared memory, an assumed part for each process; within the pod's share."""
    wanted = (container.host_memory_bytes or 0) + container.shm_bytes + PROCESS_BYTES * container.gpus
    return min(wanted, NODE_SHARE * _share(launch, container) * launch.replica.host.memory_bytes)


def _share(launch: Launch, container: Container) -> float:
    return min(1.0, container.gpus / max(1, launch.replica.host.gpus))

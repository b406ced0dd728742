"""Onto which nodes a pod may go: those with the planned GPU, spread out, and on spot machines where so planned.

Sources, read 2026-11-26: GPU feature discovery writes NVML's product name with dashes for spaces as
`nvidia.com/gpu.product` (github.com/NVIDIA/k8s-device-plugin, docs/gpu-feature-discovery); MIG slices are resources
`nvidia.com/mig-...` under the `mixed` strategy (docs.nvidia.com, GPU Operator with MIG); spot labels:
cloud.google.com/kubernetes-engine/docs/concepts/spot-vms, learn.microsoft.com/azure/aks/spot-node-pool,
karpenter.sh/docs/concepts/scheduling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmplan.emit.kube.names import selector
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError
from llmplan.spec.gpu import GpuSpec

RESOURCES: Mapping[str, str] = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
"""what the device plugin of each maker calls a whole GPU"""
PRODUCT_LABEL = "nvidia.com/gpu.product"
NVML_PREFIXES = ("NVIDIA ", "Tesla ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotNodes:
    """How a seller's Kubernetes marks nodes that may be taken away."""

    label: str
    value: str
    tainted: bool


SPOT_NODES: Mapping[str, SpotNodes] = {
    "aws": SpotNodes(label="karpenter.sh/capacity-type", value="spot", tainted=False),
    "gcp": SpotNodes(label="cloud.google.com/gke-spot", value="true", tainted=True),
    "azure": SpotNodes(label="kubernetes.azure.com/scalesetpriority", value="spot", tainted=True),
}
"""by the seller of the plan's machines"""


def gpu_resource(launch: Launch) -> str:
    """The extended resource that stands for one GPU."""
    if launch.variant.gpu_resource is not None:
        return launch.variant.gpu_resource
    found = RESOURCES.get(launch.replica.gpu.vendor.lower())
    if found is None:
        raise UsageError(
            f"no Kubernetes resource is known for GPUs of {launch.replica.gpu.vendor}", hints=["--gpu-resource NAME"]
        )
    return found


def is_slice(launch: Launch) -> bool:
    """Whether the user asks for something else than whole GPUs."""
    chosen = launch.variant.gpu_resource
    return chosen is not None and chosen != RESOURCES.get(launch.replica.gpu.vendor.lower())


def products(gpu: GpuSpec) -> tuple[str, ...]:
    """Label values of nodes with this GPU: NVML's names for it, as the profile states them, with dashes for spaces."""
    return tuple(alias.replace(" ", "-") for alias in gpu.aliases if alias.startswith(NVML_PREFIXES))


def seller(launch: Launch) -> str | None:
    """Who rents the machines out, as the price line says."""
    figures = (line.figure for line in launch.option.quote.serving)
    return next((figure.provider for figure in figures if figure is not None), None)


def spot_nodes(launch: Launch) -> SpotNodes | None:
    """The marks of the seller's spot nodes; None where none are wanted or known."""
    return SPOT_NODES.get(seller(launch) or "") if launch.spot else None


def node_terms(launch: Launch) -> list[dict[str, Any]]:
    """What every node must carry."""
    found: list[dict[str, Any]] = []
    names = products(launch.replica.gpu)
    if names and not is_slice(launch):
        found.append({"key": PRODUCT_LABEL, "operator": "In", "values": list(names)})
    spot = spot_nodes(launch)
    if spot is not None:
        found.append({"key": spot.label, "operator": "In", "values": [spot.value]})
    return found


def tolerations(launch: Launch) -> list[dict[str, Any]]:
    """The taints of GPU nodes, and of spot nodes."""
    maker = RESOURCES.get(launch.replica.gpu.vendor.lower(), RESOURCES["nvidia"])
    found = [{"key": maker, "operator": "Exists", "effect": "NoSchedule"}]
    spot = spot_nodes(launch)
    if spot is not None and spot.tainted:
        found.append({"key": spot.label, "operator": "Equal", "value": spot.value, "effect": "NoSchedule"})
    return found


def placement(launch: Launch) -> dict[str, Any]:
    """Fields of a pod."""
    terms = node_terms(launch)
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": terms}]}
        }
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(launch)},
    }
    return {
        **({"affinity": affinity} if terms else {}),
        "tolerations": tolerations(launch),
        "topologySpreadConstraints": [spread],
    }


def notes(launch: Launch) -> tuple[str, ...]:
    """What is assumed of the nodes."""
    gpu = launch.replica.gpu
    found: list[str] = []
    if is_slice(launch):
        found.append(
            f"--gpu-resource {launch.variant.gpu_resource}: the plan is for a whole {gpu.id}; a slice has less memory "
            "and bandwidth than memory and speed were predicted for"
        )
    elif products(gpu):
        found.append(
            f"nodes are found by {PRODUCT_LABEL} (NVIDIA's GPU feature discovery): without it no pod is placed"
        )
    else:
        found.append(
            f"the profile of {gpu.id} does not say what a node with it is labelled: any node with a GPU is taken"
        )
    if launch.spot:
        marks = spot_nodes(launch)
        found.append(
            f"spot: {marks.label}={marks.value} marks them; a request that runs when a machine is taken is lost"
            if marks is not None
            else f"spot: how {seller(launch) or 'the seller'} marks such nodes is not known here: add label and taint"
        )
    return tuple(found)

"""Kubernetes: manifests for replicas of one machine each, in the order in which they are applied.

A Deployment where all pods share one volume of weights, a StatefulSet where each has its own. There is no
kustomization.yaml: `kubectl apply -f` of the folder would take it for an object and stop with an error.
"""

from __future__ import annotations

from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.engines import engine_of
from llmplan.emit.kube import network, placement, storage, weights
from llmplan.emit.kube.manifest import Manifest, file_of
from llmplan.emit.kube.names import kubectl, metadata, selector, what_is_planned
from llmplan.emit.kube.objects import base_file, monitoring_files
from llmplan.emit.kube.pod import notes, template
from llmplan.emit.kube.scaling import Scale, autoscaler, disruption_budget, scale_of
from llmplan.emit.kube.weights import Weights, weights_of
from llmplan.emit.launch_file import LaunchFile, Path
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError

FIRST = "00-base.yaml"
"""which says what was planned and how to apply the set"""


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`00-base.yaml` to `40-scale.yaml`, and `monitoring/` for what needs the Prometheus operator."""
    if launch.nodes > 1:
        raise UsageError(
            f"a replica spans {launch.nodes} machines here, which a Deployment does not keep together",
            hints=["llmplan emit-config PLAN --target leaderworkerset"],
        )
    container = engine_of(launch).container(launch)
    scale = scale_of(launch, container)
    found = weights_of(launch, container, pods=scale.high)
    header = (*launch.summary, *header_of(launch, container, found, scale))
    files = [
        base_file(launch, container, found, header, FIRST),
        serve_file(launch, container, found, scale),
        file_of("30-network.yaml", network.policies(launch, container, found), header=launch.title(FIRST)),
    ]
    if found.shared and not found.by_hand:
        job = storage.download_job(launch, container, found)
        files.insert(1, file_of("10-download.yaml", (job,), header=launch.title(FIRST)))
    workload = {"apiVersion": "apps/v1", "kind": kind_of(found), "name": launch.variant.name}
    scalers = autoscaler(launch, container, scale, workload)
    if scalers:
        files.append(file_of("40-scale.yaml", scalers, header=(*launch.title(FIRST), *scale_notes(scale))))
    return (*files, *monitoring_files(launch, container, scale, launch.title(FIRST)))


def header_of(launch: Launch, container: Container, found: Weights, scale: Scale) -> tuple[str, ...]:
    """How to apply the files and what they assume."""
    port = kubectl(launch, f"port-forward service/{launch.variant.name} 8000:http")
    return (
        f"kubectl apply -f FOLDER, where FOLDER holds these files; then {port}",
        *weights.notes(launch, found),
        *notes(launch, container),
        *placement.notes(launch),
        f"scaling: {scale.kind} ({scale.why})",
    )


def scale_notes(scale: Scale) -> tuple[str, ...]:
    """What has to be installed."""
    if scale.kind == "keda":
        return ("needs KEDA (keda.sh) and a Prometheus that reads the pods (monitoring/servicemonitor.yaml)",)
    return ("needs an adapter that serves the custom metrics API (monitoring/prometheus-adapter.yaml)",)


def kind_of(found: Weights) -> str:
    """What keeps the pods."""
    return "Deployment" if found.shared else "StatefulSet"


def serve_file(launch: Launch, container: Container, found: Weights, scale: Scale) -> LaunchFile:
    """The pods, their address and their budget."""
    pods = [deployment(launch, container, found, scale)]
    if not found.shared:
        pods = [stateful_set(launch, container, found, scale), network.headless_service(launch, container)]
    manifests = (*pods, network.service(launch, container), disruption_budget(launch))
    return file_of("20-serve.yaml", manifests, header=launch.title(FIRST), settings=container.settings)


def deployment(launch: Launch, container: Container, found: Weights, scale: Scale) -> Manifest:
    """Pods that are all alike."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    pods = template(launch, container, found)
    content = _workload(launch, "Deployment", scale, {"strategy": strategy}, pods)
    comments: dict[Path, str] = {
        (
            "spec",
            "strategy",
            "rollingUpdate",
        ): "a new pod needs the GPUs of an old one: a surge would wait for GPUs that are not there",
        **_replica_note(scale),
        **pods.below("spec", "template"),
    }
    return Manifest(content=content, comments=comments)


def stateful_set(launch: Launch, container: Container, found: Weights, scale: Scale) -> Manifest:
    """Pods with a volume each, which stays when a pod goes."""
    claim, pods = storage.claim_template(launch, found), template(launch, container, found)
    fields = {
        "serviceName": f"{launch.variant.name}-pods",
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "volumeClaimTemplates": [claim.content],
    }
    content = _workload(launch, "StatefulSet", scale, fields, pods)
    comments: dict[Path, str] = {
        ("spec", "podManagementPolicy"): "replicas do not wait for each other to start",
        **_replica_note(scale),
        **claim.below("spec", "volumeClaimTemplates", 0),
        **pods.below("spec", "template"),
    }
    return Manifest(content=content, comments=comments)


def _workload(launch: Launch, kind: str, scale: Scale, fields: dict[str, Any], pods: Manifest) -> dict[str, Any]:
    count = {} if scale.moves else {"replicas": scale.high}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {**metadata(launch), "annotations": what_is_planned(launch)},
        "spec": {**count, "selector": {"matchLabels": selector(launch)}, **fields, "template": pods.content},
    }


def _replica_note(scale: Scale) -> dict[Path, str]:
    if scale.moves:
        return {
            (
                "spec",
                "selector",
            ): "no replicas here: what scales the fleet says how many, and applying again must not undo it"
        }
    return {("spec", "replicas"): "as many as the plan runs at its peak"}

"""LeaderWorkerSet: replicas that span machines, each a leader that answers requests and workers that share its model.

The controller sets LWS_LEADER_ADDRESS and LWS_WORKER_INDEX (0 is the leader) in every pod, creates the group together
and, with RecreateGroupOnPodRestart, starts it again together: ranks of a replica cannot be replaced one by one. Fields
are those of leaderworkerset.x-k8s.io/v1; sources, read 2026-11-26:
lws.sigs.k8s.io/docs/reference/labels-annotations-and-environment-variables,
docs.vllm.ai/en/latest/deployment/frameworks/lws.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.engines import engine_of
from llmplan.emit.kube import network, storage
from llmplan.emit.kube.manifest import Manifest, file_of
from llmplan.emit.kube.names import metadata, what_is_planned
from llmplan.emit.kube.objects import base_file, monitoring_files
from llmplan.emit.kube.pod import Role, template
from llmplan.emit.kube.scaling import Scale, autoscaler, disruption_budget, scale_of
from llmplan.emit.kube.weights import Weights, weights_of
from llmplan.emit.kubernetes import FIRST, header_of, scale_notes
from llmplan.emit.launch_file import Env, LaunchFile, Path, Setting
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError

API_VERSION = "leaderworkerset.x-k8s.io/v1"
MEETING_PORT = 20000
KNOWN = {
    "MASTER_ADDR": "$(LWS_LEADER_ADDRESS)",
    "DIST_INIT_ADDR": f"$(LWS_LEADER_ADDRESS):{MEETING_PORT}",
    "NODE_RANK": "$(LWS_WORKER_INDEX)",
}
"""what a pod is told by the controller, by the name under which engines ask for it"""
START_RANK = "DP_START_RANK"
FROM_INDEX = 'each=$1; option=$2; shift 2; exec "$@" "$option" "$((LWS_WORKER_INDEX * each))"'
"""Kubernetes puts variables into arguments but does not count: the shell does. No part of a plan is in the script."""


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`00-base.yaml` to `40-scale.yaml`, as for `kubernetes`."""
    if launch.nodes == 1:
        raise UsageError(
            "a replica has one machine here: it needs no leader and workers",
            hints=["llmplan emit-config PLAN --target kubernetes"],
        )
    if launch.variant.weights_volume == "per-replica":
        raise UsageError("the machines of a replica share one volume here", hints=["--weights-volume shared"])
    engine = engine_of(launch)
    leader, worker = engine.container(launch, "head"), engine.container(launch, "worker")
    scale = scale_of(launch, leader)
    found = weights_of(launch, leader, pods=scale.high * launch.nodes)
    header = (*launch.summary, *header_of(launch, leader, found, scale), *_notes(launch))
    manifests = (
        leader_worker_set(launch, leader, worker, found, scale),
        network.service(launch, leader),
        disruption_budget(launch),
    )
    files = [
        base_file(launch, leader, found, header, FIRST),
        file_of("20-serve.yaml", manifests, header=launch.title(FIRST), settings=leader.settings),
        file_of("30-network.yaml", network.policies(launch, leader, found, group=True), header=launch.title(FIRST)),
    ]
    if not found.by_hand:
        job = storage.download_job(launch, leader, found)
        files.insert(1, file_of("10-download.yaml", (job,), header=launch.title(FIRST)))
    workload = {"apiVersion": API_VERSION, "kind": "LeaderWorkerSet", "name": launch.variant.name}
    scalers = autoscaler(launch, leader, scale, workload)
    if scalers:
        files.append(file_of("40-scale.yaml", scalers, header=(*launch.title(FIRST), *scale_notes(scale))))
    return (*files, *monitoring_files(launch, leader, scale, launch.title(FIRST)))


def leader_worker_set(launch: Launch, leader: Container, worker: Container, found: Weights, scale: Scale) -> Manifest:
    """Groups of one leader and its workers."""
    first = template(launch, leader, found, Role(known=KNOWN))
    rest_container, wrapper = counted(launch, worker)
    rest = template(
        launch, rest_container, found, Role(component="worker", known=KNOWN, answers=False, wrapper=wrapper)
    )
    count = {} if scale.moves else {"replicas": scale.high}
    content: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "LeaderWorkerSet",
        "metadata": {**metadata(launch), "annotations": what_is_planned(launch)},
        "spec": {
            **count,
            "startupPolicy": "LeaderCreated",
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": 1},
            },
            "leaderWorkerTemplate": {
                "size": launch.nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": first.content,
                "workerTemplate": rest.content,
            },
        },
    }
    inner = ("spec", "leaderWorkerTemplate")
    comments: dict[Path, str] = {
        ("spec", "startupPolicy"): "the leader is ready only when its workers have joined: they must not wait for it",
        ("spec", "rolloutStrategy", "rollingUpdateConfiguration"): "a new group needs the GPUs of an old one",
        (*inner, "size"): f"machines of one replica: {launch.replica.parallel.gpus} GPUs, {leader.gpus} on each",
        (*inner, "restartPolicy"): "ranks cannot join a replica that runs: one that fails takes its group with it",
        **first.below(*inner, "leaderTemplate"),
        **rest.below(*inner, "workerTemplate"),
    }
    if not scale.moves:
        comments["spec", "replicas"] = "as many as the plan runs at its peak"
    return Manifest(content=content, comments=comments)


def counted(launch: Launch, worker: Container) -> tuple[Container, tuple[str, ...]]:
    """The worker without the option whose value is a multiple of its index, and the shell words that add it."""
    asked = [setting for setting in worker.settings if _asks(setting, START_RANK)]
    if not asked:
        return worker, ()
    parallel = launch.replica.parallel
    each = worker.gpus // (parallel.tp * parallel.pp)
    kept = tuple(setting for setting in worker.settings if setting not in asked)
    return replace(worker, settings=kept), ("sh", "-c", FROM_INDEX, "sh", str(each), asked[0].name)


def _asks(setting: Setting, name: str) -> bool:
    return isinstance(setting.value, Env) and setting.value.name == name


def _notes(launch: Launch) -> tuple[str, ...]:
    return (
        "needs the LeaderWorkerSet controller (lws.sigs.k8s.io)",
        "machines of a replica talk over the pods' network: InfiniBand or RoCE needs a device plugin and a resource",
        "whose name depends on the cluster, and speed was predicted for the network of the plan",
        "to keep a replica in one rack or block: annotation leaderworkerset.sigs.k8s.io/exclusive-topology: NODE_LABEL",
    )

"""Values for the Helm chart of the vLLM production stack: its router in front of the planned engines.

Fields are those of the chart's own schema. Its template turns `vllmConfig` into options of vLLM and appends
`extraArgs`; an option that it would write in another spelling or with a default of its own goes through `extraArgs`, so
that every planned value reaches the engine once. Sources, read 2026-11-26: github.com/vllm-project/production-stack,
helm/ values.schema.json, helm/templates/deployment-vllm-multi.yaml (f1f9822) and scaledobject-vllm.yaml (684263d),
Chart.yaml.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llmplan.emit import vllm
from llmplan.emit.container import HF_TOKEN, Container, Metrics
from llmplan.emit.kube import placement
from llmplan.emit.kube.keda import KEDA_VERSION, scaled_object_spec, summed
from llmplan.emit.kube.names import demand_pinned, literal, what_is_planned, word_in_pod
from llmplan.emit.kube.placement import gpu_resource, node_terms, tolerations
from llmplan.emit.kube.pod import environment
from llmplan.emit.kube.probes import Patience, patience, probes
from llmplan.emit.kube.quantities import gib
from llmplan.emit.kube.resources import memory_bytes, threads
from llmplan.emit.kube.scaling import Scale, behaviour, scale_of
from llmplan.emit.kube.security import container_security, pod_security
from llmplan.emit.kube.weights import Weights, token_command, weights_of
from llmplan.emit.launch_file import LaunchFile, Path, Value
from llmplan.emit.selection import Launch
from llmplan.emit.supply import mirrored
from llmplan.errors import UsageError
from llmplan.units import format_seconds

CHART_VERSION = "0.1.16"
"""helm/Chart.yaml at b353576; the chart's own template is what the fields below were read from"""
REPOSITORY = "https://vllm-project.github.io/production-stack"
FROM_VALUES: dict[str, str] = {
    "--dtype": "dtype",
    "--max-model-len": "maxModelLen",
    "--tensor-parallel-size": "tensorParallelSize",
    "--max-num-seqs": "maxNumSeqs",
}
"""options that the template writes from a field of `vllmConfig`, under the same name"""
SET_BY_CHART = ("--port", "--host", "--enable-prefix-caching", "--disable-prefix-caching", "--no-enable-prefix-caching")
ROUTER, ROUTER_TAG = "lmcache/lmstack-router", "v0.1.12"
"""the newest version tag that public files name (2026-11); the chart's own is `latest`"""
DOWNLOAD_S = 3600
"""for the download, which the chart leaves to the engine: no speed of it is known; an assumption"""
MOUNT_PATH = "/data"
"""where the chart mounts the volume; it sets HF_HOME to it"""


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`values.yaml`."""
    if launch.nodes > 1:
        raise UsageError(
            f"a replica spans {launch.nodes} machines: the chart starts that on Ray, which is not what was planned",
            hints=["llmplan emit-config PLAN --target leaderworkerset"],
        )
    container = replace(vllm.container(launch), cache_path=MOUNT_PATH)
    scale = scale_of(launch, container)
    if scale.kind == "hpa":
        raise UsageError("the chart scales engines by KEDA", hints=["--autoscaler keda", "--autoscaler none"])
    weights = weights_of(launch, container, pods=max(2, scale.high))
    content = values(launch, container, weights, scale)
    return (
        LaunchFile(
            path="values.yaml",
            kind="yaml",
            content=content,
            header=_header(launch, weights, scale),
            comments=_comments(launch, container),
            settings=container.settings,
        ),
    )


def values(launch: Launch, container: Container, weights: Weights, scale: Scale) -> dict[str, Any]:
    """The chart's values."""
    found: dict[str, Any] = {
        "servingEngineSpec": {
            "enableEngine": True,
            "containerPort": container.port,
            "servicePort": container.port,
            "imagePullPolicy": "IfNotPresent",
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "tolerations": tolerations(launch),
            "securityContext": pod_security(),
            "containerSecurityContext": container_security(),
            **_probes(launch, container),
            "modelSpec": [_model(launch, container, weights, scale)],
        },
        "routerSpec": _router(launch),
    }
    if scale.moves and container.metrics is not None:
        found["extraObjects"] = [_scaled_object(launch, container, container.metrics, scale)]
    return found


def _model(launch: Launch, container: Container, weights: Weights, scale: Scale) -> dict[str, Any]:
    repository, _, tag = demand_pinned(container.image).rpartition(":")
    terms = node_terms(launch)
    given = [each for each in environment(container, offline=False) if each["name"] != "HF_HOME"]
    token = {} if weights.secret is None else {"hf_token": {"secretName": weights.secret, "secretKey": HF_TOKEN}}
    storage = launch.variant.storage_class
    return {
        "name": launch.variant.name,
        "annotations": what_is_planned(launch),
        "repository": repository,
        "tag": tag,
        "modelURL": word_in_pod(container.weights, {}),
        "replicaCount": scale.high,
        "requestCPU": threads(launch, container),
        "requestMemory": gib(memory_bytes(launch, container)),
        "requestGPU": container.gpus,
        "requestGPUType": gpu_resource(launch),
        "shmSize": gib(container.shm_bytes),
        "pvcStorage": gib(weights.size_bytes),
        "pvcAccessMode": ["ReadWriteMany" if scale.high > 1 else "ReadWriteOnce"],
        **({} if storage is None else {"storageClass": storage}),
        **token,
        "env": given,
        "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
        "vllmConfig": vllm_config(container),
        **({"nodeSelectorTerms": [{"matchExpressions": terms}]} if terms else {}),
    }


def vllm_config(container: Container) -> dict[str, Any]:
    """Options by the chart's own fields where it writes them as planned, all others as they are."""
    found: dict[str, Any] = {
        "enablePrefixCaching": any(setting.name == "--enable-prefix-caching" for setting in container.settings)
    }
    extra: list[str] = []
    for setting in container.settings:
        if setting.name in FROM_VALUES:
            found[FROM_VALUES[setting.name]] = _plain(setting.value)
        elif setting.name not in SET_BY_CHART:
            extra += [word_in_pod(word, {}) for word in setting.words]
    return {**found, "extraArgs": extra}


def _plain(value: Value) -> object:
    return literal(value) if isinstance(value, str) else value


def _probes(launch: Launch, container: Container) -> dict[str, Any]:
    """As for the other targets; the chart's schema knows these four fields of a probe."""
    kept = ("httpGet", "periodSeconds", "failureThreshold")
    given = patience(launch, container)
    found = {}
    for name, probe in probes(container, replace(given, start_s=given.start_s + DOWNLOAD_S)).items():
        check = {"path": probe["httpGet"]["path"], "port": container.port}
        found[name] = {**{key: probe[key] for key in kept}, "httpGet": check}
    return found


def _router(launch: Launch) -> dict[str, Any]:
    return {
        "enableRouter": True,
        "replicaCount": 1,
        "repository": mirrored(ROUTER, launch.variant.image_registry),
        "tag": ROUTER_TAG,
        "imagePullPolicy": "IfNotPresent",
        "routingLogic": "prefixaware",
        "securityContext": pod_security(),
        "containerSecurityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "env": [{"name": "HOME", "value": "/tmp"}],
    }


def workload_name(launch: Launch) -> str:
    """What the chart calls the Deployment of the engines in a release of the same name as the model's."""
    name = launch.variant.name
    return f"{name}-{name}-deployment-vllm"


def _scaled_object(launch: Launch, container: Container, metrics: Metrics, scale: Scale) -> dict[str, Any]:
    """A ScaledObject of our own: the chart's schema takes one trigger as an object, its template writes a list."""
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload_name(launch)}
    query = summed(metrics, f'pod=~"{workload_name(launch)}-.*"')
    spec = scaled_object_spec(launch, behaviour(container), (scale.low, scale.high), scale.target, workload, query)
    name = f"{launch.variant.name}-engines"
    return {"apiVersion": KEDA_VERSION, "kind": "ScaledObject", "metadata": {"name": name}, "spec": spec}


def _header(launch: Launch, weights: Weights, scale: Scale) -> tuple[str, ...]:
    name, space = launch.variant.name, launch.variant.namespace
    where = "" if space is None else f" --namespace {space} --create-namespace"
    found = [
        *launch.summary,
        f"helm repo add vllm {REPOSITORY}",
        f"helm install {name} vllm/vllm-stack --version {CHART_VERSION}{where} -f values.yaml",
    ]
    if weights.secret is not None:
        found += ["needs a Secret, empty for open models:", token_command(launch, weights.secret)]
    else:
        found.append(
            f"nothing is downloaded: fill the volume ({MOUNT_PATH} in the pods) by hand before the engines start"
        )
    found += [*placement.notes(launch), f"scaling: {scale.kind} ({scale.why})"]
    if scale.moves:
        found.append(f"needs KEDA, and a Prometheus that reads /metrics of the pods {workload_name(launch)}-...")
    return tuple(found)


def _start_note(given: Patience) -> str:
    return f"{given.why_start.partition('; ')[0]}, and {format_seconds(DOWNLOAD_S)} assumed for the download before it"


def _comments(launch: Launch, container: Container) -> dict[Path, str]:
    model: Path = ("servingEngineSpec", "modelSpec", 0)
    given = patience(launch, container)
    return {
        ("servingEngineSpec", "strategy"): "a new pod needs the GPUs of an old one",
        (
            "servingEngineSpec",
            "startupProbe",
            "failureThreshold",
        ): f"x 10 s: {_start_note(given)}",
        (*model, "requestCPU"): "two threads a core: one core per GPU and two beside them, or the node's share",
        (*model, "requestMemory"): "shared memory, what the plan keeps in host memory, and 8 GiB assumed per GPU",
        (*model, "vllmConfig", "extraArgs"): "planned settings that the chart has no field for, or spells otherwise",
        (
            "routerSpec",
            "tag",
        ): "the chart's default is `latest`; the newest version tag that was found, not tried with it",
    }

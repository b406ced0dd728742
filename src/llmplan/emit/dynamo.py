"""NVIDIA Dynamo: a DynamoGraphDeployment with a frontend and workers of the planned engine.

Fields of nvidia.com/v1beta1 as documented (docs.nvidia.com/dynamo/v1.5.0/reference/api/kubernetes, read 2026-11-26) and
as in ai-dynamo/dynamo, examples/backends/*/deploy/v1beta1 (04521f4): no schema of the resource is at hand, so that it
is checked against the fields that were read there and no further. The operator adds ports, probes and, over several
machines, ranks and addresses (deploy/operator/internal/dynamo/backend_vllm.go, 18bda51): there it joins the words into
a shell command, and only words that no shell changes are given to it.

Dynamo's images hold a version of the engine of their own, which need not be the planned one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.engines import engine_of
from llmplan.emit.kserve import is_plain
from llmplan.emit.kube import placement, storage
from llmplan.emit.kube import weights as weights_module
from llmplan.emit.kube.manifest import Manifest, file_of
from llmplan.emit.kube.names import kubectl, metadata, what_is_planned, word_in_pod
from llmplan.emit.kube.objects import base_file
from llmplan.emit.kube.placement import node_terms, tolerations
from llmplan.emit.kube.pod import SHARED_MEMORY, environment, mounts, volumes
from llmplan.emit.kube.quantities import gib
from llmplan.emit.kube.resources import resources
from llmplan.emit.kube.security import SCRATCH_VOLUME, container_security, pod_security
from llmplan.emit.kube.storage import init_container
from llmplan.emit.kube.weights import VOLUME, Weights, weights_of
from llmplan.emit.launch_file import LaunchFile, Path
from llmplan.emit.selection import Launch
from llmplan.emit.supply import mirrored
from llmplan.errors import UsageError

VERSION = "1.5.0"
REGISTRY = "nvcr.io/nvidia/ai-dynamo"
SET_BY_OPERATOR = (
    "--dist-init-addr", "--nnodes", "--node-rank", "--master-addr", "--master-port", "--data-parallel-size-local",
    "--data-parallel-address", "--data-parallel-rpc-port", "--data-parallel-start-rank",
)  # fmt: skip
OF_THE_SERVER = ("--host", "--port", "--headless", "--metrics", "--enable-metrics")
"""options of the engine's own HTTP server, which Dynamo's frontend replaces"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """How Dynamo runs an engine: its name for it, the Python module, the image, the option for the model, and options
    that it calls otherwise."""

    framework: str
    module: str
    image: str
    model_option: str
    renamed: Mapping[str, str] = field(default_factory=dict)


BACKENDS: Mapping[str, Backend] = {
    "vllm": Backend(framework="vllm", module="dynamo.vllm", image="vllm-runtime", model_option="--model"),
    "sglang": Backend(
        framework="sglang", module="dynamo.sglang", image="sglang-runtime", model_option="--model-path"
    ),
    "tensorrt-llm": Backend(
        framework="trtllm", module="dynamo.trtllm", image="tensorrtllm-runtime", model_option="--model-path",
        renamed={"--config": "--extra-engine-args", "--served_model_name": "--served-model-name"},
    ),
}  # fmt: skip


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`base.yaml`, `download.yaml` and `graph.yaml`."""
    backend = BACKENDS.get(launch.replica.engine.id)
    if backend is None:
        raise UsageError(
            f"Dynamo does not run {launch.replica.engine.ref}: it has workers for {', '.join(BACKENDS)}",
            hints=["llmplan emit-config PLAN --target kubernetes"],
        )
    if launch.variant.autoscaler in ("hpa", "keda"):
        raise UsageError("Dynamo scales its components itself (planner, scaling adapter)", hints=["--autoscaler none"])
    if launch.variant.weights_volume == "per-replica":
        raise UsageError("Dynamo's components have no volume per pod", hints=["--weights-volume shared"])
    image = mirrored(f"{REGISTRY}/{backend.image}:{VERSION}", launch.variant.image_registry)
    container = replace(engine_of(launch).container(launch), image=image)
    found = weights_of(launch, container, pods=max(2, launch.replicas * launch.nodes))
    names = ["base.yaml", *([] if found.by_hand else ["download.yaml"]), "graph.yaml"]
    header = (
        *launch.summary,
        kubectl(launch, " ".join(["apply", *(f"-f {name}" for name in names)])),
        f"needs the Dynamo platform (operator {VERSION}); its image has its own version of {launch.replica.engine.id},",
        f"and memory and speed were predicted for {launch.replica.engine.ref}: measure before you rely on them",
        "checked against the documented fields of v1beta1, not against the operator's schema",
        *weights_module.notes(launch, found),
        *placement.notes(launch),
        "scaling: none here (Dynamo's planner, or spec.components[].scalingAdapter with KEDA)",
    )
    files = [base_file(launch, container, found, header, "base.yaml")]
    if not found.by_hand:
        files.append(
            file_of(
                "download.yaml", (storage.download_job(launch, container, found),), header=launch.title("base.yaml")
            )
        )
    graph = graph_deployment(launch, backend, container, found)
    return (*files, file_of("graph.yaml", (graph,), header=launch.title("base.yaml"), settings=container.settings))


def graph_deployment(launch: Launch, backend: Backend, container: Container, found: Weights) -> Manifest:
    """Frontend and workers."""
    worker: dict[str, Any] = {
        "name": "worker",
        "type": "worker",
        "replicas": launch.replicas,
        **({"multinode": {"nodeCount": launch.nodes}} if launch.nodes > 1 else {}),
        "sharedMemorySize": gib(container.shm_bytes),
        "podTemplate": {"spec": _worker_pod(launch, backend, container, found)},
    }
    content = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {**metadata(launch), "annotations": what_is_planned(launch)},
        "spec": {"backendFramework": backend.framework, "components": [_frontend(launch, container, found), worker]},
    }
    component: Path = ("spec", "components", 1)
    comments: dict[Path, str] = {
        (*component, "replicas"): "as many as the plan runs at its peak",
        (*component, "multinode"): "the operator gives ranks and addresses",
        **_why(backend, container, (*component, "podTemplate", "spec", "containers", 0, "args")),
    }
    return Manifest(content=content, comments=comments)


def _frontend(launch: Launch, container: Container, found: Weights) -> dict[str, Any]:
    """The HTTP server and router; it finds the model's tokenizer on the same volume."""
    kept = (VOLUME, SCRATCH_VOLUME)
    main = {
        "name": "main",
        "image": container.image,
        "imagePullPolicy": "IfNotPresent",
        "env": environment(container),
        "securityContext": _security(),
        "volumeMounts": [mount for mount in mounts(container) if mount["name"] in kept],
    }
    shared = [each for each in volumes(launch, container, found) if each["name"] in kept]
    spec = {"securityContext": pod_security(), "containers": [main], "volumes": shared}
    return {"name": "frontend", "type": "frontend", "replicas": 1, "podTemplate": {"spec": spec}}


def _worker_pod(launch: Launch, backend: Backend, container: Container, found: Weights) -> dict[str, Any]:
    main = {
        "name": "main",
        "image": container.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", backend.module],
        "args": arguments(launch, backend, container),
        "env": environment(container),
        "resources": resources(launch, container),
        "securityContext": _security(),
        "volumeMounts": [mount for mount in mounts(container) if mount["name"] != SHARED_MEMORY],
    }
    terms = node_terms(launch)
    required = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    return {
        "securityContext": pod_security(),
        **({"affinity": affinity} if terms else {}),
        "tolerations": tolerations(launch),
        "initContainers": [init_container(container, found)],
        "containers": [main],
        "volumes": [each for each in volumes(launch, container, found) if each["name"] != SHARED_MEMORY],
    }


def _security() -> dict[str, Any]:
    """As everywhere, but for the root file system: where Dynamo's own processes write is not known."""
    return {**container_security(), "readOnlyRootFilesystem": False}


def arguments(launch: Launch, backend: Backend, container: Container) -> list[str]:
    """The planned settings as the worker module takes them."""
    model = [backend.model_option, *container.arguments] if container.arguments else []
    words = [*model, *(word for setting in _kept(container) for word in _words(backend, setting))]
    found = [word_in_pod(word, {}) for word in words]
    unsafe = [word for word in found if launch.nodes > 1 and not is_plain(word)]
    if unsafe:
        raise UsageError(
            f"over several machines Dynamo's operator puts the words into a shell, where {unsafe[0]!r} is not safe",
            hints=["llmplan emit-config PLAN --target leaderworkerset"],
        )
    return found


def _kept(container: Container) -> list[Any]:
    dropped = (*OF_THE_SERVER, *SET_BY_OPERATOR)
    return [setting for setting in container.settings if setting.name not in dropped]


def _words(backend: Backend, setting: Any) -> tuple[Any, ...]:
    name = backend.renamed.get(setting.name, setting.name)
    return (name, *setting.words[1:])


def _why(backend: Backend, container: Container, path: Path) -> dict[Path, str]:
    found: dict[Path, str] = {}
    position = 1 + len(container.arguments) if container.arguments else 0
    for setting in _kept(container):
        if setting.why and not setting.is_default:
            found[*path, position] = setting.why
        position += len(setting.words)
    return found

"""Knative: a Service that scales with the requests in flight, to zero where the plan is by the second.

Annotations and their bounds are from knative.dev/docs/serving/autoscaling and .../services/configuring-probes, the
fields of the pod from the definition of serving.knative.dev/v1, which fields need a feature flag from
knative.dev/docs/serving/configuration/feature-flags (all read 2026-11-26). Weights are downloaded into the pod's own
scratch volume at every start. Beside it a file for Cloud Run, where it has the GPU.
"""

from __future__ import annotations

from typing import Any

from llmplan.emit import cloud_run
from llmplan.emit.container import USER_ID, Container
from llmplan.emit.engines import engine_of
from llmplan.emit.kube import placement
from llmplan.emit.kube.manifest import Manifest, file_of
from llmplan.emit.kube.names import demand_pinned, kubectl, literal, metadata, what_is_planned, word_in_pod
from llmplan.emit.kube.objects import settings_map
from llmplan.emit.kube.pod import SETTINGS, SHARED_MEMORY
from llmplan.emit.kube.quantities import gib
from llmplan.emit.kube.resources import resources
from llmplan.emit.kube.security import SCRATCH_MOUNT, container_security, scratch_environment, scratch_volume
from llmplan.emit.kube.weights import VOLUME, is_folder
from llmplan.emit.launch_file import LaunchFile, Path, Word
from llmplan.emit.rent.scale import WHY_MOST, WHY_PATIENCE, WHY_TARGET, Scale, bounded, scale_of
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError

PATH = "service.yaml"
PERIOD_S = 10
WINDOW_S = (6, 60)
"""shortest stable window, and the usual one: no request for so long, and a pod is no longer wanted"""
LONGEST_DELAY_S = 3600
LONGEST_REQUEST_S = 600
"""`max-revision-timeout-seconds` of a cluster that nobody changed: more is refused"""
NODE_S = 600
"""for a machine with the GPU to join and for the image to arrive: an assumption"""
WHY_DEADLINE = f"the start-up check's budget, and {NODE_S} s assumed for a machine to join and its image to arrive"
PORT_NAME = "http1"
FLAGS = ("kubernetes.podspec-affinity", "kubernetes.podspec-tolerations")
"""off in a cluster that nobody changed"""


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`service.yaml`, and `service.cloudrun.yaml` where Cloud Run has the GPU."""
    if launch.nodes > 1:
        raise UsageError(
            f"a replica spans {launch.nodes} machines here, and a Knative Service keeps no group of pods together",
            hints=["llmplan emit-config PLAN --target leaderworkerset"],
        )
    container = engine_of(launch).container(launch)
    by_hand = _by_hand(launch, container)
    scale = scale_of(launch, container)
    cloud, why_not = cloud_run.service(launch, container, scale)
    manifests = (*settings_map(launch, container), service(launch, container, scale, by_hand=by_hand))
    header = (*launch.summary, *_notes(launch, container, by_hand=by_hand), *why_not)
    return (file_of(PATH, manifests, header=header, settings=container.settings), *cloud)


def _by_hand(launch: Launch, container: Container) -> bool:
    """Whether the weights lie on a volume that the user fills."""
    sources: tuple[Word, ...] = (container.weights, *launch.variant.adapters.values())
    return launch.air_gapped or any(isinstance(source, str) and is_folder(source) for source in sources)


def service(launch: Launch, container: Container, scale: Scale, *, by_hand: bool) -> Manifest:
    """The Service with its one revision."""
    engine = _engine(launch, container, scale, by_hand=by_hand)
    pod = {
        "containerConcurrency": scale.most,
        "timeoutSeconds": bounded(scale.patience_s, 1, LONGEST_REQUEST_S),
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        **{key: value for key, value in placement.placement(launch).items() if key in ("affinity", "tolerations")},
        "containers": [engine.content],
        "volumes": _volumes(launch, container, by_hand=by_hand),
    }
    scaling, comments = _scaling(scale)
    named = metadata(launch)
    content = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {**named, "annotations": what_is_planned(launch)},
        "spec": {"template": {"metadata": {"labels": named["labels"], "annotations": scaling}, "spec": pod}},
    }
    path = ("spec", "template", "spec")
    comments |= {
        (*path, "containerConcurrency"): WHY_MOST,
        (*path, "timeoutSeconds"): f"{WHY_PATIENCE}; over 600 s: max-revision-timeout-seconds",
        **engine.below(*path, "containers", 0),
    }
    return Manifest(content=content, comments=comments)


def _scaling(scale: Scale) -> tuple[dict[str, str], dict[Path, str]]:
    """Annotations of the revision, and why each has its value."""
    path = ("spec", "template", "metadata", "annotations")
    window_s = bounded(WINDOW_S[1] if scale.idle_s is None else scale.idle_s, *WINDOW_S)
    found = {
        "autoscaling.knative.dev/min-scale": (str(scale.low), scale.why_size),
        "autoscaling.knative.dev/max-scale": (str(scale.high), ""),
        "autoscaling.knative.dev/metric": ("concurrency", ""),
        "autoscaling.knative.dev/target": (str(scale.target), WHY_TARGET),
        "autoscaling.knative.dev/target-utilization-percentage": ("100", "the target is one already"),
        "autoscaling.knative.dev/window": (f"{window_s}s", ""),
        "serving.knative.dev/progress-deadline": (f"{scale.start_s + NODE_S}s", WHY_DEADLINE),
    }
    if scale.idle_s is not None:
        delay_s = bounded(scale.idle_s - window_s, 0, LONGEST_DELAY_S)
        found["autoscaling.knative.dev/window"] = (
            f"{window_s}s",
            f"with scale-down-delay the idle window of {scale.idle_s} s that was priced",
        )
        found["autoscaling.knative.dev/scale-down-delay"] = (f"{delay_s}s", "")
    values = {key: value for key, (value, _) in found.items()}
    return values, {(*path, key): why for key, (_, why) in found.items() if why}


def _engine(launch: Launch, container: Container, scale: Scale, *, by_hand: bool) -> Manifest:
    probe = {"httpGet": {"path": container.health_path}, "periodSeconds": PERIOD_S, "timeoutSeconds": 5}
    content: dict[str, Any] = {
        "name": "engine",
        "image": demand_pinned(container.image),
        "command": [*map(literal, container.entrypoint)],
        "args": [word_in_pod(word, {}) for word in container.words],
        "env": _environment(launch, container, by_hand=by_hand),
        "ports": [{"name": PORT_NAME, "containerPort": container.port}],
        "resources": _resources(launch, container, by_hand=by_hand),
        "startupProbe": {**probe, "failureThreshold": -(-scale.start_s // PERIOD_S)},
        "readinessProbe": {**probe, "failureThreshold": 3},
        "livenessProbe": {**probe, "timeoutSeconds": 10, "failureThreshold": 6},
        "securityContext": {**container_security(), "runAsUser": USER_ID, "runAsGroup": USER_ID,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "volumeMounts": _mounts(container, by_hand=by_hand),
    }  # fmt: skip
    comments: dict[Path, str] = {("startupProbe",): f"{scale.why_start}; x {PERIOD_S} s"}
    position = len(container.arguments)
    for setting in container.settings:
        if setting.why and not setting.is_default:
            comments["args", position] = setting.why
        position += len(setting.words)
    return Manifest(content=content, comments=comments)


def _resources(launch: Launch, container: Container, *, by_hand: bool) -> dict[str, Any]:
    found = resources(launch, container)
    if by_hand:
        return found
    return {**found, "requests": {**found["requests"], "ephemeral-storage": gib(container.checkpoint_bytes)}}


def _environment(launch: Launch, container: Container, *, by_hand: bool) -> list[dict[str, Any]]:
    given = {**scratch_environment(), **container.env}
    found: list[dict[str, Any]] = [{"name": name, "value": literal(value)} for name, value in given.items()]
    secrets = () if by_hand else container.secrets
    key = container.api_key_variable
    for variable in (*secrets, *((key,) if key is not None else ())):
        reference = {"name": secret_name(launch), "key": variable, "optional": True}
        found.append({"name": variable, "valueFrom": {"secretKeyRef": reference}})
    return found


def secret_name(launch: Launch) -> str:
    """The Secret that may hold the hub's token and the key that requests need."""
    return f"{launch.variant.name}-secrets"


def _mounts(container: Container, *, by_hand: bool) -> list[dict[str, Any]]:
    weights = {"name": VOLUME, "mountPath": container.cache_path, **({"readOnly": True} if by_hand else {})}
    files = [
        {"name": SETTINGS, "mountPath": path, "subPath": file.path, "readOnly": True}
        for path, file in container.files.items()
    ]
    return [weights, SCRATCH_MOUNT, {"name": SHARED_MEMORY, "mountPath": "/dev/shm"}, *files]


def _volumes(launch: Launch, container: Container, *, by_hand: bool) -> list[dict[str, Any]]:
    memory = {"medium": "Memory", **({"sizeLimit": gib(container.shm_bytes)} if container.shm_bytes else {})}
    claim = {"claimName": f"{launch.variant.name}-weights", "readOnly": True}
    weights: dict[str, Any] = {"persistentVolumeClaim": claim} if by_hand else {"emptyDir": {}}
    found = [{"name": VOLUME, **weights}, scratch_volume(), {"name": SHARED_MEMORY, "emptyDir": memory}]
    if container.files:
        found.append({"name": SETTINGS, "configMap": {"name": f"{launch.variant.name}-settings"}})
    return found


def _notes(launch: Launch, container: Container, *, by_hand: bool) -> tuple[str, ...]:
    name, flags = launch.variant.name, ", ".join(f'"{flag}": "enabled"' for flag in FLAGS)
    variables = [*container.secrets, *([container.api_key_variable] if container.api_key_variable else [])]
    literals = " ".join(f'--from-literal={variable}="${variable}"' for variable in variables)
    weights = "every start downloads the weights"
    if by_hand:
        weights = f"the weights lie on a volume that you fill: a claim {name}-weights, mounted read-only"
    keys = kubectl(launch, f"create secret generic {secret_name(launch)} {literals}")
    return (
        kubectl(launch, f"apply -f {PATH}"),
        f"once in a cluster: kubectl -n knative-serving patch configmap config-features -p '{{\"data\": {{{flags}}}}}'",
        *((f"for a gated model, and to ask requests for a key: {keys}",) if variables else ()),
        weights,
        *placement.notes(launch),
    )

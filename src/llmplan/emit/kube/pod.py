"""The pod that serves: one container of the engine, its mounts, its probes, and the init container for the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llmplan.emit.container import HF_TOKEN, Container
from llmplan.emit.kube.manifest import Manifest
from llmplan.emit.kube.names import Component, demand_pinned, kubectl, labels, literal, what_is_planned, word_in_pod
from llmplan.emit.kube.placement import placement
from llmplan.emit.kube.probes import PORT_NAME, Patience, patience, probes
from llmplan.emit.kube.quantities import gib
from llmplan.emit.kube.resources import resources
from llmplan.emit.kube.security import (
    SCRATCH_MOUNT,
    container_security,
    pod_security,
    scratch_environment,
    scratch_volume,
)
from llmplan.emit.kube.storage import init_container
from llmplan.emit.kube.weights import VOLUME, Weights
from llmplan.emit.launch_file import Path
from llmplan.emit.selection import Launch

SHARED_MEMORY = "shared-memory"
SETTINGS = "settings"
LOCKED = "host memory is locked for transfers: the container runtime's limit on locked memory must allow it"
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
"""the weights are there when the engine starts: it looks for nothing on the network"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a pod is among others: `known` has what to write for values that only the machine knows; a pod that does not
    answer requests has no probes. `wrapper` are words before the entrypoint."""

    component: Component = "server"
    known: Mapping[str, str] = field(default_factory=dict)
    answers: bool = True
    wrapper: tuple[str, ...] = ()


def template(launch: Launch, container: Container, weights: Weights, role: Role | None = None) -> Manifest:
    """A pod template: labels, annotations and the pod."""
    role = role or Role()
    found = pod(launch, container, weights, role)
    content = {
        "metadata": {"labels": labels(launch, role.component), "annotations": what_is_planned(launch)},
        "spec": found.content,
    }
    return Manifest(content=content, comments=found.below("spec"))


def pod(launch: Launch, container: Container, weights: Weights, role: Role) -> Manifest:
    """The pod itself."""
    given = patience(launch, container)
    engine = main_container(launch, container, role, given)
    content = {
        "serviceAccountName": launch.variant.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": given.end_s,
        "securityContext": pod_security(),
        **placement(launch),
        "initContainers": [init_container(container, weights)],
        "containers": [engine.content],
        "volumes": volumes(launch, container, weights),
    }
    comments: dict[Path, str] = {
        ("enableServiceLinks",): "else a Service called like an engine sets variables that the engine reads as its own",
        ("terminationGracePeriodSeconds",): "the wait before the end, and 30 s to end",
        **engine.below("containers", 0),
    }
    return Manifest(content=content, comments=comments)


def main_container(
    launch: Launch, container: Container, role: Role, given: Patience, *, name: str = "engine"
) -> Manifest:
    """The engine."""
    words = [word_in_pod(word, role.known) for word in container.words]
    content: dict[str, Any] = {
        "name": name,
        "image": demand_pinned(container.image),
        "imagePullPolicy": "IfNotPresent",
        "command": [*map(literal, (*role.wrapper, *container.entrypoint))],
        "args": words,
        "env": environment(container),
        "ports": [{"name": PORT_NAME, "containerPort": container.port}],
        "resources": resources(launch, container),
        **(probes(container, given) if role.answers else {}),
        "securityContext": container_security(),
        "volumeMounts": mounts(container),
    }
    content["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", str(given.drain_s)]}}}
    return Manifest(content=content, comments=_comments(container, given, role))


def environment(container: Container, *, offline: bool = True) -> list[dict[str, Any]]:
    """Variables in full, and secrets by reference; the hub's token is for the download alone."""
    given = {**scratch_environment(), **container.env, **(OFFLINE if offline else {})}
    found: list[dict[str, Any]] = [{"name": name, "value": literal(value)} for name, value in given.items()]
    for secret in (*container.secrets, container.api_key_variable):
        if secret is not None and secret != HF_TOKEN:
            reference = {"name": secret_name(secret), "key": secret, "optional": True}
            found.append({"name": secret, "valueFrom": {"secretKeyRef": reference}})
    return found


def secret_name(variable: str) -> str:
    """The Secret that holds the value of a variable.

    >>> secret_name("API_KEY")
    'api-key'
    """
    return variable.lower().replace("_", "-")


def notes(launch: Launch, container: Container) -> tuple[str, ...]:
    """How to ask requests for a key, and what the pod needs of its node beside GPUs."""
    locked = (LOCKED,) if container.pins_memory else ()
    return (*key_notes(launch, container), *locked)


def key_notes(launch: Launch, container: Container) -> tuple[str, ...]:
    """How to ask requests for a key."""
    variable = container.api_key_variable
    if variable is None:
        return ("whoever reaches the port is served: no key is asked for",)
    make = kubectl(launch, f'create secret generic {secret_name(variable)} --from-literal={variable}="${variable}"')
    return ("whoever reaches the port is served, unless a key is asked for:", make)


def mounts(container: Container) -> list[dict[str, Any]]:
    """Weights read-only; scratch and shared memory to write to; files of settings one by one."""
    files = [
        {"name": SETTINGS, "mountPath": path, "subPath": file.path, "readOnly": True}
        for path, file in container.files.items()
    ]
    return [
        {"name": VOLUME, "mountPath": container.cache_path, "readOnly": True},
        SCRATCH_MOUNT,
        {"name": SHARED_MEMORY, "mountPath": "/dev/shm"},
        *files,
    ]


def volumes(launch: Launch, container: Container, weights: Weights) -> list[dict[str, Any]]:
    """What is mounted; a pod's own volume comes from the template of its set."""
    memory = {"medium": "Memory", **({"sizeLimit": gib(container.shm_bytes)} if container.shm_bytes else {})}
    found: list[dict[str, Any]] = [scratch_volume(), {"name": SHARED_MEMORY, "emptyDir": memory}]
    if weights.shared:
        found.insert(0, {"name": VOLUME, "persistentVolumeClaim": {"claimName": weights.claim}})
    if container.files:
        found.append({"name": SETTINGS, "configMap": {"name": f"{launch.variant.name}-settings"}})
    return found


def _comments(container: Container, given: Patience, role: Role) -> dict[Path, str]:
    found: dict[Path, str] = {}
    position = len(container.arguments)
    for setting in container.settings:
        if setting.why and not setting.is_default:
            found["args", position] = setting.why
        position += len(setting.words)
    found["resources", "requests", "cpu"] = (
        "two threads a core: one core per GPU and two beside them, or the node's share"
    )
    found["resources", "requests", "memory"] = (
        "shared memory, what the plan keeps in host memory, and 8 GiB assumed per GPU"
    )
    found["lifecycle", "preStop"] = "no new requests arrive after some seconds; the rest is for those that run"
    if role.answers:
        found["startupProbe", "failureThreshold"] = f"x {10} s: {given.why_start}"
    return found

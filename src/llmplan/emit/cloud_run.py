"""Google Cloud Run: the same Service with its own annotations, for `gcloud run services replace`.

One GPU per instance; least processor and memory by GPU, no files but in memory, a start of at most 240 s before the
first check and 240 s of checks, requests of at most an hour, at most 1000 at once (cloud.google.com/run/docs:
configuring/services/gpu, configuring/healthchecks, reference/yaml/v1, quotas; read 2026-11-26). Idle instances stay up
to 15 min, which nobody can set. Instances run in Google's sandbox as the image's own user. In commands `$` is
an ordinary sign: Cloud Run, unlike a kubelet, replaces no `$(NAME)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmplan.emit.container import CACHE_PATH, Container
from llmplan.emit.kube.names import demand_pinned, what_is_planned
from llmplan.emit.kube.weights import is_folder
from llmplan.emit.launch_file import Env, LaunchFile, Path
from llmplan.emit.rent.facts import Platform, price_note
from llmplan.emit.rent.scale import WHY_MOST, WHY_PATIENCE, Scale, bounded
from llmplan.emit.rent.words import argument_vector
from llmplan.emit.selection import Launch
from llmplan.units import whole_gib

CLOUD_RUN = Platform(key="cloud-run", name="Cloud Run", sellers=("google-cloud-run",))
PATH = "service.cloudrun.yaml"
SHAPES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "nvidia-l4": ((4, 16), (8, 32)),
    "nvidia-rtx-pro-6000": ((20, 80),),
}
"""processors and GiB of memory that an instance with each GPU may have, the least first; what more it may have is
not stated"""
ENGINE_GIB = 8
"""of memory for the engine's processes beside the weights in memory: an assumption"""
FIRST_CHECK_S = 240
CHECKS_S = 240
"""the longest that Cloud Run waits before its first start-up check, and over all of them"""
PERIOD_S = 10
MOST_REQUESTS = 1000
LONGEST_REQUEST_S = 3600
"""its limits on requests at once in an instance, and on one request"""
SECRET_VERSION = "1"


def service(launch: Launch, container: Container, scale: Scale) -> tuple[tuple[LaunchFile, ...], tuple[str, ...]]:
    """The file, or none and why."""
    shape = _shape(launch, container)
    reason = _why_not(launch, container, scale, shape)
    if reason is not None or shape is None:
        return (), (f"no {PATH}: {reason}",)
    cpu, memory_gib = shape
    probe_s = min(CHECKS_S, scale.start_s)
    engine = {
        "image": demand_pinned(container.image),
        "command": list(container.entrypoint),
        "args": argument_vector(container, with_entrypoint=False),
        "env": _environment(launch, container),
        "ports": [{"name": "http1", "containerPort": container.port}],
        "resources": {"limits": {"cpu": str(cpu), "memory": f"{memory_gib}Gi", "nvidia.com/gpu": "1"}},
        "startupProbe": {
            "httpGet": {"path": container.health_path, "port": container.port},
            "initialDelaySeconds": bounded(scale.start_s - CHECKS_S, 0, FIRST_CHECK_S),
            "periodSeconds": PERIOD_S,
            "timeoutSeconds": 5,
            "failureThreshold": -(-probe_s // PERIOD_S),
        },
        "volumeMounts": [{"name": "weights", "mountPath": container.cache_path}],
    }
    spec = {
        "containerConcurrency": min(scale.most, MOST_REQUESTS),
        "timeoutSeconds": bounded(scale.patience_s, 1, LONGEST_REQUEST_S),
        "nodeSelector": {"run.googleapis.com/accelerator": launch.replica.gpu.platform_names[CLOUD_RUN.key]},
        "containers": [engine],
        "volumes": [{"name": "weights", "emptyDir": {"medium": "Memory", "sizeLimit": f"{memory_gib - ENGINE_GIB}Gi"}}],
    }
    content = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": launch.variant.name, "annotations": what_is_planned(launch)},
        "spec": {"template": {"metadata": {"annotations": _annotations(scale)}, "spec": spec}},
    }
    file = LaunchFile(
        path=PATH, kind="yaml", content=content, header=_header(launch, container), comments=_comments(scale),
        settings=container.settings,
    )  # fmt: skip
    return (file,), ()


def _shape(launch: Launch, container: Container) -> tuple[int, int] | None:
    """The least processors and memory that hold weights and engine."""
    needed_gib = whole_gib(container.checkpoint_bytes) + ENGINE_GIB
    name = launch.replica.gpu.platform_names.get(CLOUD_RUN.key, "")
    return next((shape for shape in SHAPES.get(name, ()) if shape[1] >= needed_gib), None)


def _why_not(launch: Launch, container: Container, scale: Scale, shape: tuple[int, int] | None) -> str | None:
    gpu = launch.replica.gpu
    if CLOUD_RUN.key not in gpu.platform_names:
        return f"Cloud Run rents no {gpu.id} that is known"
    if container.gpus > 1:
        return f"Cloud Run gives an instance one GPU, and this replica has {container.gpus}"
    if launch.air_gapped:
        return "Cloud Run is on the internet, and this plan is air-gapped"
    if container.files or isinstance(container.weights, Env) or is_folder(container.weights):
        return "it would need files that an instance does not have"
    if launch.option.start_s is not None and launch.option.start_s > FIRST_CHECK_S + CHECKS_S:
        return (
            f"a start is predicted to take {launch.option.start_s:.0f} s, Cloud Run waits {FIRST_CHECK_S + CHECKS_S} s"
        )
    if shape is None:
        return "Cloud Run keeps files in memory, and no instance that is known has room for these weights"
    return None


def _annotations(scale: Scale) -> dict[str, str]:
    return {
        "autoscaling.knative.dev/minScale": str(scale.low),
        "autoscaling.knative.dev/maxScale": str(scale.high),
        "run.googleapis.com/cpu-throttling": "false",
        "run.googleapis.com/gpu-zonal-redundancy-disabled": "true",
    }


def _environment(launch: Launch, container: Container) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in container.env.items()]
    for variable in container.secrets:
        reference = {"name": secret_name(launch, variable), "key": SECRET_VERSION}
        found.append({"name": variable, "valueFrom": {"secretKeyRef": reference}})
    return found


def secret_name(launch: Launch, variable: str) -> str:
    """The secret of Google's Secret Manager that holds a variable."""
    return f"{launch.variant.name}-{variable.lower().replace('_', '-')}"


def _header(launch: Launch, container: Container) -> tuple[str, ...]:
    regions = launch.question.limits.regions
    where = f" --region {regions[0]}" if len(regions) == 1 and regions[0].replace("-", "").isalnum() else ""
    made = tuple(
        f'first, even if the model is public: printf %s "${name}" | gcloud secrets create {secret_name(launch, name)} '
        "--data-file=-"
        for name in container.secrets
    )
    return (
        *launch.summary,
        price_note(launch, CLOUD_RUN),
        f"gcloud run services replace {PATH}{where}; only callers with the role run.invoker reach it",
        *made,
        "idle instances stay up to 15 min, whatever window was priced: Cloud Run has no setting for it",
    )


def _comments(scale: Scale) -> dict[Path, str]:
    pod = ("spec", "template", "spec")
    marks = ("spec", "template", "metadata", "annotations")
    return {
        (*marks, "autoscaling.knative.dev/minScale"): scale.why_size,
        (*marks, "run.googleapis.com/cpu-throttling"): "a GPU needs its processor all the time",
        (*marks, "run.googleapis.com/gpu-zonal-redundancy-disabled"): "the cheaper of two prices; needs its own quota",
        (*pod, "containerConcurrency"): WHY_MOST,
        (*pod, "timeoutSeconds"): WHY_PATIENCE,
        (*pod, "containers", 0, "resources"): "files are kept in memory: the weights, and 8 GiB assumed for the engine",
        (*pod, "containers", 0, "startupProbe"): f"{scale.why_start}; Cloud Run waits 480 s at most",
        (*pod, "volumes"): f"every start downloads the weights to {CACHE_PATH}",
    }

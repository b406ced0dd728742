"""RunPod: a load-balancing Serverless endpoint for plans by the second, a pod for plans by the hour.

Bodies of its REST API v2 (`CreateEndpointRequest`, `CreatePodRequest` in docs.runpod.io/api-reference-v2/openapi.json,
read 2026-11-26; v1 was retired on 2026-11-15). Only endpoints of type LOAD_BALANCER pass OpenAI requests to a server;
they ask `HEALTH_CHECK_PATH` on `PORT_HEALTH`, wait at most 2 min for a worker and 5.5 min for an answer
(docs.runpod.io/serverless/load-balancing/overview). `args` follow the image's own entrypoint, which this API cannot
replace. `{{ RUNPOD_SECRET_NAME }}` is filled by RunPod. Containers run as root: there is no setting for another user.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.launch_file import Command, Env, LaunchFile, Setting
from llmplan.emit.rent.facts import (
    Platform,
    disk_gb,
    gpu_name,
    gpu_note,
    price_note,
    rented_container,
    seller_of,
)
from llmplan.emit.rent.scale import WHY_IDLE, WHY_TARGET, Scale, bounded, scale_of
from llmplan.emit.rent.words import argument_vector, secrets_of
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError
from llmplan.units import format_seconds, whole_gb, whole_gib

SELLERS = ("runpod-serverless", "runpod-secure", "runpod-community")
PODS = Platform(key="runpod", name="RunPod", sellers=SELLERS)
POOLS = Platform(key="runpod-serverless", name="RunPod Serverless", sellers=SELLERS)
API = "https://api.runpod.io/v2"
CLOUDS: Mapping[str, str] = {"runpod-community": "COMMUNITY"}
"""of pods, by the plan's seller; any other is SECURE, RunPod's own machines"""
DATA_CENTER = re.compile(r"[A-Z]{2,4}-[A-Z]{2,4}-\d+")
LONGEST_IDLE_S = 3600
WORKER_WAIT_S = 120
ANSWER_S = 330
LEAST_VOLUME_GB = 10
VOLUME_HEADROOM = 1.1
"""of a pod's volume over what is downloaded: file system and tokenizer; a judgement"""
TEMPLATE_SIGN = "{{"


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`endpoint.json` or `pod.json`, and the call that creates it."""
    by_second = launch.deployment.purchase.kind == "serverless"
    platform = POOLS if by_second else PODS
    container = rented_container(launch, platform)
    if container.files:
        raise UsageError(
            f"{launch.replica.engine.ref} reads {', '.join(container.files)}: RunPod puts no files into a container",
            hints=["llmplan emit-config PLAN --target skypilot", "llmplan emit-config PLAN --target modal"],
        )
    scale = scale_of(launch, container)
    body = _endpoint(launch, container, scale) if by_second else _pod(launch, container)
    name, path = ("endpoint", "serverless") if by_second else ("pod", "pods")
    header = (*launch.summary, price_note(launch, platform), f"GPU: {gpu_note(launch, platform)}")
    notes = _endpoint_notes(launch, container, scale) if by_second else _pod_notes(launch, container)
    names = secrets_of(container, public=not by_second)
    secrets = tuple(f"first, in RunPod's console: a secret named {secret}" for secret in names)
    return (
        LaunchFile(path=f"{name}.json", kind="json", content=body, header=header, settings=container.settings),
        LaunchFile(
            path=f"create-{name}.sh", kind="shell", content=_call(f"{API}/{path}", f"{name}.json"), executable=True,
            header=(*header, *secrets, *notes),
        ),
    )  # fmt: skip


def _container(launch: Launch, container: Container, *, public: bool) -> dict[str, Any]:
    """What pods, which are `public`, and endpoints share."""
    words = argument_vector(container)
    own = container.image_entrypoint
    if tuple(words[: len(own)]) != own:
        raise UsageError(
            f"the image {container.image} starts {shlex.join(own)} whatever it is given: RunPod cannot replace that",
            hints=["llmplan emit-config PLAN --target skypilot"],
        )
    if any(TEMPLATE_SIGN in word for word in words):
        raise UsageError(f"RunPod fills {TEMPLATE_SIGN} ... }}}} in, and a name of this plan has it")
    secrets = {name: f"{TEMPLATE_SIGN} RUNPOD_SECRET_{name} }}}}" for name in secrets_of(container, public=public)}
    return {
        "name": launch.variant.name,
        "image": container.image,
        "args": shlex.join(words[len(own) :]),
        "ports": [f"{container.port}/http"],
        "env": {**container.env, **secrets},
    }


def _endpoint(launch: Launch, container: Container, scale: Scale) -> dict[str, Any]:
    pool, *others = gpu_name(launch, POOLS).split(",")
    excluded = [other.removeprefix("-") for other in others]
    shared = _container(launch, container, public=False)
    port = str(container.port)
    health = {"PORT": port, "PORT_HEALTH": port, "HEALTH_CHECK_PATH": container.health_path}
    idle = {} if scale.idle_s is None else {"idleTimeout": bounded(scale.idle_s, 1, LONGEST_IDLE_S)}
    return {
        **shared,
        "type": "LOAD_BALANCER",
        "env": {**shared["env"], **health},
        "disk": disk_gb(container),
        "gpu": {"pools": [pool], **({"excludedTypes": excluded} if excluded else {}), "count": container.gpus},
        "workers": {"min": scale.low, "max": scale.high, **idle},
        "scaling": {"type": "REQUEST_COUNT", "requestCount": scale.target},
        **_places(launch),
    }


def _pod(launch: Launch, container: Container) -> dict[str, Any]:
    figure, memory_bytes = seller_of(launch), container.host_memory_bytes
    per_gpu = {} if memory_bytes is None else {"minRamPerGpu": -(-whole_gib(memory_bytes) // container.gpus)}
    weights_gb = max(LEAST_VOLUME_GB, whole_gb(VOLUME_HEADROOM * container.checkpoint_bytes))
    return {
        **_container(launch, container, public=True),
        "cloud": CLOUDS.get("" if figure is None else figure.provider, "SECURE"),
        "disk": disk_gb(container),
        "gpu": {"id": gpu_name(launch, PODS), "count": container.gpus, **per_gpu},
        "mounts": {"persistent": {"size": weights_gb, "path": container.cache_path}},
        **_places(launch),
    }


def _places(launch: Launch) -> dict[str, Any]:
    """Data centers, where the user's regions are RunPod's."""
    centers = [region for region in launch.question.limits.regions if DATA_CENTER.fullmatch(region)]
    return {"dataCenterIds": centers} if centers else {}


def _call(url: str, body: str) -> Command:
    key = Env(name="RUNPOD_API_KEY", message="set RUNPOD_API_KEY (a key from your RunPod settings)")
    settings = (
        Setting(name="--fail-with-body", value=True),
        Setting(name="--oauth2-bearer", value=key),
        Setting(name="--header", value="Content-Type: application/json"),
        Setting(name="--data", value=f"@{body}"),
        Setting(name="--url", value=url),
    )
    return Command(program=("curl",), settings=settings, beside=(body,))


def _endpoint_notes(launch: Launch, container: Container, scale: Scale) -> tuple[str, ...]:
    start_s, estimate = container.start_s, launch.option.estimate
    late = start_s is None or start_s > WORKER_WAIT_S
    known = "of unknown length" if start_s is None else f"predicted to take {format_seconds(start_s)}"
    cold = (
        f"a request waits at most {format_seconds(WORKER_WAIT_S)} for a worker, and a start is {known}: the first ones "
        "after an idle time fail and must be sent again, unless workers.min is 1 or more"
    )
    long = estimate is not None and estimate.e2e_s.high > ANSWER_S
    return (
        f"workers: {scale.why_size}",
        f"idleTimeout: {WHY_IDLE}",
        f"requestCount: {WHY_TARGET}",
        *((cold,) if late and not scale.low else ()),
        *((f"answers that take more than {format_seconds(ANSWER_S)} are cut off",) if long else ()),
        *(("a new worker downloads the weights to its own disk first",) if container.checkpoint_bytes else ()),
        *_regions_note(launch),
        "requests go to https://ENDPOINT_ID.api.runpod.ai/v1/... with your RunPod key as bearer token",
    )


def _pod_notes(launch: Launch, container: Container) -> tuple[str, ...]:
    key = container.api_key_variable
    guard = "asks for no key" if key is None else f"asks requests for {key}"
    count = launch.replicas
    runs = "one pod is the planned fleet" if count == 1 else f"run it {count} times for the planned {count} replicas"
    spot = ("RunPod's API v2 rents no spot pods: the plan's spot price does not hold here",) if launch.spot else ()
    return (
        runs,
        f"anybody reaches the engine at https://POD_ID-{container.port}.proxy.runpod.net; it {guard}",
        *spot,
        *_regions_note(launch),
    )


def _regions_note(launch: Launch) -> tuple[str, ...]:
    regions = launch.question.limits.regions
    if not regions or _places(launch):
        return ()
    return (f"any data center: {', '.join(regions)} is none of RunPod's names (such as EU-RO-1); add dataCenterIds",)

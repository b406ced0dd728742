"""SkyPilot: a task that also is a SkyServe service.

Fields are those of SkyPilot 0.14.1 (sky/utils/schemas.py and sky/serve/service_spec.py, read 2026-11-26): with
`image_id: docker:` the commands run inside the image, whose own entrypoint is replaced by a shell
(sky/provision/docker_utils.py), except on RunPod (skypilot-org/skypilot#3879); a secret whose value is null is filled
by `--secret NAME` from the user's environment, a variable by `--env NAME`. SkyPilot's containers run as root on
machines that nobody else uses.
"""

from __future__ import annotations

from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.launch_file import LaunchFile, Path
from llmplan.emit.rent.facts import (
    ANY_REGION,
    WHY_DISK,
    Platform,
    disk_gb,
    gpu_name,
    gpu_note,
    hourly_price,
    price_note,
    rented_container,
    seller_of,
)
from llmplan.emit.rent.price import MARGIN_WORDS, price_cap
from llmplan.emit.rent.scale import WHY_IDLE, Scale, scale_of
from llmplan.emit.rent.words import asked, secrets_of, shell_line
from llmplan.emit.selection import Launch
from llmplan.units import whole_gib

SKYPILOT = Platform(key="skypilot", name="SkyPilot")
PATH = "task.yaml"
CLOUDS = (
    "aws", "azure", "gcp", "ibm", "lambda", "scp", "oci", "runpod", "vast", "vsphere", "cudo", "fluidstack",
    "paperspace", "primeintellect", "do", "nebius", "hyperbolic", "seeweb", "shadeform", "yotta", "mithril", "verda",
)  # fmt: skip
"""that SkyPilot rents from (sky/skylet/constants.py, ALL_CLOUDS); what the catalogue names otherwise is left free"""


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`task.yaml`, with the files that the engine reads."""
    container = rented_container(launch, SKYPILOT, spot=True)
    scale, secrets = scale_of(launch, container), secrets_of(container, public=True)
    content: dict[str, Any] = {
        "name": launch.variant.name,
        "resources": _resources(launch, container),
        **({"envs": dict.fromkeys(asked(container))} if asked(container) else {}),
        **({"secrets": dict.fromkeys(secrets)} if secrets else {}),
        **_mounts(container),
        "service": _service(container, scale),
        "run": shell_line(container),
    }
    file = LaunchFile(
        path=PATH, kind="yaml", content=content, settings=container.settings,
        header=(*launch.summary, price_note(launch, SKYPILOT), *_starts(container)),
        comments=_comments(launch, scale),
    )  # fmt: skip
    return (file, *container.files.values())


def _resources(launch: Launch, container: Container) -> dict[str, Any]:
    cap, memory_bytes = price_cap(launch), container.host_memory_bytes
    return {
        "accelerators": {gpu_name(launch, SKYPILOT): container.gpus},
        **_places(launch),
        "image_id": f"docker:{container.image}",
        "disk_size": disk_gb(container),
        **({} if memory_bytes is None else {"memory": f"{whole_gib(memory_bytes)}+"}),
        "ports": container.port,
        "use_spot": launch.spot,
        **({} if cap is None else {"max_hourly_cost": cap}),
    }


def _places(launch: Launch) -> dict[str, Any]:
    """The seller of the plan where SkyPilot has it under the same name, in the regions that the user asked for."""
    cloud, regions = _cloud(launch), launch.question.limits.regions
    places = [f"{cloud or '*'}/{region}" for region in regions if region != ANY_REGION and "/" not in region]
    if not places:
        return {} if cloud is None else {"infra": cloud}
    return {"infra": places[0]} if len(places) == 1 else {"any_of": [{"infra": place} for place in places]}


def _cloud(launch: Launch) -> str | None:
    figure = seller_of(launch)
    return figure.provider if figure is not None and figure.provider in CLOUDS else None


def _mounts(container: Container) -> dict[str, Any]:
    files = {path: f"./{file.path}" for path, file in container.files.items()}
    return {"file_mounts": files} if files else {}


def _service(container: Container, scale: Scale) -> dict[str, Any]:
    probe = {"path": container.health_path, "initial_delay_seconds": scale.start_s}
    if not scale.moves or scale.rate_per_s is None:
        return {"readiness_probe": probe, "replicas": max(1, scale.high)}
    policy: dict[str, Any] = {
        "min_replicas": scale.low,
        "max_replicas": scale.high,
        "target_qps_per_replica": float(f"{scale.rate_per_s:.4g}"),
        **({} if scale.idle_s is None else {"downscale_delay_seconds": scale.idle_s}),
    }
    return {"readiness_probe": probe, "replica_policy": policy}


def _starts(container: Container) -> tuple[str, ...]:
    given = "".join(f" --env {name}" for name in asked(container)) + "".join(
        f" --secret {name}" for name in secrets_of(container, public=True)
    )
    key = container.api_key_variable
    guard = "this engine asks requests for no key: let a firewall do it" if key is None else f"requests need {key}"
    return (
        f"one replica: sky launch {PATH}{given}",
        f"the planned fleet behind one address: sky serve up {PATH}{given}",
        f"the port is open to the internet: {guard}",
    )


def _comments(launch: Launch, scale: Scale) -> dict[Path, str]:
    hourly, cloud, figure = hourly_price(launch), _cloud(launch), seller_of(launch)
    where = ("resources", "any_of" if len(launch.question.limits.regions) > 1 else "infra")
    found: dict[Path, str] = {
        ("resources", "accelerators"): gpu_note(launch, SKYPILOT),
        ("resources", "disk_size"): f"GB: {WHY_DISK}",
        ("service", "readiness_probe", "initial_delay_seconds"): scale.why_start,
        ("service", "replicas"): scale.why_size,
        ("service", "replica_policy"): scale.why_size,
        ("service", "replica_policy", "target_qps_per_replica"): "requests/s of one replica in the plan",
        ("service", "replica_policy", "downscale_delay_seconds"): WHY_IDLE,
    }
    if figure is not None and cloud is None and launch.deployment.purchase.kind != "owned":
        found["resources", "image_id"] = (
            f"any cloud: the plan's seller {figure.provider} is none that SkyPilot rents from under that name"
        )
    elif cloud is not None:
        found[where] = "the plan's seller"
    if hourly is not None:
        found["resources", "max_hourly_cost"] = f"planned at {hourly.words}; {MARGIN_WORDS}"
    if launch.spot:
        found["resources", "use_spot"] = "as planned: machines may be taken away, and SkyServe starts others"
    return found

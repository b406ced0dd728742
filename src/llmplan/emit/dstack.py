"""dstack: a service with its replicas, scaling, probe and model name.

Fields are those of dstack 0.22.5 (core/models/{configurations,resources,profiles}.py, read 2026-11-26). `commands` run
in `/bin/sh` of the image in place of its entrypoint; a variable that is listed by name alone takes its value from the
environment of `dstack apply`. A volume of the machine (`instance_path`) keeps the weights between runs where the
backend has such volumes. The container runs as the image's own user: volumes belong to root.
"""

from __future__ import annotations

from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.launch_file import LaunchFile, Path
from llmplan.emit.rent.facts import (
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
from llmplan.errors import UsageError
from llmplan.units import whole_gib

DSTACK = Platform(key="dstack", name="dstack")
PATH = "llm.dstack.yml"
BACKENDS = (
    "amddevcloud", "aws", "azure", "cloudrift", "crusoe", "cudo", "datacrunch", "daytona", "digitalocean", "gcp",
    "hotaisle", "jarvislabs", "lambda", "lium", "nebius", "oci", "runpod", "seeweb", "tensordock", "vastai", "verda",
    "vultr",
)  # fmt: skip
"""that dstack rents from (core/models/backends/base.py); one that the catalogue names otherwise is left free"""
LEAST_NAME_CHARACTERS = 2
LEAST_MEMORY_GB = 16
"""of host memory for loading: an assumption"""
PROBE_INTERVAL = "15s"


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`llm.dstack.yml`, with the files that the engine reads."""
    container = rented_container(launch, DSTACK, spot=True)
    name = launch.variant.name
    if len(name) < LEAST_NAME_CHARACTERS:
        raise UsageError(f"--name {name!r}: dstack wants at least {LEAST_NAME_CHARACTERS} characters")
    scale, cap = scale_of(launch, container), price_cap(launch)
    names = [*asked(container), *secrets_of(container, public=False)]
    content: dict[str, Any] = {
        "type": "service",
        "name": name,
        "image": container.image,
        "commands": [shell_line(container)],
        **({"env": names} if names else {}),
        "port": container.port,
        "model": container.model_name,
        "probes": [{"type": "http", "url": container.health_path, "interval": PROBE_INTERVAL}],
        **_replicas(scale),
        "resources": _resources(launch, container),
        "volumes": [
            {"instance_path": f"/{name}-weights", "path": container.cache_path, "optional": True},
        ],
        **({"files": [f"./{file.path}:{path}" for path, file in container.files.items()]} if container.files else {}),
        **_places(launch),
        "spot_policy": "spot" if launch.spot else "on-demand",
        **({} if cap is None else {"max_price": cap}),
    }
    file = LaunchFile(
        path=PATH, kind="yaml", content=content, settings=container.settings,
        header=(*launch.summary, price_note(launch, DSTACK), *_starts(container, scale)),
        comments=_comments(launch, scale),
    )  # fmt: skip
    return (file, *container.files.values())


def _replicas(scale: Scale) -> dict[str, Any]:
    if not scale.moves or scale.rate_per_s is None:
        return {"replicas": max(1, scale.high)}
    scaling: dict[str, Any] = {"metric": "rps", "target": float(f"{scale.rate_per_s:.4g}")}
    if scale.idle_s is not None:
        scaling["scale_down_delay"] = f"{scale.idle_s}s"
    return {"replicas": f"{scale.low}..{scale.high}", "scaling": scaling}


def _resources(launch: Launch, container: Container) -> dict[str, Any]:
    memory_bytes = container.host_memory_bytes
    memory_gb = max(LEAST_MEMORY_GB, 0 if memory_bytes is None else whole_gib(memory_bytes))
    return {
        "gpu": f"{gpu_name(launch, DSTACK)}:{container.gpus}",
        "memory": f"{memory_gb}GB..",
        **({"shm_size": f"{whole_gib(container.shm_bytes)}GB"} if container.shm_bytes else {}),
        "disk": f"{disk_gb(container)}GB..",
    }


def _places(launch: Launch) -> dict[str, Any]:
    backend, regions = _backend(launch), launch.question.limits.regions
    return {
        **({} if backend is None else {"backends": [backend]}),
        **({"regions": list(regions)} if regions else {}),
    }


def _backend(launch: Launch) -> str | None:
    figure = seller_of(launch)
    return figure.provider if figure is not None and figure.provider in BACKENDS else None


def _starts(container: Container, scale: Scale) -> tuple[str, ...]:
    names = (*asked(container), *container.secrets)
    given = f", with {' and '.join(names)} set in your shell" if names else ""
    gateway = ("replicas come and go only behind a dstack gateway",) if scale.moves else ()
    return (f"start with: dstack apply -f {PATH}{given}", *gateway)


def _comments(launch: Launch, scale: Scale) -> dict[Path, str]:
    hourly, backend, figure = hourly_price(launch), _backend(launch), seller_of(launch)
    found: dict[Path, str] = {
        ("env",): "read from your shell by dstack apply",
        ("replicas",): scale.why_size,
        ("scaling", "target"): "requests/s of one replica in the plan",
        ("scaling", "scale_down_delay"): WHY_IDLE,
        ("resources", "gpu"): gpu_note(launch, DSTACK),
        ("resources", "memory"): "what the plan keeps in host memory, at least 16 GB assumed for loading",
        ("resources", "disk"): WHY_DISK,
        ("volumes",): "of the machine: keeps the weights between runs where the backend has such volumes",
        ("backends",): "the plan's seller",
    }
    if figure is not None and backend is None and launch.deployment.purchase.kind != "owned":
        found["spot_policy",] = (
            f"any backend: the plan's seller {figure.provider} is none that dstack rents from under that name"
        )
    if launch.spot:
        found["spot_policy",] = "as planned: machines may be taken away"
    if hourly is not None:
        found["max_price",] = f"USD per hour; planned at {hourly.words}; {MARGIN_WORDS}"
    return found

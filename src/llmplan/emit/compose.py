"""One replica as a Docker Compose project: pinned image, GPU reservation, health check, secrets by reference, no root.

The root file system is read-only and the user is not root, so that all that is written lies in `/tmp` (a tmpfs that may
hold programs: Docker's default is `noexec`, on which Triton's kernels cannot be loaded) and in the folder of weights.
That folder is the user's own: a named volume would belong to root. Reference: Compose specification,
https://github.com/compose-spec/compose-spec/blob/main/spec.md (read 2026-11-26); Docker docs, tmpfs mounts.
"""

from __future__ import annotations

from typing import Any

from llmplan.emit.container import USER_ID, Container, Node
from llmplan.emit.launch_file import Env, LaunchFile, Path, Word
from llmplan.emit.selection import Launch
from llmplan.emit.startup import StartBudget, start_budget
from llmplan.emit.supply import SCRATCH
from llmplan.units import MIB

FOLDER = Env(name="MODEL_CACHE", default="./model-cache")
"""where downloaded weights are kept, beside compose.yaml unless said otherwise"""
RUN_AS = Env(name="RUN_AS", default=f"{USER_ID}:{USER_ID}")
START = 'start: mkdir -p model-cache && RUN_AS="$(id -u):$(id -g)" docker compose up -d'
"""that the folder belongs to whom the container runs as"""
KEY_NOTE = "set {name} to ask requests for a key: without it whoever reaches the port is served"


def project(
    launch: Launch,
    container: Container,
    header: tuple[str, ...],
    *,
    node: Node = "head",
    folder: Env = FOLDER,
    read_only_folder: bool = False,
) -> LaunchFile:
    """The compose file of one node. The container's files lie beside it and are mounted read-only."""
    path = "compose.yaml" if node == "head" else "compose-worker.yaml"
    budget = start_budget(container, downloads=not launch.air_gapped and not read_only_folder)
    content = service(container, budget, folder=folder, read_only_folder=read_only_folder)
    if launch.nodes > 1:
        del content["ports"]
        content |= {"network_mode": "host", "ulimits": {"memlock": -1}}
    if node == "worker":
        del content["healthcheck"]
    key = container.api_key_variable
    start = START if path == "compose.yaml" else START.replace("compose up", f"compose -f {path} up")
    notes = (*header, *((KEY_NOTE.format(name=key),) if key else ()), *(() if read_only_folder else (start,)))
    name = launch.variant.name
    return LaunchFile(
        path=path,
        kind="yaml",
        content={"name": name if node == "head" else f"{name}-worker", "services": {name: content}},
        header=notes,
        comments=comments(container, name, budget),
        settings=container.settings,
    )


def service(container: Container, budget: StartBudget, *, folder: Env, read_only_folder: bool) -> dict[str, Any]:
    """The one service."""
    # Without a value Compose passes a variable on, and leaves it out where it is not set.
    asked = (*container.secrets, *((container.api_key_variable,) if container.api_key_variable else ()))
    secrets = dict.fromkeys(asked)
    device = {"driver": "nvidia", "count": container.gpus, "capabilities": ["gpu"]}
    weights = {"type": "bind", "source": interpolated(folder), "target": container.cache_path}
    content = {
        "image": escape(container.image),
        "entrypoint": [escape(word) for word in container.entrypoint],
        "command": [interpolated(word) for word in container.words],
        "environment": {**{name: escape(value) for name, value in container.env.items()}, **secrets},
        "user": interpolated(RUN_AS),
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": [f"{SCRATCH}:exec,mode=1777"],
        "shm_size": f"{max(64, container.shm_bytes // MIB)}m",
        "volumes": [
            {**weights, "read_only": read_only_folder, "bind": {"create_host_path": False}},
            *(
                {"type": "bind", "source": f"./{file.path}", "target": path, "read_only": True}
                for path, file in container.files.items()
            ),
        ],
        "ports": [f"{container.port}:{container.port}"],
        "deploy": {"resources": {"reservations": {"devices": [device]}}},
        "healthcheck": {
            "test": ["CMD", "curl", "--fail", "--silent", f"http://localhost:{container.port}{container.health_path}"],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": f"{budget.budget_s // 60}m",
        },
        "restart": "unless-stopped",
    }
    return content | ({"ulimits": {"memlock": -1}} if container.pins_memory else {})


def comments(container: Container, name: str, budget: StartBudget) -> dict[Path, str]:
    """Why, above each option of the command and what else is not self-evident."""
    service: Path = ("services", name)
    found: dict[Path, str] = {
        (*service, "user"): "any user that is not root and may write the folder of weights",
        (*service, "shm_size"): "what processes of one replica exchange tensors through",
        (*service, "tmpfs"): "kernels are compiled here and loaded: Docker's default is noexec",
        (*service, "healthcheck", "start_period"): budget.why,
    }
    place = len(container.arguments)
    for setting in container.settings:
        if setting.why and not setting.is_default:
            found[(*service, "command", place)] = setting.why
        place += len(setting.words)
    return found


def escape(text: str) -> str:
    """A text that Compose takes as it is: it reads `$` as the start of a variable."""
    return text.replace("$", "$$")


def interpolated(word: Word) -> str:
    """A word of the command; a value that only the machine knows becomes a Compose variable."""
    if not isinstance(word, Env):
        return escape(word)
    return f"${{{word.name}:?{word.message}}}" if word.default is None else f"${{{word.name}:-{word.default}}}"

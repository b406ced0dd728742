"""One replica as a Docker Compose project: pinned image, GPU reservation, health check, secrets by reference."""

from __future__ import annotations

from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.launch_file import Env, Word

CACHE_VOLUME = "model-cache"
START_PERIOD = "30m"
"""a first start downloads the weights"""


def service(container: Container, *, host_network: bool = False) -> dict[str, Any]:
    """The compose file. The container's files lie beside it and are mounted read-only."""
    network = {"network_mode": "host"} if host_network else {"ports": [f"{container.port}:{container.port}"]}
    volumes = [f"{CACHE_VOLUME}:{container.cache_path}"]
    volumes += [f"./{file.path}:{path}:ro" for path, file in container.files.items()]
    secrets = {name: f"${{{name}:-}}" for name in container.secrets}
    content = {
        "image": escape(container.image),
        "entrypoint": [escape(word) for word in container.entrypoint],
        "command": [interpolated(word) for word in container.words],
        "environment": {**{name: escape(value) for name, value in container.env.items()}, **secrets},
        "volumes": volumes,
        **network,
        "ipc": "host",
        "deploy": {
            "resources": {
                "reservations": {"devices": [{"driver": "nvidia", "count": container.gpus, "capabilities": ["gpu"]}]}
            }
        },
        "healthcheck": {
            "test": ["CMD", "curl", "--fail", "--silent", f"http://localhost:{container.port}{container.health_path}"],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": START_PERIOD,
        },
        "restart": "unless-stopped",
    }
    return {"services": {"llm": content}, "volumes": {CACHE_VOLUME: {}}}


def escape(text: str) -> str:
    """A text that Compose takes as it is: it reads `$` as the start of a variable."""
    return text.replace("$", "$$")


def interpolated(word: Word) -> str:
    """A word of the command; a value that only the machine knows becomes a Compose variable."""
    if not isinstance(word, Env):
        return escape(word)
    return f"${{{word.name}:?{word.message}}}" if word.default is None else f"${{{word.name}:-{word.default}}}"

"""One replica as a Docker Compose project: pinned image, GPU reservation, health check, secrets by reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmplan.emit.launch_file import Env, Word

CACHE_VOLUME = "huggingface-cache"
START_PERIOD = "30m"
"""a first start downloads the weights"""


def service(
    *,
    image: str,
    entrypoint: tuple[str, ...],
    words: tuple[Word, ...],
    gpus: int,
    port: int,
    mounts: Mapping[str, str] | None = None,
    host_network: bool = False,
) -> dict[str, Any]:
    """The compose file. `mounts` maps files beside it to paths inside the container, read-only."""
    network = {"network_mode": "host"} if host_network else {"ports": [f"{port}:{port}"]}
    volumes = [f"{CACHE_VOLUME}:/root/.cache/huggingface"]
    volumes += [f"./{source}:{target}:ro" for source, target in (mounts or {}).items()]
    content = {
        "image": escape(image),
        "entrypoint": [escape(word) for word in entrypoint],
        "command": [interpolated(word) for word in words],
        "environment": {"HF_TOKEN": "${HF_TOKEN:-}"},
        "volumes": volumes,
        **network,
        "ipc": "host",
        "deploy": {
            "resources": {"reservations": {"devices": [{"driver": "nvidia", "count": gpus, "capabilities": ["gpu"]}]}}
        },
        "healthcheck": {
            "test": ["CMD", "curl", "--fail", "--silent", f"http://localhost:{port}/health"],
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

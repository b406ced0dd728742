"""What an engine needs to run in a container: the one shape that Compose, Kubernetes and serverless targets share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmplan.emit.launch_file import Env, LaunchFile, Setting, Word
from llmplan.errors import UsageError

Node: TypeAlias = Literal["head", "worker"]
"""of a replica that spans machines: the one that answers requests, and the others"""

CACHE_PATH = "/models"
HF_TOKEN = "HF_TOKEN"
USER_ID = 1000
"""containers never run as root: any user id that is not 0 does, since all that is written lies in mounts"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What the engine tells Prometheus, by name: requests that wait, requests that run."""

    path: str
    waiting: str
    running: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container on one machine of one replica: `entrypoint`, then `arguments` (the model, if it is one), then
    `settings`."""

    image: str
    entrypoint: tuple[str, ...]
    image_entrypoint: tuple[str, ...] = ()
    """what the image itself starts, whatever it is given; none: the words that it is given"""
    arguments: tuple[Word, ...] = ()
    settings: tuple[Setting, ...]
    model_name: str
    """under which requests name the model"""
    weights: Word
    """repository or folder of the checkpoint"""
    gpus: int
    """on this machine"""
    port: int
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = (HF_TOKEN,)
    """environment variables whose values only a secret store or the user's shell knows"""
    files: Mapping[str, LaunchFile] = field(default_factory=dict)
    """path in the container to a file that lies there, read-only"""
    health_path: str = "/health"
    metrics: Metrics | None = None
    cache_path: str = CACHE_PATH
    """where downloaded weights are kept; the engine finds it through `env`"""
    checkpoint_bytes: int = 0
    host_memory_bytes: int | None = None
    """memory of the container beside the GPU: None where the plan does not know it"""
    shm_bytes: int = 0
    """shared memory (/dev/shm) that its processes exchange tensors through"""
    start_s: float | None = None
    """seconds from a container with the image to readiness, weights not yet there; None: no figure known"""
    read_factor: float = 1.0
    """of the planned start, in `start_s`: bytes that are read over those of the planned format. All of the start is
    multiplied, though only reading grows: it is there for those who wait"""
    api_key_variable: str | None = None
    """from which the server reads the key that it asks of requests, if it is set; None: it reads none"""
    pins_memory: bool = False
    """whether it locks host memory, which the limit on locked memory must allow"""

    @property
    def words(self) -> tuple[Word, ...]:
        """What comes after the entrypoint."""
        return self.arguments + tuple(word for setting in self.settings for word in setting.words)

    @property
    def unknown(self) -> tuple[Env, ...]:
        """Values that only the machine or the user knows, each once."""
        return tuple(dict.fromkeys(word for word in self.words if isinstance(word, Env)))


def demand_known(container: Container, *, given: frozenset[str] = frozenset()) -> None:
    """Raise a `UsageError` where a value is left to the user that this target cannot ask for at launch. `given` are
    names that the platform fills in."""
    for env in container.unknown:
        if env.name in given or env.default is not None:
            continue
        raise unknown_at_launch(env)


def unknown_at_launch(env: Env) -> UsageError:
    """What is said of a value that is asked for nowhere."""
    hint = "add --checkpoint REPOSITORY_OR_FOLDER" if env.name == "MODEL" else f"set {env.name}"
    return UsageError(f"{env.message or f'{env.name} is not known'}: this target cannot ask at launch", hints=[hint])

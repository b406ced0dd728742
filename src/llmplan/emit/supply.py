"""Where images and weights come from, and what a container needs of its machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from llmplan.emit.container import HF_TOKEN
from llmplan.emit.launch_file import Word
from llmplan.emit.selection import Launch
from llmplan.emit.weights import downloaded_bytes
from llmplan.units import GIB

SHM_BYTES_PER_GPU = 4 * GIB
"""what the ranks of a replica exchange through /dev/shm; Docker's default of 64 MiB stops NCCL (vLLM, docs/deployment/
docker: `--ipc=host` or `--shm-size`)"""


class Resources(TypedDict):
    """The fields of a `Container` that no engine changes."""

    checkpoint_bytes: int
    host_memory_bytes: int | None
    shm_bytes: int
    start_s: float | None
    read_factor: float
    secrets: tuple[str, ...]
    pins_memory: bool


def resources_of(launch: Launch, weights: Word) -> Resources:
    """Bytes of the checkpoint, of host memory beside the GPUs and of shared memory; seconds of a start; the token that
    downloads ask for. Whatever lies in host memory beside the GPUs' own is pinned."""
    budget = launch.memory
    gpus = launch.replica.parallel.gpus // launch.nodes
    read_bytes, start_s = downloaded_bytes(launch, weights), launch.option.start_s
    factor = max(1.0, read_bytes / budget.checkpoint_bytes) if budget and budget.checkpoint_bytes else 1.0
    return Resources(
        checkpoint_bytes=read_bytes,
        host_memory_bytes=budget.host_bytes or None if budget else None,
        shm_bytes=SHM_BYTES_PER_GPU * gpus,
        start_s=None if start_s is None else factor * start_s,
        read_factor=factor,
        secrets=() if launch.air_gapped else (HF_TOKEN,),
        pins_memory=launch.replica.offload is not None,
    )


def image_of(launch: Launch, pinned: str) -> str:
    """The image of the planned engine, else the `pinned` one of the target's; from the mirror where one is given.

    >>> mirrored("vllm/vllm-openai:v1", "registry.example/hub/")
    'registry.example/hub/vllm/vllm-openai:v1'
    """
    image = (launch.replica.engine.image if launch.same_engine else None) or pinned
    return mirrored(image, launch.variant.image_registry)


def mirrored(image: str, registry: str | None) -> str:
    """The same image under another registry: the host of the original, if it names one, is replaced.

    >>> mirrored("nvcr.io/nvidia/x:1", "localhost:5000")
    'localhost:5000/nvidia/x:1'
    """
    if registry is None:
        return image
    first, slash, rest = image.partition("/")
    names_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return f"{registry.rstrip('/')}/{rest if names_host else image}"


def hub_environment(launch: Launch, cache_path: str | None = None) -> dict[str, str]:
    """What tells the Hugging Face libraries where to look: a cache, a mirror, or nowhere but the cache."""
    found = {} if cache_path is None else {"HF_HOME": cache_path}
    if launch.variant.hub_mirror is not None:
        found["HF_ENDPOINT"] = launch.variant.hub_mirror
    if launch.air_gapped:
        found |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return found


SCRATCH = "/tmp"
SCRATCH_ENVIRONMENT: Mapping[str, str] = {
    "HOME": SCRATCH,
    "USER": "llm",
    "XDG_CACHE_HOME": f"{SCRATCH}/cache",
    "TRITON_CACHE_DIR": f"{SCRATCH}/cache/triton",
    "TORCHINDUCTOR_CACHE_DIR": f"{SCRATCH}/cache/inductor",
    "FLASHINFER_WORKSPACE_BASE": SCRATCH,
}
"""where an engine compiles what it then loads: a place that a user id unknown to the image may write, on a file system
that is otherwise read-only. PyTorch asks for a name of the user (getpass.getuser) and fails where there is none."""


def offline_notes(launch: Launch, weights: Word) -> tuple[str, ...]:
    """What must be there before a start without a network."""
    if not launch.air_gapped:
        return ()
    if isinstance(weights, str) and weights.startswith(("/", "./", "../")):
        return (f"air-gapped: reads {weights} and no network",)
    return ("air-gapped: the checkpoint must lie in the Hugging Face cache, or name a folder with --checkpoint",)

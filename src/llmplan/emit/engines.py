"""The engines that launch files can start: each gives files of its own and one container for every other target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from llmplan.emit import llama_cpp, sglang, tensorrt_llm, vllm
from llmplan.emit.container import Container, Node
from llmplan.emit.launch_file import Command, LaunchFile
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError


class Engine(Protocol):
    """What a module of an engine has."""

    def emit(self, launch: Launch) -> tuple[LaunchFile, ...]:
        """Its own launch files."""

    def compose_only(self, launch: Launch) -> tuple[LaunchFile, ...]:
        """The Compose files alone, with what they mount."""

    def command(self, launch: Launch, node: Node = "head") -> Command:
        """One node of a replica as a program of the machine, with the environment that it needs."""

    def container(self, launch: Launch, node: Node = "head") -> Container:
        """One node of a replica as a container."""


ENGINES: Mapping[str, Engine] = {"vllm": vllm, "sglang": sglang, "tensorrt-llm": tensorrt_llm, "llama-cpp": llama_cpp}


def engine_of(launch: Launch) -> Engine:
    """The planned engine."""
    found = ENGINES.get(launch.replica.engine.id)
    if found is None:
        raise UsageError(
            f"no launch files are known for the planned engine {launch.replica.engine.ref}",
            hints=[f"llmplan emit-config PLAN --target {name}" for name in ENGINES],
        )
    return found

"""SGLang: `sglang serve`, a script and a Compose project.

`python -m sglang.launch_server` starts the same server and says on each start that `sglang serve` is preferred. Metrics
and /health: srt/observability/metrics_collector.py and srt/entrypoints/http_server.py, SGLang 0.5.23, read 2026-11-26.
A key for requests would have to stand on the command line (`--api-key`), where every process of the machine reads it:
none is written.
"""

from __future__ import annotations

from llmplan.emit import compose, sglang_args
from llmplan.emit.adapters import adapter_note
from llmplan.emit.container import CACHE_PATH, Container, Metrics, Node
from llmplan.emit.launch_file import Command, LaunchFile, Setting
from llmplan.emit.selection import Launch
from llmplan.emit.sglang_flags import IMAGE, ONLINE_METHODS
from llmplan.emit.supply import SCRATCH_ENVIRONMENT, hub_environment, image_of, offline_notes, resources_of
from llmplan.emit.weights import checkpoint_for

METRICS = Metrics(path="/metrics", waiting="sglang:num_queue_reqs", running="sglang:num_running_reqs")
PROGRAM = ("sglang", "serve")


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`serve.sh` and `compose.yaml`; with several machines per replica also the other nodes' files."""
    return (*(_script(launch, node) for node in _nodes(launch)), *compose_only(launch))


def compose_only(launch: Launch) -> tuple[LaunchFile, ...]:
    """The Compose files alone."""
    return tuple(
        compose.project(launch, container(launch, node), _header(launch), node=node) for node in _nodes(launch)
    )


def command(launch: Launch, node: Node = "head") -> Command:
    """The server on a machine of its own."""
    return Command(program=PROGRAM, settings=_settings(launch, node), env=hub_environment(launch))


def container(launch: Launch, node: Node = "head") -> Container:
    """One node of a replica in SGLang's own image."""
    weights = checkpoint_for(launch, ONLINE_METHODS).model
    return Container(
        image=image_of(launch, IMAGE),
        entrypoint=PROGRAM,
        settings=_settings(launch, node),
        model_name=launch.replica.model.id,
        weights=weights,
        gpus=launch.replica.parallel.gpus // launch.nodes,
        port=sglang_args.PORT,
        env={**hub_environment(launch, CACHE_PATH), **SCRATCH_ENVIRONMENT},
        metrics=METRICS,
        **resources_of(launch, weights),
    )


def _nodes(launch: Launch) -> tuple[Node, ...]:
    return ("head", "worker") if launch.nodes > 1 else ("head",)


def _settings(launch: Launch, node: Node) -> tuple[Setting, ...]:
    checkpoint = checkpoint_for(launch, ONLINE_METHODS)
    return (
        *sglang_args.settings_of(launch, checkpoint),
        *sglang_args.node_settings(launch, head=node == "head"),
    )


def _script(launch: Launch, node: Node) -> LaunchFile:
    note = () if launch.nodes == 1 else (f"run it on {'the first' if node == 'head' else 'every other'} node",)
    content = command(launch, node)
    return LaunchFile(
        path="serve.sh" if node == "head" else "serve-worker.sh",
        kind="shell",
        content=content,
        executable=True,
        header=(*_header(launch), *note),
        settings=content.settings,
    )


def _header(launch: Launch) -> tuple[str, ...]:
    checkpoint = checkpoint_for(launch, ONLINE_METHODS)
    adapters = adapter_note(launch, "load them at run time: POST /load_lora_adapter")
    offline = offline_notes(launch, checkpoint.model)
    open_port = "whoever reaches the port is served: put a proxy that asks for a key before it"
    return (*launch.summary, *checkpoint.notes, *adapters, *offline, open_port)

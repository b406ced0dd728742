"""vLLM: a script, the same settings as a `--config` file, and a Compose project.

Environment: vLLM 0.33 envs.py (usage statistics, caches, VLLM_API_KEY), read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmplan.emit import compose, vllm_args
from llmplan.emit.adapters import adapter_note
from llmplan.emit.container import CACHE_PATH, Container, Metrics, Node
from llmplan.emit.launch_file import Command, Env, LaunchFile, Setting, Word, reasons_of
from llmplan.emit.selection import Launch
from llmplan.emit.supply import SCRATCH_ENVIRONMENT, hub_environment, image_of, offline_notes, resources_of
from llmplan.emit.vllm_flags import IMAGE, ONLINE_METHODS
from llmplan.emit.weights import Checkpoint, checkpoint_for

CONFIG = "vllm.yaml"
METRICS = Metrics(path="/metrics", waiting="vllm:num_requests_waiting", running="vllm:num_requests_running")
API_KEY = "VLLM_API_KEY"
PROGRAM = ("vllm", "serve")


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`serve.sh`, `vllm.yaml`, `compose.yaml`; with several machines per replica also the other nodes' files."""
    files = [_script(launch, "head"), _config(launch), _compose(launch, "head")]
    if launch.nodes > 1:
        files.insert(1, _script(launch, "worker"))
        files.append(_compose(launch, "worker"))
    return tuple(files)


def compose_only(launch: Launch) -> tuple[LaunchFile, ...]:
    """The Compose files alone."""
    nodes: tuple[Node, ...] = ("head", "worker") if launch.nodes > 1 else ("head",)
    return tuple(_compose(launch, node) for node in nodes)


def command(launch: Launch, node: Node = "head") -> Command:
    """The server on a machine of its own."""
    checkpoint = checkpoint_for(launch, ONLINE_METHODS)
    settings = _settings(launch, checkpoint, node)
    return Command(program=(*PROGRAM, checkpoint.model), settings=settings, env=_environment(launch))


def container(launch: Launch, node: Node = "head") -> Container:
    """One node of a replica in vLLM's own image."""
    checkpoint = checkpoint_for(launch, ONLINE_METHODS)
    return Container(
        image=image_of(launch, IMAGE),
        entrypoint=PROGRAM,
        image_entrypoint=PROGRAM,
        arguments=(checkpoint.model,),
        settings=_settings(launch, checkpoint, node),
        model_name=launch.replica.model.id,
        weights=checkpoint.model,
        gpus=launch.replica.parallel.gpus // launch.nodes,
        port=vllm_args.PORT,
        env={**_environment(launch, CACHE_PATH), **SCRATCH_ENVIRONMENT, "VLLM_CACHE_ROOT": "/tmp/cache/vllm"},
        metrics=METRICS,
        api_key_variable=API_KEY,
        **resources_of(launch, checkpoint.model),
    )


def _settings(launch: Launch, checkpoint: Checkpoint, node: Node) -> tuple[Setting, ...]:
    own = vllm_args.head_settings(launch) if node == "head" else vllm_args.worker_settings(launch)
    return (*vllm_args.settings_of(launch, checkpoint), *own)


def _environment(launch: Launch, cache_path: str | None = None) -> dict[str, str]:
    silent = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"} if launch.air_gapped else {}
    return {**hub_environment(launch, cache_path), **silent}


def _script(launch: Launch, node: Node) -> LaunchFile:
    note = "" if launch.nodes == 1 else "run it on the first node" if node == "head" else "run it on every other node"
    content = command(launch, node)
    return LaunchFile(
        path="serve.sh" if node == "head" else "serve-worker.sh",
        kind="shell",
        content=content,
        executable=True,
        header=_header(launch, note, compose.KEY_NOTE.format(name=API_KEY)),
        settings=content.settings,
    )


def _config(launch: Launch) -> LaunchFile:
    """The settings that are the same on every node; addresses and ranks stay on the command line."""
    checkpoint = checkpoint_for(launch, ONLINE_METHODS)
    model = {"model": checkpoint.model} if isinstance(checkpoint.model, str) else {}
    settings = vllm_args.settings_of(launch, checkpoint)
    argument = "" if model else ' "$MODEL"'
    extra = _shown(vllm_args.head_settings(launch))
    start = f"start with: vllm serve{argument} --config {CONFIG}{' ' * bool(extra)}{extra}"
    notes = (start, f"(`--config {CONFIG}` as two words: vLLM ignores `--config={CONFIG}` silently)")
    return LaunchFile(
        path=CONFIG,
        kind="yaml",
        content={**model, **vllm_args.as_config(settings)},
        header=_header(launch, *notes),
        comments=reasons_of(settings),
        settings=settings,
    )


def _compose(launch: Launch, node: Node) -> LaunchFile:
    return compose.project(launch, container(launch, node), _header(launch), node=node)


def _header(launch: Launch, *notes: str) -> tuple[str, ...]:
    checkpoint = checkpoint_for(launch, ONLINE_METHODS)
    adapters = adapter_note(launch, "add --lora-modules NAME=PATH ...")
    offline = offline_notes(launch, checkpoint.model)
    return (*launch.summary, *checkpoint.notes, *adapters, *offline, *(note for note in notes if note))


def _shown(settings: Sequence[Setting]) -> str:
    words: list[Word] = [word for setting in settings for word in setting.words]
    return " ".join(f'"${word.name}"' if isinstance(word, Env) else word for word in words)

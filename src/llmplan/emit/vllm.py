"""vLLM: a script, the same settings as a `--config` file, and a Compose project."""

from __future__ import annotations

from llmplan.emit import compose, vllm_args
from llmplan.emit.container import CACHE_PATH, Container, Metrics, Node
from llmplan.emit.launch_file import Command, Env, LaunchFile, Word
from llmplan.emit.selection import Launch
from llmplan.emit.supply import hub_environment, image_of, resources_of
from llmplan.emit.vllm_flags import IMAGE, ONLINE_METHODS
from llmplan.emit.weights import Checkpoint, checkpoint_for

CONFIG = "vllm.yaml"
METRICS = Metrics(path="/metrics", waiting="vllm:num_requests_waiting", running="vllm:num_requests_running")


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`serve.sh`, `vllm.yaml`, `compose.yaml`; with several machines per replica also the other nodes' files."""
    checkpoint = checkpoint_for(launch, ONLINE_METHODS)
    base = vllm_args.options(launch, checkpoint)
    head = {**base, **vllm_args.head_options(launch)}
    files = [
        _script(launch, checkpoint, head, "serve.sh", "run it on the first node" if launch.nodes > 1 else ""),
        _config(launch, checkpoint, base),
        _compose(launch, checkpoint, "compose.yaml"),
    ]
    if launch.nodes > 1:
        worker = {**base, **vllm_args.worker_options(launch)}
        files.insert(1, _script(launch, checkpoint, worker, "serve-worker.sh", "run it on every other node"))
        files.append(_compose(launch, checkpoint, "compose-worker.yaml"))
    return tuple(files)


def compose_only(launch: Launch) -> tuple[LaunchFile, ...]:
    """The Compose files alone."""
    return tuple(file for file in emit(launch) if file.path.startswith("compose"))


def _script(launch: Launch, checkpoint: Checkpoint, found: vllm_args.Options, path: str, note: str) -> LaunchFile:
    command = Command(program=("vllm", "serve", checkpoint.model), settings=vllm_args.as_settings(found))
    return LaunchFile(
        path=path, kind="shell", content=command, executable=True, header=_header(launch, checkpoint, note)
    )


def _config(launch: Launch, checkpoint: Checkpoint, base: vllm_args.Options) -> LaunchFile:
    """The settings that are the same on every node; addresses and ranks stay on the command line."""
    model = {"model": checkpoint.model} if isinstance(checkpoint.model, str) else {}
    argument = "" if model else ' "$MODEL"'
    extra = " ".join(
        _shown(word) for setting in vllm_args.as_settings(vllm_args.head_options(launch)) for word in setting.words
    )
    start = f"start with: vllm serve{argument} --config {CONFIG}{' ' * bool(extra)}{extra}"
    notes = (start, f"(`--config {CONFIG}` as two words: vLLM ignores `--config={CONFIG}` silently)")
    return LaunchFile(
        path=CONFIG,
        kind="yaml",
        content={**model, **vllm_args.as_config(base)},
        header=_header(launch, checkpoint, *notes),
    )


def container(launch: Launch, node: Node = "head") -> Container:
    """One node of a replica in vLLM's own image."""
    checkpoint = checkpoint_for(launch, ONLINE_METHODS)
    own = vllm_args.head_options(launch) if node == "head" else vllm_args.worker_options(launch)
    found = {**vllm_args.options(launch, checkpoint), **own}
    return Container(
        image=image_of(launch, IMAGE),
        entrypoint=("vllm", "serve"),
        image_entrypoint=("vllm", "serve"),
        arguments=(checkpoint.model,),
        settings=vllm_args.as_settings(found),
        model_name=launch.replica.model.id,
        weights=checkpoint.model,
        gpus=launch.replica.parallel.gpus // launch.nodes,
        port=vllm_args.PORT,
        env=hub_environment(launch, CACHE_PATH),
        metrics=METRICS,
        **resources_of(launch),
    )


def _compose(launch: Launch, checkpoint: Checkpoint, path: str) -> LaunchFile:
    node: Node = "worker" if path == "compose-worker.yaml" else "head"
    content = compose.service(container(launch, node), host_network=launch.nodes > 1)
    if node == "worker":
        del content["services"]["llm"]["healthcheck"]
    return LaunchFile(
        path=path, kind="yaml", content=content, header=_header(launch, checkpoint, "docker compose up -d")
    )


def _header(launch: Launch, checkpoint: Checkpoint, *notes: str) -> tuple[str, ...]:
    tenancy = launch.replica.tenancy
    adapters = ("add --lora-modules NAME=PATH ... with your adapters",) if tenancy and tenancy.adapters else ()
    return (*launch.summary, *checkpoint.notes, *adapters, *(note for note in notes if note))


def _shown(word: Word) -> str:
    return f'"${word.name}"' if isinstance(word, Env) else word

"""vLLM: a script, the same settings as a `--config` file, and a Compose project."""

from __future__ import annotations

from llmplan.emit import compose, vllm_args
from llmplan.emit.launch_file import Command, Env, LaunchFile, Word
from llmplan.emit.selection import Launch
from llmplan.emit.vllm_flags import IMAGE, ONLINE_METHODS
from llmplan.emit.weights import Checkpoint, checkpoint_for

CONFIG = "vllm.yaml"


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`serve.sh`, `vllm.yaml`, `compose.yaml`; with several machines per replica also the other nodes' files."""
    checkpoint = checkpoint_for(launch.replica, ONLINE_METHODS)
    base = vllm_args.options(launch, checkpoint)
    head = {**base, **vllm_args.head_options(launch)}
    files = [
        _script(launch, checkpoint, head, "serve.sh", "run it on the first node" if launch.nodes > 1 else ""),
        _config(launch, checkpoint, base),
        _compose(launch, checkpoint, head, "compose.yaml"),
    ]
    if launch.nodes > 1:
        worker = {**base, **vllm_args.worker_options(launch)}
        files.insert(1, _script(launch, checkpoint, worker, "serve-worker.sh", "run it on every other node"))
        files.append(_compose(launch, checkpoint, worker, "compose-worker.yaml"))
    return tuple(files)


def compose_only(launch: Launch) -> tuple[LaunchFile, ...]:
    """The Compose files alone."""
    return tuple(file for file in emit(launch) if file.path.startswith("compose"))


def _script(launch: Launch, checkpoint: Checkpoint, found: vllm_args.Options, path: str, note: str) -> LaunchFile:
    command = Command(program=("vllm", "serve", checkpoint.model), options=vllm_args.as_words(found))
    return LaunchFile(
        path=path, kind="shell", content=command, executable=True, header=_header(launch, checkpoint, note)
    )


def _config(launch: Launch, checkpoint: Checkpoint, base: vllm_args.Options) -> LaunchFile:
    """The settings that are the same on every node; addresses and ranks stay on the command line."""
    model = {"model": checkpoint.model} if isinstance(checkpoint.model, str) else {}
    argument = "" if model else ' "$MODEL"'
    extra = " ".join(
        word for group in vllm_args.as_words(vllm_args.head_options(launch)) for word in map(_shown, group)
    )
    start = f"start with: vllm serve{argument} --config {CONFIG}{' ' * bool(extra)}{extra}"
    notes = (start, f"(`--config {CONFIG}` as two words: vLLM ignores `--config={CONFIG}` silently)")
    return LaunchFile(
        path=CONFIG,
        kind="yaml",
        content={**model, **vllm_args.as_config(base)},
        header=_header(launch, checkpoint, *notes),
    )


def _compose(launch: Launch, checkpoint: Checkpoint, found: vllm_args.Options, path: str) -> LaunchFile:
    replica = launch.replica
    words: tuple[Word, ...] = (checkpoint.model, *(word for group in vllm_args.as_words(found) for word in group))
    content = compose.service(
        image=(replica.engine.image if launch.same_engine else None) or IMAGE,
        entrypoint=("vllm", "serve"),
        words=words,
        gpus=replica.parallel.gpus // launch.nodes,
        port=vllm_args.PORT,
        host_network=launch.nodes > 1,
    )
    if path == "compose-worker.yaml":
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

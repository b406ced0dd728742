"""llama.cpp: one `llama-server` line. Its `-c` is divided among the slots, so it is context times slots."""

from __future__ import annotations

from llmplan.emit import compose, llama_cpp_args
from llmplan.emit.container import Container, Metrics, Node
from llmplan.emit.launch_file import Command, Env, LaunchFile, Setting
from llmplan.emit.llama_cpp_args import OPTIONS, PORT, gguf_file
from llmplan.emit.selection import Launch
from llmplan.emit.supply import image_of, resources_of
from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica

__all__ = ["OPTIONS", "command", "compose_only", "container", "emit"]

IMAGE = "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434"
METRICS = Metrics(path="/metrics", waiting="llamacpp:requests_deferred", running="llamacpp:requests_processing")
API_KEY = "LLAMA_API_KEY"
FOLDER = Env(name="MODEL_DIR", message="set MODEL_DIR to the folder of the file")


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`serve.sh` and `compose.yaml`."""
    content = command(launch)
    script = LaunchFile(
        path="serve.sh",
        kind="shell",
        content=content,
        executable=True,
        header=(*_header(launch), compose.KEY_NOTE.format(name=API_KEY)),
        settings=content.settings,
    )
    return (script, *compose_only(launch))


def compose_only(launch: Launch) -> tuple[LaunchFile, ...]:
    """The Compose file alone, with the user's folder of GGUF files in the place of the cache."""
    how = "the container has MODEL_DIR as /models: MODEL_DIR=FOLDER MODEL=/models/FILE.gguf docker compose up -d"
    header = (*_header(launch), how)
    return (compose.project(launch, container(launch), header, folder=FOLDER, read_only_folder=True),)


def command(launch: Launch, node: Node = "head") -> Command:
    """The server on a machine of its own."""
    _demand_one_machine(launch.replica)
    return Command(program=("llama-server",), settings=_settings(launch), env=_environment(launch))


def container(launch: Launch, node: Node = "head") -> Container:
    """The server in its own image; the file lies in the cache."""
    _demand_one_machine(launch.replica)
    resources = resources_of(launch, gguf_file(launch))
    resources["secrets"] = ()  # it downloads nothing
    kept_bytes = llama_cpp_args.prompt_cache_bytes(launch)
    if kept_bytes:
        resources["host_memory_bytes"] = (resources["host_memory_bytes"] or 0) + kept_bytes
    return Container(
        image=image_of(launch, IMAGE),
        entrypoint=("/app/llama-server",),
        image_entrypoint=("/app/llama-server",),
        settings=_settings(launch),
        model_name=launch.replica.model.id,
        weights=gguf_file(launch),
        gpus=launch.replica.parallel.gpus,
        port=PORT,
        metrics=METRICS,
        env=_environment(launch),
        api_key_variable=API_KEY,
        **resources,
    )


def _settings(launch: Launch) -> tuple[Setting, ...]:
    return llama_cpp_args.settings_of(launch)


def _environment(launch: Launch) -> dict[str, str]:
    return {"LLAMA_ARG_OFFLINE": "1"} if launch.air_gapped else {}


def _header(launch: Launch) -> tuple[str, ...]:
    file, settings = gguf_file(launch), launch.replica.settings
    asked = (file.message,) if isinstance(file, Env) else ()
    slots = f"{settings.max_num_seqs} slot{'s' * (settings.max_num_seqs != 1)} of {settings.max_model_len} tokens"
    return (*launch.summary, *asked, f"-c {llama_cpp_args.context_tokens(launch.replica)} is shared by {slots}")


def _demand_one_machine(replica: Replica) -> None:
    if replica.spans_nodes or replica.parallel.dp > 1:
        raise UsageError("one llama-server runs on one machine and has no data-parallel groups, as this plan has")
    if replica.tenancy is not None and replica.tenancy.adapters:
        raise UsageError(
            "llama-server serves no LoRA adapter per request, as this plan does",
            hints=["llmplan emit-config PLAN --target vllm"],
        )

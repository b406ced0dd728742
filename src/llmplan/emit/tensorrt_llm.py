"""TensorRT-LLM: `trtllm-serve MODEL --config trtllm.yaml`. The engine-building tools are gone and never emitted."""

from __future__ import annotations

from llmplan.emit import compose, tensorrt_llm_config
from llmplan.emit.adapters import adapter_note, named_adapters
from llmplan.emit.container import CACHE_PATH, Container, Node
from llmplan.emit.launch_file import Command, Env, LaunchFile, Setting
from llmplan.emit.selection import Launch
from llmplan.emit.supply import SCRATCH_ENVIRONMENT, hub_environment, image_of, offline_notes, resources_of
from llmplan.emit.tensorrt_llm_config import CONFIG_KEYS
from llmplan.emit.weights import checkpoint_for
from llmplan.errors import UsageError

__all__ = ["CONFIG_KEYS", "command", "compose_only", "container", "emit"]

CONFIG = "trtllm.yaml"
IMAGE = "nvcr.io/nvidia/tensorrt-llm/release:1.2.1"
PORT = 8000
MOUNTED_CONFIG = f"/config/{CONFIG}"


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`serve.sh`, `trtllm.yaml` and `compose.yaml` (one machine per replica)."""
    content, header = command(launch), _header(launch)
    script = LaunchFile(
        path="serve.sh",
        kind="shell",
        content=content,
        executable=True,
        header=(*header, f"{CONFIG} lies beside it"),
        settings=content.settings,
    )
    return (script, _config(launch), *(compose_files(launch) if launch.nodes == 1 else ()))


def compose_only(launch: Launch) -> tuple[LaunchFile, ...]:
    """The Compose file with the configuration that it mounts."""
    return (_config(launch), *compose_files(launch))


def compose_files(launch: Launch) -> tuple[LaunchFile, ...]:
    """The Compose file alone."""
    return (compose.project(launch, container(launch), _header(launch)),)


def command(launch: Launch, node: Node = "head") -> Command:
    """The server on a machine of its own, beside its configuration; over several machines under MPI, once for all."""
    program, settings = _server(launch)
    environment = hub_environment(launch)
    if launch.nodes == 1:
        return Command(program=program, settings=settings, env=environment, beside=(CONFIG,))
    hosts = Env(name="HOSTFILE", message="set HOSTFILE to an MPI host file that lists the machines")
    mpi = ("mpirun", "-n", str(launch.replica.parallel.gpus), "--hostfile", hosts, "trtllm-llmapi-launch")
    return Command(program=(*mpi, *program), settings=settings, env=environment, beside=(CONFIG,))


def container(launch: Launch, node: Node = "head") -> Container:
    """One replica in NVIDIA's image, with its configuration mounted."""
    if launch.nodes > 1:
        raise UsageError(
            "a TensorRT-LLM replica over several machines starts under MPI: only its own target says how",
            hints=["llmplan emit-config PLAN --target tensorrt-llm"],
        )
    program, settings = _server(launch, MOUNTED_CONFIG)
    return Container(
        image=image_of(launch, IMAGE),
        entrypoint=("trtllm-serve",),
        arguments=program[1:],
        settings=settings,
        model_name=launch.replica.model.id,
        weights=program[1],
        gpus=launch.replica.parallel.gpus,
        port=PORT,
        env={**hub_environment(launch, CACHE_PATH), **SCRATCH_ENVIRONMENT},
        files={MOUNTED_CONFIG: _config(launch)},
        **resources_of(launch, program[1]),
    )


def _server(launch: Launch, config_path: str = CONFIG) -> tuple[tuple[str | Env, ...], tuple[Setting, ...]]:
    checkpoint = checkpoint_for(launch, {})
    name = launch.replica.model.id
    why = "requests name the model so, whatever its checkpoint is called"
    named = () if checkpoint.is_named else (Setting(name="--served_model_name", value=name, why=why),)
    settings = (
        Setting(name="--config", value=config_path, why="the settings that were planned"),
        Setting(
            name="--host", value="0.0.0.0", default="localhost",
            why="every interface of the machine: the default is reached from it alone",
        ),
        Setting(name="--port", value=PORT, default=str(PORT), why="where it answers"),
        *named,
    )  # fmt: skip
    return ("trtllm-serve", checkpoint.model), settings


def _config(launch: Launch) -> LaunchFile:
    settings = tensorrt_llm_config.settings_of(launch)
    return LaunchFile(
        path=CONFIG,
        kind="yaml",
        content=tensorrt_llm_config.config(settings),
        header=_header(launch),
        comments=tensorrt_llm_config.comments(settings, launch),
        settings=settings,
    )


def _header(launch: Launch) -> tuple[str, ...]:
    checkpoint = checkpoint_for(launch, {})
    named = tuple(
        f'adapter {name}: requests carry "lora_request" with lora_path {path}'
        for name, path in named_adapters(launch).items()
    )
    adapters = adapter_note(launch, 'name it in each request: "lora_request" with its lora_path')
    return (*launch.summary, *checkpoint.notes, *named, *adapters, *offline_notes(launch, checkpoint.model))

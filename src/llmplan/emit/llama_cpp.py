"""llama.cpp: one `llama-server` line. Its `-c` is divided among the slots, so it is context times slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmplan.emit import compose
from llmplan.emit.container import CACHE_PATH, Container, Metrics, Node
from llmplan.emit.launch_file import Command, Env, LaunchFile, Setting, Value, Word, plain
from llmplan.emit.selection import Launch
from llmplan.emit.supply import image_of, resources_of
from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica

PORT = 8080
IMAGE = "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434"
METRICS = Metrics(path="/metrics", waiting="llamacpp:requests_deferred", running="llamacpp:requests_processing")
KV_TYPES: Mapping[str, str] = {"fp16": "f16", "bf16": "bf16", "gguf-q8_0": "q8_0", "gguf-q4_0": "q4_0"}
OPTIONS: tuple[str, ...] = (
    "-m", "-a", "--host", "--port", "-ngl", "--n-cpu-moe", "-sm", "-c", "-np", "-b", "-fa", "-ctk", "-ctv", "--fit",
    "--no-cache-prompt", "--metrics",
)  # fmt: skip
"""Every option that may be written."""


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`serve.sh` and `compose.yaml`."""
    _demand_one_machine(launch.replica)
    file = _file(launch)
    asked = (file.message,) if isinstance(file, Env) else ()
    header = (*launch.summary, *asked, f"-c {_context(launch.replica)} is shared by {_slots(launch.replica)}")
    command = Command(program=("llama-server",), settings=settings_of(launch.replica, file))
    in_container = "inside the container the file lies under /models: MODEL=/models/FILE.gguf docker compose up -d"
    return (
        LaunchFile(path="serve.sh", kind="shell", content=command, executable=True, header=header),
        LaunchFile(
            path="compose.yaml", kind="yaml", content=_compose(container(launch)), header=(*header, in_container)
        ),
    )


def container(launch: Launch, node: Node = "head") -> Container:
    """The server in its own image; the file lies in the cache."""
    _demand_one_machine(launch.replica)
    file = _file(launch)
    return Container(
        image=image_of(launch, IMAGE),
        entrypoint=("/app/llama-server",),
        image_entrypoint=("/app/llama-server",),
        settings=settings_of(launch.replica, file),
        model_name=launch.replica.model.id,
        weights=file,
        gpus=launch.replica.parallel.gpus,
        port=PORT,
        secrets=(),
        metrics=METRICS,
        **resources_of(launch),
    )


def _compose(found: Container) -> dict[str, Any]:
    """The user's folder of GGUF files in the place of the cache."""
    content = compose.service(found)
    folder = f"${{MODEL_DIR:?set MODEL_DIR to the folder of the file}}:{CACHE_PATH}:ro"
    content["services"]["llm"]["volumes"] = [folder]
    del content["volumes"]
    return content


def compose_only(launch: Launch) -> tuple[LaunchFile, ...]:
    """The Compose file alone."""
    return emit(launch)[1:]


def settings_of(replica: Replica, file: Word) -> tuple[Setting, ...]:
    """The options of `llama-server`."""
    settings = replica.settings
    kv_type = KV_TYPES.get(replica.kv.id)
    if kv_type is None:
        raise UsageError(
            f"llama.cpp has no KV cache type for {replica.kv.id!r}", hints=["llmplan recommend ... --kv-cache fp16"]
        )
    found: dict[str, Value] = {
        "-m": file,
        "-a": replica.model.id,
        "--host": "0.0.0.0",
        "--port": PORT,
        "-ngl": _gpu_layers(replica),
        **_expert_layers(replica),
        **({"-sm": "layer"} if replica.parallel.gpus > 1 else {}),
        "-c": _context(replica),
        "-np": settings.max_num_seqs,
        "-b": settings.max_num_batched_tokens,
        "-fa": "on",
        "-ctk": kv_type,
        "-ctv": kv_type,
        "--fit": "off",
        **({} if settings.prefix_caching else {"--no-cache-prompt": True}),
        "--metrics": True,
    }
    return tuple(Setting(name=name, value=value) for name, value in found.items())


def _expert_layers(replica: Replica) -> dict[str, Value]:
    """The first layers whose experts stay on the CPU."""
    offload = replica.offload
    if offload is None or offload.kind != "experts":
        return {}
    return {"--n-cpu-moe": offload.host_layers}


def _gpu_layers(replica: Replica) -> str:
    """llama.cpp counts the output matrix as one layer more, the first to go to the GPU, where the plan has it too."""
    offload = replica.offload
    if offload is None or offload.kind == "experts":
        return "all"
    if offload.kind != "layers":
        raise UsageError(
            f"llama.cpp does not stream {offload.kind} from host memory, as this plan does",
            hints=["llmplan emit-config PLAN --target vllm"],
        )
    return str(replica.model.layer_count - offload.host_layers + 1)


def _context(replica: Replica) -> int:
    return replica.settings.max_model_len * replica.settings.max_num_seqs


def _slots(replica: Replica) -> str:
    settings = replica.settings
    return f"{settings.max_num_seqs} slot{'s' * (settings.max_num_seqs != 1)} of {settings.max_model_len} tokens"


def _file(launch: Launch) -> Word:
    """llama.cpp reads GGUF files, which the model's own repository does not hold: the user names the file."""
    replica = launch.replica
    if launch.variant.checkpoint is not None:
        return launch.variant.checkpoint
    kind = replica.weights.id.removeprefix("gguf-").upper()
    return Env(name="MODEL", message=plain(f"set MODEL to a GGUF file ({kind}) of {replica.model.id}"))


def _demand_one_machine(replica: Replica) -> None:
    if replica.spans_nodes or replica.parallel.dp > 1:
        raise UsageError("one llama-server runs on one machine and has no data-parallel groups, as this plan has")
    if replica.tenancy is not None and replica.tenancy.adapters:
        raise UsageError(
            "llama-server serves no LoRA adapter per request, as this plan does",
            hints=["llmplan emit-config PLAN --target vllm"],
        )

"""The planned settings of a replica as `llama-server` options. Reference: llama-server --help, build 11434."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmplan.emit import reasons
from llmplan.emit.drafts import planned_drafts
from llmplan.emit.launch_file import Env, Setting, Value, Word, plain
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError
from llmplan.plan.deployment import MICRO_BATCH_TOKENS, Offload, Replica
from llmplan.plan.expert_layers import routed_among_first, routed_layers
from llmplan.units import MIB, format_bytes

PORT = 8080
KV_TYPES: Mapping[str, str] = {"fp16": "f16", "bf16": "bf16", "gguf-q8_0": "q8_0", "gguf-q4_0": "q4_0"}
CACHE_MIB = 8192
"""of host memory that the server takes for finished prompts (--cache-ram)"""
OPTIONS: tuple[str, ...] = (
    "-m", "-a", "--host", "--port", "-ngl", "--n-cpu-moe", "--cpu-moe", "-sm", "-c", "-np", "--no-kv-unified", "-b",
    "-ub", "-fa", "-ctk", "-ctv", "--fit", "--load-mode", "-t", "--no-cache-prompt", "--cache-ram",
    "--spec-type", "--spec-draft-n-max", "--spec-ngram-simple-size-m", "--metrics",
)  # fmt: skip
"""Every option that may be written."""
DEFAULTS: Mapping[str, str] = {
    "--host": "127.0.0.1", "--port": "8080", "-ngl": "auto", "-sm": "layer", "-b": "2048",
    "-ub": str(MICRO_BATCH_TOKENS), "-fa": "auto", "-ctk": "f16", "-ctv": "f16", "--fit": "on", "--load-mode": "auto",
    "-np": "-1", "-t": "-1", "--cache-ram": str(CACHE_MIB), "--spec-type": "none", "--metrics": "off",
}  # fmt: skip
"""what the server does without an option"""
COPY_COST = "first tokens came 67 ms later (8B model, 640 tokens, H200, measured 2026-11-26)"
"""of saving a finished request: docs/accuracy.md, An NVIDIA GPU, 123 ms against 56 ms"""


def settings_of(launch: Launch) -> tuple[Setting, ...]:
    """The options, in the order in which they are written."""
    return (
        *_names(launch),
        *_placement(launch),
        *_slots(launch),
        *_cache(launch),
        *_speculation(launch),
        _set("--metrics", True, "autoscalers and `llmplan observe` read /metrics"),
    )


def context_tokens(replica: Replica) -> int:
    """Cells of the whole cache: every slot has its own context."""
    return replica.settings.max_model_len * replica.settings.max_num_seqs


def prompt_cache_bytes(launch: Launch) -> int:
    """Host memory for the prompts of finished requests [bytes]: none where the plan expects no prompt twice, else the
    server's own default, within half of what the replica's share of the host has beside its weights."""
    replica, budget = launch.replica, launch.memory
    if not (launch.question.workload.prefix_share and replica.settings.prefix_caching):
        return 0
    share = min(1.0, replica.parallel.gpus / max(1, replica.host.gpus))
    left = share * replica.host.memory_bytes - (budget.host_bytes if budget else 0)
    return max(0, min(CACHE_MIB, int(left / 2) // MIB)) * MIB


def gguf_file(launch: Launch) -> Word:
    """llama.cpp reads GGUF files, which the model's own repository does not hold: the user names the file."""
    replica, named = launch.replica, launch.variant.checkpoint
    if named is not None:
        if named.startswith("-"):
            raise UsageError(f"a file cannot be named {named!r}: the server would read it as an option")
        return named
    kind = replica.weights.id.removeprefix("gguf-").upper()
    return Env(name="MODEL", message=plain(f"set MODEL to a GGUF file ({kind}) of {replica.model.id}"))


def _set(name: str, value: Value, why: str) -> Setting:
    if name not in OPTIONS:
        raise ValueError(f"{name} is not in the table")
    return Setting(name=name, value=value, why=why, default=DEFAULTS.get(name))


def _names(launch: Launch) -> Iterator[Setting]:
    model = launch.replica.model.id
    if model.startswith("-"):
        raise UsageError(f"a model cannot be named {model!r}: the server would read it as an option")
    yield _set("-m", gguf_file(launch), f"a GGUF file in {launch.replica.weights.id}, as planned")
    yield _set("-a", model, reasons.served_name(launch))
    yield _set("--host", "0.0.0.0", "every interface of the machine: the default is reached from it alone")
    yield _set("--port", PORT, "where it answers")


def _placement(launch: Launch) -> Iterator[Setting]:
    """Layers on GPUs and on the host, and what the host needs to compute its own."""
    replica, budget = launch.replica, launch.memory
    offload = replica.offload
    size = f": {format_bytes(budget.weights_bytes)} of weights on each GPU" if budget else ""
    yield _set("-ngl", _gpu_layers(replica, offload), f"layers on the GPU{size}")
    if offload is not None and offload.kind == "experts":
        yield _experts(replica, offload)
    if replica.parallel.gpus > 1:
        yield _set("-sm", "layer", f"layers are shared out to {replica.parallel.gpus} GPUs")
    yield _set("--fit", "off", "the plan has fitted it: nothing is changed silently")
    if offload is not None:
        host = format_bytes(budget.host_bytes) if budget else "what is there"
        yield _set("--load-mode", "mmap+mlock", f"host memory keeps {host} of weights and never swaps them")
        yield _set("-t", replica.host.cpu_cores, f"cores of the planned share of {replica.host.id}")


def _gpu_layers(replica: Replica, offload: Offload | None) -> str:
    """llama.cpp counts the output matrix as one layer more, the first to go to the GPU, where the plan has it too."""
    if offload is None or offload.kind == "experts":
        return "all"
    if offload.kind != "layers":
        raise UsageError(
            f"llama.cpp does not stream {offload.kind} from host memory, as this plan does",
            hints=["llmplan emit-config PLAN --target vllm"],
        )
    return str(replica.model.layer_count - offload.host_layers + 1)


def _experts(replica: Replica, offload: Offload) -> Setting:
    """The first layers whose experts stay on the CPU."""
    model = replica.model
    if routed_among_first(model, offload.host_layers) == routed_layers(model):
        return _set("--cpu-moe", True, "the experts of every layer stay in host memory and are computed there")
    why = f"the experts of so many of {model.layer_count} layers stay in host memory and are computed there"
    return _set("--n-cpu-moe", offload.host_layers, why)


def _slots(launch: Launch) -> Iterator[Setting]:
    replica = launch.replica
    settings = replica.settings
    slots, length = settings.max_num_seqs, settings.max_model_len
    yield _set("-c", context_tokens(replica), f"{slots} x {length}: {reasons.context(launch)}")
    yield _set("-np", slots, "requests that run at once, each in a slot of its own")
    yield _set("--no-kv-unified", True, f"each slot has its {length} tokens, whatever the others take")
    yield _set("-b", settings.max_num_batched_tokens, reasons.step_tokens(launch))
    yield _set("-ub", replica.pass_tokens, "tokens of one pass over the weights")


def _cache(launch: Launch) -> Iterator[Setting]:
    replica = launch.replica
    kv_type = KV_TYPES.get(replica.kv.id)
    if kv_type is None:
        raise UsageError(
            f"llama.cpp has no KV cache type for {replica.kv.id!r}", hints=["llmplan recommend ... --kv-cache fp16"]
        )
    yield _set("-fa", "on", "flash attention: the memory was planned with it, and quantized caches need it")
    yield _set("-ctk", kv_type, reasons.kv_format(launch))
    yield _set("-ctv", kv_type, reasons.kv_format(launch))
    if not replica.settings.prefix_caching:
        yield _set("--no-cache-prompt", True, reasons.prefix_caching(launch))
    yield _prompt_cache(launch)


def _prompt_cache(launch: Launch) -> Setting:
    """Copies of finished requests in host memory."""
    kept_bytes = prompt_cache_bytes(launch)
    if kept_bytes:
        why = f"MiB of host memory for finished prompts: {reasons.prefix_caching(launch)}"
    elif launch.question.workload.prefix_share and launch.replica.settings.prefix_caching:
        why = f"{launch.replica.host.id} has no host memory left to keep finished prompts in"
    else:
        why = f"no prompt is expected twice, and with finished ones copied to host memory {COPY_COST}"
    return _set("--cache-ram", kept_bytes // MIB, why)


def _speculation(launch: Launch) -> Iterator[Setting]:
    planned = planned_drafts(launch)
    if planned is None:
        return
    if planned.drafter == "model":
        raise UsageError(
            "llama-server drafts with a GGUF file, which this plan does not name",
            hints=["llmplan emit-config PLAN --target vllm"],
        )
    own = planned.drafter == "mtp"
    yield _set("--spec-type", "draft-mtp" if own else "ngram-simple", reasons.speculation(launch))
    length = "--spec-draft-n-max" if own else "--spec-ngram-simple-size-m"
    yield _set(length, planned.tokens, "tokens drafted in each step")

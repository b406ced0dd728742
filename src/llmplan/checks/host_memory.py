"""Rules on what lives in host memory: streamed weights, layers on the CPU, spilled KV blocks."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, error, warning
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.units import GIB

READING_TOKENS_PER_S = 5.0
"""slower than this, an answer takes longer to come than to read"""


def streamed_weights_are_slow(replica: Replica) -> Finding | None:
    """Weights in host memory cross PCIe at every step."""
    if replica.offload is None or replica.offload.kind != "weights":
        return None
    if not replica.engine.host_weights:
        return error(f"{replica.engine.ref} keeps no weights in host memory.", "--engine vllm or llama-cpp")
    gib = replica.offload.host_weight_bytes / GIB
    return warning(
        f"{gib:.1f} GiB of weights cross PCIe at every step (measured elsewhere: 2434 to 120 tokens/s); "
        "never worth it where the weights fit.",
        "more GPUs (--tp), or a smaller --weights format",
    )


def offload_groups_are_whole(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """Prefetched layers are a part of their group; and weights that fit need not leave the GPU."""
    size, number = facts.offload_group_size, facts.offload_num_in_group
    if size and number is not None and number > size:
        return error(
            f"offload_num_in_group ({number}) must be <= offload_group_size ({size})", f"--offload-num-in-group {size}"
        )
    if size and replica.offload is not None and replica.offload.kind == "weights":
        return warning(
            "Both --cpu-offload-gb and --offload-group-size are set: prefetching wins and --cpu-offload-gb is ignored.",
            "leave one of them out",
        )
    if facts.weights_fit and replica.offload is not None and replica.offload.kind == "weights":
        return warning(
            "The weights fit on the GPU and yet cross PCIe at every step (measured elsewhere: 2434 to 120 tokens/s).",
            "leave --cpu-offload-gb out",
        )
    return streamed_weights_are_slow(replica)


def host_layers_are_known(replica: Replica) -> Finding | None:
    """Few engines compute layers on the CPU or spill the cache."""
    offload = replica.offload
    if offload is None or offload.kind == "weights":
        return None
    if offload.kind in ("layers", "experts") and not replica.engine.host_layers:
        return error(f"{replica.engine.ref} runs no layers on the CPU.", "--engine llama-cpp")
    if offload.kind == "layers" and offload.host_layers > replica.model.layer_count:
        return error(
            f"{offload.host_layers} layers on the CPU: the model has {replica.model.layer_count}.",
            f"at most {replica.model.layer_count} layers",
        )
    if offload.kind == "kv" and not replica.engine.host_kv:
        return error(f"{replica.engine.ref} keeps no KV blocks in host memory.", "--engine vllm")
    return None


def layers_on_the_cpu_are_read_slowly(replica: Replica) -> Finding | None:
    """One token reads its weights from GPU memory and from host memory, one after the other."""
    offload = replica.offload
    if offload is None or offload.kind not in ("layers", "experts") or not replica.model.layer_count:
        return None
    on_host = min(1.0, offload.host_layers / replica.model.layer_count)
    read_bytes = replica.model.active_parameters * replica.weights.bits / 8
    on_gpu = read_bytes * (1 - on_host) / replica.gpu.memory_bandwidth_bytes_per_s
    tokens_per_s = 1 / (on_gpu + read_bytes * on_host / replica.host.memory_bandwidth_bytes_per_s)
    if tokens_per_s >= READING_TOKENS_PER_S:
        return None
    return warning(
        f"At most {tokens_per_s:.2g} tokens/s for one request: {on_host:.0%} of the {read_bytes / GIB:.1f} GiB of "
        f"weights that a token reads are read at {replica.host.memory_bandwidth_bytes_per_s / 1e9:.0f} GB/s.",
        "fewer layers on the CPU, more GPUs, or a smaller --weights format",
    )


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-O1", engines=(), severities=("error", "warning"), find=streamed_weights_are_slow,
        find_in_launch=offload_groups_are_whole,
        title="Weights in host memory cross PCIe at every step: never where they fit on the GPU.",
        says="offload_num_in_group ({n}) must be <= offload_group_size ({size})",
        source="vLLM 0.33.0 vllm/config/offload.py:22-125; vllm-project/vllm#57771",
        basis=("code", "issue", "measured"),
    ),
    Rule(
        id="O-1", engines=(), severities=("error",), find=host_layers_are_known,
        title="The engine computes layers on the CPU, or spills its cache to host memory, at all.", says="",
        source="the engine's profile, host_layers and host_kv", basis=("profile",),
    ),
    Rule(
        id="L-2", engines=("llama-cpp",), severities=("warning",), find=layers_on_the_cpu_are_read_slowly,
        title="Weights in host memory are read at the speed of host memory for every token.", says="",
        source="1 / (bytes on GPU / its bandwidth + bytes in RAM / its bandwidth); ggml-org/llama.cpp#14067",
        basis=("derived", "issue"),
    ),
)  # fmt: skip

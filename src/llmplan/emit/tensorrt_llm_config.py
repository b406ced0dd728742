"""The planned settings of a replica as keys of TensorRT-LLM's configuration file, every one written out.

Keys are those of the PyTorch backend's arguments, which refuse any other. Command-line names that mean the same are
left to the file, so that one place holds the settings. Reference: TensorRT-LLM llmapi/llm_args.py (TorchLlmArgs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmplan.emit import defaults, reasons
from llmplan.emit.drafts import planned_drafts
from llmplan.emit.fractions import memory_share
from llmplan.emit.launch_file import Path, Setting, Value
from llmplan.emit.selection import Launch
from llmplan.emit.weights import dtype_name
from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica

CONFIG_KEYS: Mapping[str, tuple[str, ...]] = {
    "": (
        "backend", "dtype", "tensor_parallel_size", "pipeline_parallel_size", "moe_expert_parallel_size",
        "enable_attention_dp", "gpus_per_node", "max_batch_size", "max_num_tokens", "max_seq_len",
        "enable_chunked_prefill", "kv_cache_config", "cuda_graph_config", "enable_lora", "lora_config",
        "speculative_config", "enable_iter_perf_stats", "return_perf_metrics",
    ),
    "kv_cache_config": (
        "dtype", "free_gpu_memory_fraction", "max_gpu_total_bytes", "enable_block_reuse",
        "tokens_per_block", "host_cache_size",
    ),
    "cuda_graph_config": ("max_batch_size", "enable_padding"),
    "lora_config": ("max_lora_rank", "max_loras", "max_cpu_loras"),
    "speculative_config": ("decoding_type", "max_draft_len", "num_nextn_predict_layers"),
}  # fmt: skip
"""Every key that may be written, by section."""
KV_DTYPES: Mapping[str, str] = {"fp8": "fp8"}
DEFAULTS: Mapping[str, str] = {
    "backend": "pytorch", "dtype": "auto", "tensor_parallel_size": "1", "pipeline_parallel_size": "1",
    "enable_attention_dp": "off", "enable_chunked_prefill": "off", "enable_lora": "off",
    "kv_cache_config.dtype": "auto", "kv_cache_config.enable_block_reuse": "on",
    "kv_cache_config.max_gpu_total_bytes": "0", "cuda_graph_config.enable_padding": "off",
}  # fmt: skip
"""what the engine does without a key, where that is the same for every plan: llm_args.py"""


def settings_of(launch: Launch) -> tuple[Setting, ...]:
    """Keys with the section before a dot, in the order in which they are written."""
    return (*_model(launch), *_limits(launch), *_kv_cache(launch), *_graphs(launch), *_lora(launch), *_rest(launch))


def config(settings: Sequence[Setting]) -> dict[str, Any]:
    """The file. Without CUDA graphs their section is null, which turns them off."""
    found: dict[str, Any] = {}
    for setting in settings:
        section, dot, key = setting.name.rpartition(".")
        (found.setdefault(section, {}) if dot else found)[key] = setting.value
    return found if "cuda_graph_config" in found else {**found, "cuda_graph_config": None}


def comments(settings: Sequence[Setting], launch: Launch) -> dict[Path, str]:
    """Why, above each key that is not what the engine would do by itself."""
    stated = (setting for setting in settings if setting.why and not setting.is_default)
    found: dict[Path, str] = {tuple(setting.name.split(".")): setting.why for setting in stated}
    return found | ({("cuda_graph_config",): reasons.eager(launch)} if launch.replica.settings.enforce_eager else {})


def _set(key: str, value: Value, why: str, default: str | None = None) -> Setting:
    section, _, name = key.rpartition(".")
    if name not in CONFIG_KEYS[section]:
        raise ValueError(f"{key} is not in the table")
    return Setting(name=key, value=value, why=why, default=DEFAULTS.get(key) if default is None else default)


def _model(launch: Launch) -> Iterator[Setting]:
    """With data-parallel attention every rank holds whole attention weights: only TP 1 groups can be said so."""
    replica = launch.replica
    parallel = replica.parallel
    if parallel.dp > 1 and parallel.tp > 1:
        raise UsageError(
            f"TensorRT-LLM's attention data parallelism has groups of one GPU, the plan has TP{parallel.tp}",
            hints=["llmplan recommend ... --engine tensorrt-llm"],
        )
    yield _set("backend", "pytorch", "the backend that runs checkpoints as they are")
    yield _set("dtype", dtype_name(replica), reasons.number_format(launch))
    yield _set("tensor_parallel_size", parallel.tp * parallel.dp, reasons.tensor_parallel(launch))
    yield _set("pipeline_parallel_size", parallel.pp, reasons.pipeline_parallel(launch))
    if parallel.ep:
        yield _set("moe_expert_parallel_size", parallel.tp * parallel.dp, reasons.expert_parallel(launch))
    if parallel.dp > 1:
        yield _set("enable_attention_dp", True, reasons.data_parallel(launch))
    if launch.nodes > 1:
        yield _set("gpus_per_node", replica.host.gpus, f"{parallel.gpus} GPUs on {launch.nodes} machines")


def _limits(launch: Launch) -> Iterator[Setting]:
    settings = launch.replica.settings
    yield _set("max_batch_size", settings.max_num_seqs, reasons.sequences(launch), defaults.sequences(launch))
    tokens = settings.max_num_batched_tokens
    yield _set("max_num_tokens", tokens, reasons.step_tokens(launch), defaults.step_tokens(launch))
    yield _set("max_seq_len", settings.max_model_len, reasons.context(launch), defaults.context(launch))
    yield _set("enable_chunked_prefill", True, "prompts longer than a step are computed in parts")


def _kv_cache(launch: Launch) -> Iterator[Setting]:
    replica, section = launch.replica, "kv_cache_config"
    settings = replica.settings
    yield _set(f"{section}.dtype", _kv_dtype(replica), reasons.kv_format(launch))
    share = memory_share(launch, "fraction_of_free", "TensorRT-LLM's free_gpu_memory_fraction")
    why = f"of what is free after loading: {reasons.memory_share(launch)}"
    yield _set(f"{section}.free_gpu_memory_fraction", share, why, defaults.memory_share(launch))
    if settings.kv_cache_memory_bytes is not None:
        yield _set(f"{section}.max_gpu_total_bytes", settings.kv_cache_memory_bytes, reasons.pool(launch))
    yield _set(f"{section}.enable_block_reuse", settings.prefix_caching, reasons.prefix_caching(launch))
    if launch.same_engine:
        why = reasons.block(launch)
        yield _set(f"{section}.tokens_per_block", settings.block_tokens, why, defaults.block(launch))
    if replica.offload is not None:
        if replica.offload.kind != "kv":
            raise UsageError(
                "TensorRT-LLM keeps no weights in host memory, as this plan does",
                hints=["llmplan emit-config PLAN --target vllm", "llmplan emit-config PLAN --target llama-cpp"],
            )
        each = replica.offload.host_kv_bytes // replica.parallel.gpus
        yield _set(f"{section}.host_cache_size", each, f"bytes for each rank: {reasons.host_cache(launch)}")


def _kv_dtype(replica: Replica) -> str:
    known = KV_DTYPES.get(replica.kv.id)
    if known is None and replica.kv.bytes_per_element != 2:
        raise UsageError(
            f"TensorRT-LLM has no KV cache format {replica.kv.id!r}", hints=["llmplan recommend ... --kv-cache fp8"]
        )
    return known or dtype_name(replica)


def _graphs(launch: Launch) -> Iterator[Setting]:
    settings = launch.replica.settings
    if not settings.enforce_eager:
        why = "graphs for every batch up to the most requests that run at once"
        yield _set("cuda_graph_config.max_batch_size", settings.max_num_seqs, why)
        yield _set("cuda_graph_config.enable_padding", True, "a batch between two captured sizes uses the larger")


def _lora(launch: Launch) -> Iterator[Setting]:
    replica = launch.replica
    tenancy = replica.tenancy
    if tenancy is None or tenancy.adapters == 0:
        return
    yield _set("enable_lora", True, reasons.adapters(launch))
    yield _set("lora_config.max_lora_rank", tenancy.lora_rank, "of the planned adapters")
    yield _set("lora_config.max_loras", replica.resident_adapters, reasons.resident_adapters(launch))
    yield _set("lora_config.max_cpu_loras", tenancy.adapters, reasons.host_adapters(launch))


def _rest(launch: Launch) -> Iterator[Setting]:
    planned, section = planned_drafts(launch), "speculative_config"
    if planned is not None and planned.drafter == "model":
        raise UsageError(
            "TensorRT-LLM names a drafting model differently in each release: none is emitted for it",
            hints=["llmplan emit-config PLAN --target vllm"],
        )
    if planned is not None:
        own = planned.drafter == "mtp"
        yield _set(f"{section}.decoding_type", "MTP" if own else "NGram", reasons.speculation(launch))
        length = "num_nextn_predict_layers" if own else "max_draft_len"
        yield _set(f"{section}.{length}", planned.tokens, "tokens drafted in each step")
    yield _set("enable_iter_perf_stats", True, "/metrics tells what each step did: `llmplan observe` reads it")
    yield _set("return_perf_metrics", True, "/prometheus/metrics has times of requests")

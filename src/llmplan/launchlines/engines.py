"""What the options of each engine mean: one table per engine, from its own names to this project's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmplan.launchlines import values
from llmplan.launchlines.meaning import (
    Meaning,
    Reader,
    fixed,
    named,
    pool_bytes,
    put,
    real,
    speculation,
    switch,
    text,
    unknown,
    whole,
)
from llmplan.launchlines.options import Given

_UNCOUNTED_KV = "memory is computed for the default type of the cache"
VLLM_KV = {
    "fp8": "fp8", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "bfloat16": "bf16", "float16": "fp16",
    "fp8_ds_mla": "fp8-ds-mla", "int8_per_token_head": "int8", "fp8_per_token_head": "fp8",
}  # fmt: skip
SGLANG_KV = {"fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "bf16": "bf16", "bfloat16": "bf16"}
TENSORRT_LLM_KV = {"fp8": "fp8", "bfloat16": "bf16", "float16": "fp16", "fp8_ds_mla": "fp8-ds-mla"}
LLAMA_KV = {"f16": "fp16", "bf16": "bf16", "q8_0": "gguf-q8_0", "q4_0": "gguf-q4_0"}
DTYPES = {"half": "fp16", "float16": "fp16", "bfloat16": "bf16", "float": "fp32", "float32": "fp32"}
ONLINE = {
    "fp8": "fp8", "fp8_per_tensor": "fp8", "fp8_per_channel": "fp8", "fp8_per_block": "fp8-block",
    "int8_per_channel_weight_only": "w8a16", "w8a8_int8": "int8", "w8a8_fp8": "fp8",
}  # fmt: skip
"""methods that convert 16-bit weights while loading, and the format that they make"""


def _both(*readers: Reader) -> Reader:
    def read(meaning: Meaning, given: Given) -> None:
        for reader in readers:
            reader(meaning, given)

    return read


def _dtype(meaning: Meaning, given: Given) -> None:
    meaning.dtype = DTYPES.get(given.value or "")


def _quantization(meaning: Meaning, given: Given) -> None:
    if given.value is None:
        unknown(meaning, given)
        return
    meaning.facts["quantization"] = given.value
    meaning.weights = ONLINE.get(given.value)


def _context(meaning: Meaning, given: Given) -> None:
    value = given.value
    if value is None:
        unknown(meaning, given)
    elif value.strip().lower() in ("auto", "-1"):
        meaning.unread.append(f"{given.name} {value}: the engine takes what fits; computed for the model's own context")
    elif tokens := values.count(value):
        put(meaning, "max_model_len", tokens)


def _speculative_config(meaning: Meaning, given: Given) -> None:
    settings = values.json_value(given.value) if given.value is not None else None
    if isinstance(settings, dict):
        speculation(meaning, settings)
    elif given.value is None:
        unknown(meaning, given)


def _adapters(meaning: Meaning, given: Given) -> None:
    """`name=path`, or JSON with both."""
    for value in given.values:
        stated = values.json_value(value) if value.startswith("{") else None
        if isinstance(stated, dict):
            name, path = stated.get("name") or stated.get("lora_name"), stated.get("path") or stated.get("lora_path")
        else:
            name, equals, path = value.partition("=")
            path = path if equals else name
        if isinstance(name, str) and isinstance(path, str):
            meaning.adapters.append((name, path))
    meaning.facts["lora"] = True


def _list(target: str) -> Reader:
    def read(meaning: Meaning, given: Given) -> None:
        put(meaning, target, given.values)

    return read


def _model(meaning: Meaning, given: Given) -> None:
    meaning.model = given.value


def _draft_model(meaning: Meaning, given: Given) -> None:
    meaning.draft_model = given.value


def _chunk(meaning: Meaning, given: Given) -> None:
    """SGLang: the tokens of a step of prefill; -1 turns chunks off."""
    tokens = values.integer(given.value) if given.value is not None else None
    if tokens is not None and tokens > 0:
        put(meaning, "max_num_batched_tokens", tokens)
    elif tokens is not None:
        meaning.facts["chunked_prefill"] = False


def _gpu_layers(meaning: Meaning, given: Given) -> None:
    layers = values.integer(given.value) if given.value is not None else None
    if layers is not None and layers >= 0:
        meaning.gpu_layers = layers


def _cpu_experts(meaning: Meaning, given: Given) -> None:
    meaning.cpu_expert_layers = values.integer(given.value) if given.value is not None else None


def _all_cpu_experts(meaning: Meaning, given: Given) -> None:
    meaning.cpu_expert_layers = 10_000


VLLM: Mapping[str, Reader] = {
    "--model": _model, "--tensor-parallel-size": whole("tp"), "--pipeline-parallel-size": whole("pp"),
    "--data-parallel-size": whole("dp"), "--enable-expert-parallel": switch("ep"),
    "--data-parallel-size-local": whole("facts.data_parallel_local"),
    "--data-parallel-rank": fixed("facts.data_parallel_local", 1),
    "--data-parallel-backend": text("facts.data_parallel_backend"),
    "--decode-context-parallel-size": whole("dcp"), "--max-model-len": _context,
    "--max-num-seqs": whole("max_num_seqs"),
    "--max-num-batched-tokens": whole("max_num_batched_tokens"),
    "--gpu-memory-utilization": real("gpu_memory_utilization"), "--kv-cache-memory-bytes": pool_bytes,
    "--block-size": whole("block_size"), "--enforce-eager": switch("enforce_eager"),
    "--kv-cache-dtype": _both(text("facts.kv_dtype"), named("kv_cache", VLLM_KV, _UNCOUNTED_KV)),
    "--dtype": _dtype, "--quantization": _quantization, "--cpu-offload-gb": real("cpu_offload_gb"),
    "--offload-group-size": whole("facts.offload_group_size"),
    "--offload-num-in-group": whole("facts.offload_num_in_group"),
    "--enable-chunked-prefill": switch("facts.chunked_prefill"), "--attention-backend": text("facts.attention_backend"),
    "--moe-backend": text("facts.moe_backend"), "--enable-eplb": switch("facts.eplb"), "--nnodes": whole("facts.nodes"),
    "--distributed-executor-backend": text("facts.executor_backend"), "--master-addr": text("facts.master_address"),
    "--enable-lora": switch("facts.lora"), "--max-loras": whole("facts.max_loras"),
    "--max-cpu-loras": whole("facts.max_cpu_loras"), "--max-lora-rank": whole("facts.max_lora_rank"),
    "--lora-modules": _adapters, "--speculative-config": _speculative_config,
    "--spec-method": text("facts.speculative_method"), "--spec-tokens": whole("facts.speculative_tokens"),
    "--spec-model": _draft_model,
}  # fmt: skip
SGLANG: Mapping[str, Reader] = {
    "--model-path": _model, "--tp-size": whole("tp"), "--pp-size": whole("pp"), "--dp-size": whole("dp"),
    "--ep-size": whole("ep_ranks"), "--enable-dp-attention": fixed("dp_attention", True),
    "--context-length": _context, "--max-running-requests": whole("max_num_seqs"), "--chunked-prefill-size": _chunk,
    "--mem-fraction-static": real("gpu_memory_utilization"), "--page-size": whole("block_size"),
    "--kv-cache-dtype": _both(text("facts.kv_dtype"), named("kv_cache", SGLANG_KV, _UNCOUNTED_KV)),
    "--dtype": _dtype, "--quantization": _quantization, "--attention-backend": text("facts.attention_backend"),
    "--prefill-attention-backend": text("facts.attention_backend"), "--disable-cuda-graph": switch("enforce_eager"),
    "--cuda-graph-max-bs-decode": whole("facts.cuda_graph_seqs"), "--nnodes": whole("facts.nodes"),
    "--dist-init-addr": text("facts.master_address"), "--enable-lora": switch("facts.lora"), "--lora-paths": _adapters,
    "--max-lora-rank": whole("facts.max_lora_rank"), "--max-loras-per-batch": whole("facts.max_loras"),
    "--max-loaded-loras": whole("facts.max_loaded_loras"), "--lora-target-modules": _list("facts.lora_target_modules"),
    "--speculative-algorithm": text("facts.speculative_method"), "--speculative-draft-model-path": _draft_model,
    "--speculative-num-draft-tokens": whole("facts.speculative_tokens"),
}  # fmt: skip
TENSORRT_LLM: Mapping[str, Reader] = {
    "--tensor_parallel_size": whole("tp"), "--pipeline_parallel_size": whole("pp"),
    "--moe_expert_parallel_size": whole("ep_ranks"), "--enable_attention_dp": fixed("attention_dp", True),
    "--max_batch_size": whole("max_num_seqs"), "--max_num_tokens": whole("max_num_batched_tokens"),
    "--max_seq_len": _context, "--free_gpu_memory_fraction": real("gpu_memory_utilization"),
    "--kv_cache_dtype": _both(text("facts.kv_dtype"), named("kv_cache", TENSORRT_LLM_KV, _UNCOUNTED_KV)),
    "--enable_chunked_prefill": switch("facts.chunked_prefill"), "--gpus_per_node": whole("facts.gpus_per_node"),
}  # fmt: skip
LLAMA_CPP: Mapping[str, Reader] = {
    "-m": _model, "-hf": _model, "-c": whole("facts.asked_context_tokens"), "-np": whole("max_num_seqs"),
    "-b": whole("max_num_batched_tokens"), "-ub": whole("micro_batch"), "-ngl": _gpu_layers,
    "-ncmoe": _cpu_experts, "-cmoe": _all_cpu_experts, "-kvu": switch("facts.kv_unified"),
    "-ctk": named("kv_cache", LLAMA_KV, _UNCOUNTED_KV),
}  # fmt: skip
READERS: Mapping[str, Mapping[str, Reader]] = {
    "vllm": VLLM, "sglang": SGLANG, "tensorrt-llm": TENSORRT_LLM, "llama-cpp": LLAMA_CPP,
}  # fmt: skip
TENSORRT_LLM_KEYS: Mapping[str, str] = {
    "tensor_parallel_size": "--tensor_parallel_size", "pipeline_parallel_size": "--pipeline_parallel_size",
    "moe_expert_parallel_size": "--moe_expert_parallel_size", "enable_attention_dp": "--enable_attention_dp",
    "max_batch_size": "--max_batch_size", "max_num_tokens": "--max_num_tokens", "max_seq_len": "--max_seq_len",
    "enable_chunked_prefill": "--enable_chunked_prefill", "gpus_per_node": "--gpus_per_node",
    "kv_cache_config.free_gpu_memory_fraction": "--free_gpu_memory_fraction",
    "kv_cache_config.dtype": "--kv_cache_dtype",
}  # fmt: skip
"""keys of TensorRT-LLM's settings file that its command line has too"""


def given_by_keys(settings: Mapping[str, Any]) -> Sequence[Given]:
    """TensorRT-LLM's settings file as options of its command line."""
    flat = dict(settings)
    for outer, inner in settings.items():
        if isinstance(inner, dict):
            flat |= {f"{outer}.{key}": value for key, value in inner.items()}
    found = []
    for key, value in flat.items():
        name = TENSORRT_LLM_KEYS.get(key)
        if name is None or value is None or value is False or isinstance(value, dict | list):
            continue
        found.append(Given(name=name, values=() if value is True else (str(value),), spelled=name))
    return found

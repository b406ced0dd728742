"""Rules on number formats of weights and KV cache: what the engine runs, and what runs natively on the GPU."""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.checks.rule import GPU_SERVERS, Finding, Rule, advice, error, warning
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.spec.gpu import dotted

BUSY_SEQS = 128
_TOO_OLD = (
    "The quantization method {method} is not supported for the current GPU. Minimum capability: {min}. "
    "Current capability: {capability}."
)
ONLINE_METHODS = frozenset({
    "fp8", "online", "fp8_per_tensor", "fp8_per_block", "fp8_per_channel", "int8_per_channel_weight_only", "torchao",
    "nvfp4_per_token", "mxfp8", "experts_int8", "w8a8_int8", "w8a8_fp8", "nvfp4_online", "bitsandbytes",
})  # fmt: skip
"""methods that convert a 16-bit checkpoint while loading"""
METHOD_WORDS: Mapping[str, tuple[str, ...]] = {
    "awq-int4": ("awq", "inc", "moe-wna16", "compressed-tensors"),
    "gptq-int4": ("gptq", "inc", "moe-wna16", "compressed-tensors"),
    "gptq-int8": ("gptq", "inc", "moe-wna16", "compressed-tensors"),
    "w4a16": ("compressed-tensors", "inc"),
    "w8a16": ("compressed-tensors",),
    "int8": ("compressed-tensors", "quark", "modelopt", "w8a8-int8"),
    "fp8": ("fp8", "compressed-tensors", "modelopt", "quark", "fbgemm"),
    "fp8-block": ("fp8", "compressed-tensors", "modelopt"),
    "nvfp4": ("modelopt", "compressed-tensors", "nvfp4"),
    "mxfp4": ("mxfp4", "quark", "compressed-tensors"),
    "nf4": ("bitsandbytes",),
}
"""what the methods are called that read each published format; a word that any of their names has"""
PLUGINS = {"gguf": "vllm-gguf-plugin", "nf4": "vllm-bnb-plugin"}


def weights_are_accepted(replica: Replica) -> Finding | None:
    """The engine runs this weight format at all, and on this GPU."""
    formats = replica.engine.weight_formats
    wanted, capability = replica.weights, replica.gpu.compute_capability
    support = formats.get(wanted.id)
    if support is None:
        plugin = PLUGINS.get(wanted.family) if replica.engine.id == "vllm" else None
        if not formats or plugin is not None:
            return None
        return error(
            f"{replica.engine.ref} does not run weights in {wanted.id}.",
            f"--weights {' or '.join(sorted(formats)[:4])}",
        )
    if capability is None or support.runs_on(capability) or _is_missing_bfloat16(replica):
        return None
    ceiling = support.max_compute_capability
    most = f", maximum: {_number(ceiling)}" if ceiling else ""
    return error(
        f"The quantization method {wanted.id} is not supported for the current GPU. Minimum capability: "
        f"{_number(support.min_compute_capability)}{most}. Current capability: {_number(capability)}.",
        "a checkpoint in another format, or another GPU",
    )


def _is_missing_bfloat16(replica: Replica) -> bool:
    """Whether rule V-D1 says it already, in the engine's own words."""
    capability = replica.gpu.compute_capability
    old = capability is not None and capability < (8, 0)
    return old and replica.weights.id == "bf16" and replica.engine.id in ("vllm", "sglang")


def format_is_in_tree(replica: Replica) -> Finding | None:
    """GGUF and bitsandbytes left vLLM's own tree."""
    plugin = PLUGINS.get(replica.weights.family)
    if plugin is None or replica.weights.id in replica.engine.weight_formats:
        return None
    return error(
        f"Invalid quantization method: {replica.weights.id} needs {plugin}, which is not part of vLLM.",
        "--weights awq-int4" if replica.weights.family == "nf4" else "--engine llama-cpp",
    )


def fp8_is_native(replica: Replica) -> Finding | None:
    """Before Ada there is no FP8 arithmetic: the weights are expanded to 16 bit in the kernel."""
    capability = replica.gpu.compute_capability
    if replica.weights.family != "fp8" or capability is None:
        return None
    support = replica.engine.weight_formats.get(replica.weights.id)
    native = (support.native_from if support else None) or (8, 9)
    if capability >= native:
        return None
    return warning(
        "Your GPU does not have native support for FP8 computation but FP8 quantization is being used. Weight-only FP8 "
        f"compression will be used leveraging the Marlin kernel ({replica.gpu.name}: half the bytes, no FP8 speed).",
        "--weights int8 uses this GPU's own 8-bit arithmetic",
    )


def fp4_is_sure(replica: Replica) -> Finding | None:
    """Consumer Blackwell: FP4 kernels exist for some shapes only."""
    capability = replica.gpu.compute_capability
    if replica.weights.family != "fp4" or capability is None or capability[0] != 12:
        return None
    return warning(
        f"FP4 support on compute capability {dotted(capability)} is per kernel: dense models mostly run, MoE models "
        "may fall back to Marlin or stop with 'No NvFp4 MoE backend supports the deployment configuration'.",
        "try this model on one GPU before renting more, or --weights fp8",
    )


def kv_format_is_accepted(replica: Replica) -> Finding | None:
    """The engine stores the cache in this format on this GPU."""
    formats, capability = replica.engine.kv_formats, replica.gpu.compute_capability
    support = formats.get(replica.kv.id)
    if support is None:
        if not formats:
            return None
        return error(
            f"{replica.engine.ref} has no KV cache in {replica.kv.id}.", f"--kv-cache {' or '.join(sorted(formats))}"
        )
    if capability is None:
        return None
    if not support.runs_on(capability):
        if replica.kv.id == "bf16" and _is_missing_bfloat16(replica):
            return None
        return error(
            f"{replica.kv.id.upper()} KV cache is not supported on {replica.gpu.name} (compute capability "
            f"{dotted(capability)}): it requires {dotted(support.min_compute_capability)} or newer.",
            "--kv-cache auto",
        )
    if replica.engine.id == "vllm" and replica.kv.id == "fp8" and capability < (8, 9):
        return warning(
            f"FP8 KV cache on compute capability {dotted(capability)} runs through FlashInfer only (head sizes 64, "
            "128, 256, 512): the Triton attention backend refuses it.",
            "start once and look at the log, or --kv-cache auto",
        )
    return None


def four_bit_suits_load(replica: Replica) -> Finding | None:
    """Weight-only 4-bit saves bytes, not arithmetic: it loses once a batch is large enough to be compute-bound."""
    if not replica.weights.weight_only or replica.weights.bits > 4 or replica.settings.max_num_seqs < BUSY_SEQS:
        return None
    if replica.weights.family == "gguf":
        return None
    return advice(
        f"Weight-only {replica.weights.id} is fast at small batches and slower than 16 bit at large ones (measured: "
        f"half the decode speed at batch 256); this replica admits {replica.settings.max_num_seqs} sequences.",
        "--weights fp8 or int8 (W8A8) for busy replicas",
    )


def method_is_the_checkpoints(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """A quantized checkpoint brings its own method; a few others convert 16-bit weights while loading."""
    asked, stored = facts.quantization, facts.stored_format or replica.model.checkpoint_format
    if asked is None:
        return None
    if stored in ("bf16", "fp16", "fp32"):
        if asked in ONLINE_METHODS:
            return None
        return error(
            f"Cannot find the config file for {asked}: the checkpoint of {replica.model.id} is in {stored} and the "
            f"method {asked} does not convert it while loading.",
            "leave --quantization out, or name a checkpoint in that format",
        )
    method = asked.replace("_", "-")
    if any(word in method for word in METHOD_WORDS.get(stored, (method,))) or _is_marlin_of(method, stored):
        return None
    return error(
        f"Quantization method specified in the model config ({stored}) does not match the quantization method "
        f"specified in the `quantization` argument ({asked}).",
        "leave --quantization out: the checkpoint states its method",
    )


def _is_marlin_of(method: str, stored: str) -> bool:
    """`marlin` alone was GPTQ's kernel, and is no part of another method's name."""
    return method == "marlin" and stored.startswith("gptq")


def _number(capability: tuple[int, int]) -> int:
    return capability[0] * 10 + capability[1]


_CAPABILITIES = "vLLM 0.33.0 vllm/config/vllm.py:927-936, get_min_capability() of each quantization method"
RULES: tuple[Rule, ...] = (
    Rule(
        id="V-Q7", engines=("vllm",), severities=("error",), find=format_is_in_tree,
        title="GGUF and bitsandbytes are plugins of vLLM, no part of it.",
        says="Invalid quantization method: {method}", source="vllm-project/vllm#39583, #39612", basis=("code", "issue"),
    ),
    Rule(
        id="V-Q4", engines=("vllm",), severities=("error",), find=weights_are_accepted,
        title="vLLM runs the weight format, and on this GPU.", says=_TOO_OLD, source=_CAPABILITIES,
        basis=("code", "docs"),
    ),
    Rule(
        id="S-2", engines=("sglang",), severities=("error",), find=weights_are_accepted,
        title="SGLang runs the weight format, and on this GPU.", says=_TOO_OLD,
        source="SGLang 0.5.23 srt/layers/quantization, get_min_capability() of each method", basis=("code",),
    ),
    Rule(
        id="T-4", engines=("tensorrt-llm",), severities=("error",), find=weights_are_accepted,
        title="TensorRT-LLM runs the weight format, and on this GPU.", says=_TOO_OLD,
        source="TensorRT-LLM docs/source/features/quantization.md, Hardware Support Matrix", basis=("docs",),
    ),
    Rule(
        id="L-Q", engines=("llama-cpp",), severities=("error",), find=weights_are_accepted,
        title="llama.cpp runs what a GGUF file can hold.", says="error loading model: {format}",
        source="llama.cpp b11434 ggml/include/ggml.h, enum ggml_type: what a GGUF file holds", basis=("code",),
    ),
    Rule(
        id="V-Q5", engines=("vllm", "sglang"), gpus="below 8.9", severities=("warning",), find=fp8_is_native,
        title="FP8 weights run as FP8 from Ada on; before, they save bytes and no time.",
        says="Your GPU does not have native support for FP8 computation but FP8 quantization is being used. "
        "Weight-only FP8 compression will be used leveraging the Marlin kernel.",
        source="vLLM 0.33.0 quantization/utils/marlin_utils_fp8.py:97; vllm-project/vllm#5975",
        basis=("code", "issue"),
    ),
    Rule(
        id="V-Q6", engines=("vllm", "sglang"), gpus="12.x", severities=("warning",), find=fp4_is_sure,
        title="FP4 on consumer Blackwell differs from kernel to kernel.",
        says="No NvFp4 MoE backend supports the deployment configuration",
        source="vllm-project/vllm#35065, #47749, #31085; NVIDIA/TensorRT-LLM#5018", basis=("issue",),
    ),
    Rule(
        id="V-KV4", engines=(), severities=("error", "warning"), find=kv_format_is_accepted,
        title="The engine stores the KV cache in this format on this GPU.",
        says="FP8 KV cache is not supported by the Triton attention backend: requires SM89+",
        source="vLLM 0.33.0 v1/attention/backends/triton_attn.py:513-526, flashinfer.py:573; vllm-project/vllm#26431",
        basis=("code", "issue"),
    ),
    Rule(
        id="V-Q8", engines=GPU_SERVERS, severities=("advice",), find=four_bit_suits_load,
        title="Weight-only 4-bit is for small batches.", says="",
        source="casper-hansen/AutoAWQ#106; vllm-project/vllm#2268", basis=("issue", "measured"),
    ),
    Rule(
        id="V-Q9", engines=("vllm", "sglang"), severities=("error",), find_in_launch=method_is_the_checkpoints,
        title="--quantization is the checkpoint's own method, or one that converts 16-bit weights while loading.",
        says="Quantization method specified in the model config ({method}) does not match the quantization method "
        "specified in the `quantization` argument ({asked}).",
        source="vLLM 0.33.0 vllm/config/model.py:1455-1462; vllm-project/vllm#19050", basis=("code", "issue"),
    ),
)  # fmt: skip

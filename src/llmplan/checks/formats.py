"""Rules on number formats: what the GPU and the published build can run, and what the shards must divide into."""

from __future__ import annotations

from llmplan.checks.rule import GPU_SERVERS, Finding, Rule, advice, error, warning
from llmplan.plan.deployment import Replica
from llmplan.spec.gpu import dotted

BUSY_SEQS = 128
PLUGINS = {"gguf": "vllm-gguf-plugin", "nf4": "vllm-bnb-plugin"}


def bfloat16_exists(replica: Replica) -> Finding | None:
    """GPUs before Ampere have no bfloat16."""
    capability = replica.gpu.compute_capability
    if capability is None or capability >= (8, 0) or replica.weights.id != "bf16":
        return None
    return error(
        "Bfloat16 is only supported on GPUs with compute capability of at least 8.0. "
        f"Your {replica.gpu.name} GPU has compute capability {dotted(capability)}.",
        "--weights fp16 (vLLM: --dtype half)",
    )


def build_has_kernels(replica: Replica) -> Finding | None:
    """Published builds carry kernels for a list of capabilities; one runs on later ones of its generation."""
    capability, built = replica.gpu.compute_capability, replica.engine.compute_capabilities
    if capability is None or replica.engine.has_kernels_for(capability):
        return None
    listed = ", ".join(map(dotted, built)) or f"{dotted(replica.engine.min_compute_capability)} and newer"
    return error(
        f"no kernel image is available for execution on {replica.gpu.name} (compute capability {dotted(capability)}): "
        f"{replica.engine.ref} is built for {listed}.",
        "another GPU, or --engine llama-cpp",
    )


def kernels_are_tested(replica: Replica) -> Finding | None:
    """Capability 8.6 is listed and not in the maker's own test matrix."""
    if replica.gpu.compute_capability != (8, 6):
        return None
    return advice(
        f"{replica.gpu.name} (compute capability 8.6) should work and is not in NVIDIA's own tests of TensorRT-LLM.",
        "start once before relying on it, or --engine vllm",
    )


def capability_is_known(replica: Replica) -> Finding | None:
    """The published image and these rules are for CUDA."""
    if replica.gpu.compute_capability is not None:
        return None
    if replica.engine.id == "tensorrt-llm":
        return error(
            f"TensorRT-LLM is built on CUDA and TensorRT: it does not run on {replica.gpu.name}.",
            "--engine vllm, which has builds for other makers",
        )
    return warning(
        f"{replica.gpu.name} has no CUDA compute capability: the rules on formats and kernels are not checked.",
        f"take a build of {replica.engine.name} for {replica.gpu.vendor} and test it",
    )


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
    if capability is None or support.runs_on(capability):
        return None
    ceiling = support.max_compute_capability
    most = f", maximum: {_number(ceiling)}" if ceiling else ""
    return error(
        f"The quantization method {wanted.id} is not supported for the current GPU. Minimum capability: "
        f"{_number(support.min_compute_capability)}{most}. Current capability: {_number(capability)}.",
        "another --weights, or another --gpu",
    )


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


def _number(capability: tuple[int, int]) -> int:
    return capability[0] * 10 + capability[1]


_CAPABILITIES = "vLLM 0.33.0 vllm/config/vllm.py:927-936, get_min_capability() of each quantization method"
RULES: tuple[Rule, ...] = (
    Rule(
        id="V-D1", engines=("vllm", "sglang"), find=bfloat16_exists,
        source="vLLM 0.33.0 vllm/platforms/cuda.py:638-655; vllm-project/vllm#1157",
    ),
    Rule(
        id="V-A1", engines=("vllm", "sglang"), find=build_has_kernels,
        source="vLLM 0.33.0 wheel, architectures in _C_stable_libtorch.abi3.so; vllm-project/vllm#39878",
    ),
    Rule(
        id="T-3", engines=("tensorrt-llm",), find=build_has_kernels,
        source="TensorRT-LLM docs/source/legacy/reference/support-matrix.md; NVIDIA/TensorRT-LLM#2620, #516",
    ),
    Rule(id="T-3", engines=("tensorrt-llm",), find=kernels_are_tested, source="NVIDIA/TensorRT-LLM#516"),
    Rule(id="GPU-1", engines=(), find=capability_is_known, source="the GPU's profile, compute_capability"),
    Rule(id="V-Q7", engines=("vllm",), find=format_is_in_tree, source="vllm-project/vllm#39583, #39612"),
    Rule(id="V-Q4", engines=("vllm",), find=weights_are_accepted, source=_CAPABILITIES),
    Rule(
        id="S-2", engines=("sglang",), find=weights_are_accepted,
        source="SGLang 0.5.23 srt/layers/quantization, get_min_capability() of each method",
    ),
    Rule(
        id="T-4", engines=("tensorrt-llm",), find=weights_are_accepted,
        source="TensorRT-LLM docs/source/features/quantization.md, Hardware Support Matrix",
    ),
    Rule(
        id="L-Q", engines=("llama-cpp",), find=weights_are_accepted,
        source="llama.cpp b11434 ggml/include/ggml.h, enum ggml_type: what a GGUF file holds",
    ),
    Rule(
        id="V-Q5", engines=("vllm", "sglang"), find=fp8_is_native,
        source="vLLM 0.33.0 quantization/utils/marlin_utils_fp8.py:97; vllm-project/vllm#5975",
    ),
    Rule(
        id="V-Q6", engines=("vllm", "sglang"), find=fp4_is_sure,
        source="vllm-project/vllm#35065, #47749, #31085; NVIDIA/TensorRT-LLM#5018",
    ),
    Rule(
        id="V-KV4", engines=(), find=kv_format_is_accepted,
        source="vLLM 0.33.0 v1/attention/backends/triton_attn.py:513-526, flashinfer.py:573; vllm-project/vllm#26431",
    ),
    Rule(
        id="V-Q8", engines=GPU_SERVERS, find=four_bit_suits_load,
        source="casper-hansen/AutoAWQ#106; vllm-project/vllm#2268",
    ),
)  # fmt: skip

"""Rules on attention kernels: which run for a head size, a kind of attention and a cache type on a GPU."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, error, warning
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.spec.gpu import dotted
from llmplan.spec.model import GqaAttention

SPARSE_LATENT_GENERATIONS = (9, 10, 12)
FLASH_HEAD_DIM, FLASH_4_HEAD_DIM, HEAD_DIM_STEP = 256, 512, 8
FLASH_4_GENERATION = 10
MHA_CAPABILITIES = ((9, 0), (10, 0), (12, 0))
FA4_CAPABILITIES = ((10, 0), (11, 0))
FP8_NAMES = ("fp8", "fp8_e4m3", "fp8_e5m2")


def flash_attention_runs(replica: Replica) -> Finding | None:
    """FlashAttention wants Ampere and head sizes up to 256; Triton takes the rest, slower and without FP8 cache."""
    capability = replica.gpu.compute_capability
    sizes = {mixer.head_dim for mixer in replica.model.mixers() if isinstance(mixer, GqaAttention)}
    if capability is None or not sizes:
        return None
    if capability < (8, 0):
        return warning(
            f"FlashAttention needs compute capability 8.0, {replica.gpu.name} has {dotted(capability)}: attention runs "
            "through Triton, slower and with no FP8 KV cache.",
            "a GPU of the Ampere generation or newer",
        )
    largest = FLASH_4_HEAD_DIM if capability[0] == FLASH_4_GENERATION else FLASH_HEAD_DIM
    odd = sorted(size for size in sizes if size > largest or size % HEAD_DIM_STEP)
    if not odd:
        return None
    return warning(
        f"FlashAttention takes head sizes that are multiples of {HEAD_DIM_STEP} up to {largest} on {replica.gpu.name}, "
        f"not {', '.join(map(str, odd))}: these layers run through Triton.",
        "GPUs of compute capability 10.x, whose FlashAttention 4 takes up to 512",
    )


def latent_attention_has_a_backend(replica: Replica) -> Finding | None:
    """Sparse latent attention has kernels for Hopper and Blackwell only."""
    capability = replica.gpu.compute_capability
    if capability is None or not replica.model.packs_latents or capability[0] in SPARSE_LATENT_GENERATIONS:
        return None
    return error(
        f"No valid attention backend found for cuda: sparse latent attention runs on compute capability 9.x, 10.x and "
        f"12.x, {replica.gpu.name} has {dotted(capability)}.",
        "GPUs of the Hopper or Blackwell generation",
    )


def four_bit_cache_has_kernels(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """A cache in NVFP4 is not for dense latents, nor for heads of 64."""
    if facts.kv_dtype is None or not facts.kv_dtype.startswith("nvfp4") or facts.kv_dtype == "nvfp4_ds_mla":
        return None
    if replica.model.is_mla:
        return error("nvfp4 KV cache is not supported with MLA", "--kv-cache-dtype fp8")
    sizes = {mixer.head_dim for mixer in replica.model.mixers() if isinstance(mixer, GqaAttention)}
    if 64 in sizes:
        return error(
            "nvfp4 KV cache needs FlashInfer, which has no such kernel for head size 64.", "--kv-cache-dtype fp8"
        )
    return None


def backend_runs_there(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """SGLang's TRT-LLM and FlashAttention 4 backends are for certain generations."""
    capability, backend = replica.gpu.compute_capability, facts.attention_backend
    if capability is None or backend is None:
        return None
    generation = (capability[0], 0)
    if backend == "trtllm_mha" and generation not in MHA_CAPABILITIES:
        return error(
            "TRTLLM MHA backend for prefill requires Hopper (SM90), Blackwell (SM100), or SM120 GPUs. Please use a "
            "different prefill backend.",
            "--attention-backend flashinfer",
        )
    if backend == "trtllm_mha" and capability[0] == 12 and facts.kv_dtype in FP8_NAMES:
        return error(
            "TRTLLM FMHAv2 prefill on SM120 does not support fp8_e4m3 KV cache or skip-softmax.",
            "--kv-cache-dtype auto, or --attention-backend flashinfer",
        )
    if backend == "fa4" and generation not in FA4_CAPABILITIES:
        return error(
            f"fa4 runs on SM100 and SM110, {replica.gpu.name} has compute capability {dotted(capability)}.",
            "--attention-backend fa3" if capability[0] == 9 else "--attention-backend flashinfer",
        )
    return None


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-AT1", engines=("vllm",), versions=">=0.11", gpus="below 8.0, or heads above 256", severities=("warning",),
        find=flash_attention_runs, title="FlashAttention needs compute capability 8.0 and common head sizes.", says="",
        source="vLLM 0.33.0 v1/attention/backends/flash_attn.py:424-460, platforms/cuda.py:84-180", basis=("code",),
    ),
    Rule(
        id="V-AT2", engines=("vllm",), gpus="other than 9.x, 10.x, 12.x", severities=("error",),
        find=latent_attention_has_a_backend, title="Sparse latent attention runs on Hopper and Blackwell.",
        says="No valid attention backend found for cuda",
        source="vLLM 0.33.0 v1/attention/backends/mla; vllm-project/vllm#31480", basis=("code", "issue"),
    ),
    Rule(
        id="V-KV5", engines=("vllm",), severities=("error",), find_in_launch=four_bit_cache_has_kernels,
        title="A KV cache in NVFP4 is not for dense latent attention, nor for heads of 64.",
        says="nvfp4 KV cache is not supported with MLA",
        source="vLLM 0.33.0 vllm/config/vllm.py:3425-3441, v1/attention/backends/flashinfer.py:114, 655-690",
        basis=("code",),
    ),
    Rule(
        id="S-6", engines=("sglang",), severities=("error",), find_in_launch=backend_runs_there,
        title="SGLang's trtllm_mha and fa4 backends run on some generations of GPUs.",
        says="TRTLLM MHA backend for prefill requires Hopper (SM90), Blackwell (SM100), or SM120 GPUs.",
        source="SGLang 0.5.23 srt/arg_groups/attention_hook.py:195-240, 645; kv_cache_hook.py:56-63", basis=("code",),
    ),
)  # fmt: skip

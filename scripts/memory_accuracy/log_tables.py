"""What start-up logs leave out or call by other names: models, versions, GPUs, formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SAME_SHAPE = {
    "Qwen/Qwen2.5-7B-Instruct": "Qwen/Qwen2-7B-Instruct", "Qwen/Qwen2-7B-Instruct-GPTQ-Int8": "Qwen/Qwen2-7B-Instruct",
    "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8": "Qwen/Qwen2-7B-Instruct",
    "Qwen/Qwen2-72B-Instruct": "Qwen/Qwen2.5-72B", "Qwen/Qwen2-VL-7B-Instruct-AWQ": "Qwen/Qwen2-VL-7B-Instruct",
    "meta-llama/Meta-Llama-3.1-70B-Instruct": "meta-llama/Llama-3.1-70B-Instruct",
    "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic": "meta-llama/Llama-3.3-70B-Instruct",
    "meta-llama/Meta-Llama-3.1-405B-Instruct-FP8": "meta-llama/Llama-3.1-405B-Instruct-FP8",
    "meta-llama/Llama-2-7b-chat-hf": "meta-llama/Llama-2-7b-hf",
    "Llama-2-70B": "meta-llama/Llama-2-70b-hf",
    "NousResearch/Hermes-3-Llama-3.1-8B": "meta-llama/Llama-3.1-8B-Instruct",
    "deepseek-ai/DeepSeek-V3-0324": "deepseek-ai/DeepSeek-R1", "Qwen/Qwen2.5-Math-1.5B": "Qwen/Qwen2.5-1.5B",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct": "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-30B-A3B class": "Qwen/Qwen3-30B-A3B", "unsloth/gpt-oss-20b": "openai/gpt-oss-20b",
    "gaunernst/gemma-3-12b-it-int4-awq": "google/gemma-3-12b-it", "MiniMax-M2.7-AWQ": "MiniMaxAI/MiniMax-M2.7",
    "Qwen3.6-35B-A3B class": "Qwen/Qwen3.6-35B-A3B", "Qwen3.8-27B W4A16": "fantasylord/Qwen36-27B-W4A16",
    "7B model": "Qwen/Qwen2-7B-Instruct", "0.5B bnb model": "Qwen/Qwen2.5-0.5B",
    "Qwen/Qwen3-32B": "Qwen/Qwen3-32B-FP8", "Qwen3 235B FP8 class": "Qwen/Qwen3-235B-A22B-FP8",
    "DeepSeek-R1-Distill-Qwen-32B": "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
    "Inferact/Qwen3.8-27B-NVFP4": "fantasylord/Qwen36-27B-W4A16",
    "Qwen3.8-27B EXL3 4-bit": "fantasylord/Qwen36-27B-W4A16",
}  # fmt: skip
"""Names in the logs of models whose shape is that of a known config."""


def dense(model_type: str, sizes: tuple[int, ...], **more: Any) -> dict[str, Any]:
    names = (
        "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
        "intermediate_size", "vocab_size", "max_position_embeddings",
    )  # fmt: skip
    fixed = {"model_type": model_type, "torch_dtype": "bfloat16", "rms_norm_eps": 1e-6, "tie_word_embeddings": False}
    return fixed | dict(zip(names, sizes, strict=True)) | more


SIZES: Mapping[str, dict[str, Any]] = {
    "facebook/opt-125m": {
        "model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 2050, "vocab_size": 50272,
        "torch_dtype": "float16", "layer_norm_epsilon": 1e-5,
    },
    "mistralai/Mistral-Large-Instruct-2407": dense("mistral", (12288, 88, 96, 8, 128, 28672, 32768, 131072)),
    "mistralai/Mistral-Nemo-Instruct-2407": dense("mistral", (5120, 40, 32, 8, 128, 14336, 131072, 131072)),
    "Qwen/Qwen3-0.6B": dense("qwen3", (1024, 28, 16, 8, 128, 3072, 151936, 40960), tie_word_embeddings=True),
    "Qwen/Qwen3-0.6B-FP8": dense("qwen3", (1024, 28, 16, 8, 128, 3072, 151936, 40960), tie_word_embeddings=True),
    "Qwen/Qwen2.5-VL-72B-Instruct": dense("qwen2", (8192, 80, 64, 8, 128, 29568, 152064, 128000)),
}  # fmt: skip
"""Published sizes of models without a config in the corpus; OPT under the family of equal tensors."""

INFERRED_VERSION = {
    "vllm-16570": "0.8.3", "llmd": "0.14.0", "recipes-kimi": "0.11.2", "file-qwen3next-h200": "0.11.0",
    "file-b300": "0.28.0", "file-gb10": "0.28.0", "file-l4-cumem": "0.14.0", "file-qwen38": "0.28.0",
    "file-dsv4": "0.28.0", "file-h20": "0.29.0", "file-23.5": "0.28.0", "file-qwen36": "0.22.0",
    "file-gptoss": "0.10.1", "file-qwen3coder": "0.10.1", "file-qwen3-32b": "0.11.0", "file-hermes": "0.9.0",
    "file-gonka": "0.22.0", "file-gemma4": "0.22.0", "file-qwen0.5b": "0.10.1", "file-7b-v100": "0.7.3",
    "file-qwen25": "0.7.3", "mlperf51-gate": "0.10.0", "serverlessllm": "0.7.3", "dstack": "0.6.3",
    "vllm-6746": "0.5.3", "vllm-21348": "0.9.2", "spark": "0.29.1", "glm53": "0.30.0", "vllm-25350": "0.10.2",
}  # fmt: skip
"""Version of a log that does not print one, by the beginning of its id."""
V0_LOGS = ("mlperf51-gate", "vllm-15394-v0", "vllm-16348-v0", "vllm-15360", "vllm-16061", "file-qwen0.5b")
"""Logs of the V0 engine under a version whose default is V1: their lines have V0's wording."""

FP8_CACHE = ("mlperf51-coreweave-70b", "file-qwen38-27b-3090")
"""Logs that leave the cache's format out and whose own tokens and bytes give it away."""
OTHER_RECIPE = ("Qwen3.8-27B", "Inferact/Qwen3.8-27B", "MiniMax-M2.7-AWQ", "gaunernst/")
"""Models whose shape is known, but not which modules their checkpoint leaves unquantized."""

GPU_IDS = (
    ("GB200", "gb200-192gb"), ("B200", "b200-180gb"), ("H200", "h200-sxm-141gb"), ("H100", "h100-sxm-80gb"),
    ("H800", "h100-sxm-80gb"),
    ("A100-PCIE-40GB", "a100-pcie-40gb"), ("A100 40GB", "a100-sxm-40gb"), ("A100 (40", "a100-sxm-40gb"),
    ("A100", "a100-sxm-80gb"), ("A800", "a100-sxm-80gb"), ("single 80GB", "a100-sxm-80gb"), ("H20", "h20-96gb"),
    ("L40S", "l40s-48gb"), ("NVIDIA L4", "l4-24gb"), ("L20", "l20-48gb"), ("A10G", "a10g-24gb"), ("A10", "a10-24gb"),
    ("RTX PRO 6000", "rtx-pro-6000-96gb"), ("4090", "rtx-4090-24gb"), ("5090", "rtx-5090-32gb"),
    ("3090", "rtx-3090-24gb"), ("V100-SXM2-32GB", "v100-sxm-32gb"), ("T4", "t4-16gb"), ("MI308X", "mi300x-192gb"),
    ("MI355X", "mi355x-288gb"), ("A6000", "rtx-a6000-48gb"), ("GB10", "gb10-128gb"),
)  # fmt: skip
FORMAT_WORDS = (
    ("gguf q4_k_m", "gguf-q4_k_m"), ("nvfp4", "nvfp4"), ("mxfp4", "mxfp4"), ("nf4", "nf4"), ("bnb", "nf4"),
    ("experts_int8", "int8"), ("gptq int8", "gptq-int8"), ("int4", "awq-int4"), ("fp8", "fp8"), ("bf16", "bf16"),
    ("fp16", "fp16"),
)  # fmt: skip

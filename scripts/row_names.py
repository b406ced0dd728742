"""What published tables call things, and what the catalogue calls them. Names only: nothing about results."""

from __future__ import annotations

from collections.abc import Mapping

GPUS = {
    "a100": "a100-sxm-80gb", "rtx 4090": "rtx-4090-24gb", "rtx 3090": "rtx-3090-24gb", "rtx 5090": "rtx-5090-32gb",
    "mi300x": "mi300x-192gb", "a100-pcie": "a100-pcie-80gb", "rtx-pro-6000": "rtx-pro-6000-96gb",
    "v100s-pcie-32gb": "v100s-pcie-32gb",
}  # fmt: skip
"""keys of the tables that are no alias in the catalogue"""

MODELS = {
    "llama-3-70b": "meta-llama/Llama-3.1-70B-Instruct", "llama-3-8b": "meta-llama/Llama-3.1-8B-Instruct",
    "llama-3.1-405b": "meta-llama/Llama-3.1-405B-Instruct", "deepseek-v3/r1-671b": "deepseek-ai/DeepSeek-R1",
    "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B", "qwen3-30b-a3b": "Qwen/Qwen3-30B-A3B",
    "llama-2-70b": "meta-llama/Llama-2-70b-hf", "llama-2-13b": "meta-llama/Llama-2-13b-hf",
    "llama-2-7b": "meta-llama/Llama-2-7b-hf", "mixtral-8x7b": "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "mistral-7b": "mistralai/Mistral-7B-v0.1", "llama-4-maverick": "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
    "gpt-oss-120b": "openai/gpt-oss-120b", "gpt-oss-20b": "openai/gpt-oss-20b", "qwen3-8b": "Qwen/Qwen3-8B",
    "qwen3-8b-fp8": "Qwen/Qwen3-8B-FP8", "qwen2.5-0.5b-instruct": "Qwen/Qwen2.5-0.5B",
    "qwen2.5-7b-instruct": "Qwen/Qwen2.5-7B-Instruct", "codellama-34b": "codellama/CodeLlama-34b-hf",
    "codellama-34b-instruct-hf": "codellama/CodeLlama-34b-hf", "falcon 180b": "tiiuae/falcon-180B",
    "qwen3.5-397b-a17b": "Qwen/Qwen3.5-397B-A17B", "gpt-j 6b": "EleutherAI/gpt-j-6b", "gpt-j-6b": "EleutherAI/gpt-j-6b",
    "gptj-99": "EleutherAI/gpt-j-6b", "mistral-nemo-instruct-2407": "mistralai/Mistral-Nemo-Instruct-2407",
    "nemotron nano 30b": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "nemotron super 49b": "nvidia/Llama-3_3-Nemotron-Super-49B-v1",
}  # fmt: skip
"""Keys of the tables that are no alias in the catalogue. Models of equal architecture share an entry: only shapes
matter for speed, and the format is stated apart."""

ENGINES = (
    ("tensorrt-llm", "tensorrt-llm"), ("trtllm", "tensorrt-llm"), ("nim", "tensorrt-llm"), ("sglang", "sglang"),
    ("vllm", "vllm"), ("llama.cpp", "llama-cpp"),
)  # fmt: skip
"""word in the engine's name: id"""

FORMATS = (
    ("w8a16", "w8a16"), ("w8a8", "int8"), ("nvfp4", "nvfp4"), ("mxfp4", "mxfp4"), ("fp4", "nvfp4"), ("fp8", "fp8"),
    ("q4_k_m", "gguf-q4_k_m"), ("gguf f16", "fp16"), ("bf", "bf16"), ("fp16", "fp16"), ("float16", "fp16"),
    ("w4a16", "w4a16"), ("gptq", "gptq-int4"), ("awq", "awq-int4"),
)  # fmt: skip
"""word in the stated quantization: format"""

NO_VERSIONS = ("nim",)
"""engines whose version is not the serving engine's own"""


def engine_id(name: str) -> str | None:
    """The serving engine that a table's column names."""
    folded = name.lower()
    return next((engine for word, engine in ENGINES if word in folded), None)


def engine_version(row: Mapping[str, str]) -> str | None:
    """Leading numbers of the stated version, as far as it is the serving engine's own; None: not stated."""
    if any(word in row["engine"].lower() for word in NO_VERSIONS):
        return None
    text = row["engine_version"].strip().removeprefix("v").removeprefix("post-")
    return text if text[:1].isdigit() else None


def format_id(row: Mapping[str, str], own_format: str) -> str | None:
    """The weight format that a row states, in a checkpoint's own variety where it is one (blocks, MX scales)."""
    words = row["quantization"].lower()
    wanted = next((name for word, name in FORMATS if word in words), None)
    if wanted in ("nvfp4", "fp8") and own_format == "mxfp4":
        return own_format
    if wanted == "fp8" and own_format == "fp8-block":
        return own_format
    return wanted

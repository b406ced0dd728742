"""Published start-up logs of serving engines as replicas: what each says, and what stands in where it is silent.

Rows are left out for what they do not say (a model whose sizes are unknown, a GPU of unknown size), never for their
result. A version that a log does not print is inferred from its date or from the wording of its lines.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.engines import engine_library, version_key
from llmplan.catalogs.gpus import gpu_library
from llmplan.catalogs.hf_config import read_config, read_config_file
from llmplan.errors import LlmplanError
from llmplan.memory import kv_format, weight_format
from llmplan.memory.pool import is_unified, visible_bytes
from llmplan.plan.deployment import EngineSettings, Parallelism, Replica
from llmplan.spec.engine import EngineSpec
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB

REPO = Path(__file__).resolve().parents[2]
ENGINES = {"llama.cpp": "llama-cpp", "ik_llama.cpp": "llama-cpp"}

SAME_SHAPE = {
    "Qwen/Qwen2.5-7B-Instruct": "Qwen/Qwen2-7B-Instruct", "Qwen/Qwen2-7B-Instruct-GPTQ-Int8": "Qwen/Qwen2-7B-Instruct",
    "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8": "Qwen/Qwen2-7B-Instruct",
    "Qwen/Qwen2-72B-Instruct": "Qwen/Qwen2.5-72B", "Qwen/Qwen2-VL-7B-Instruct-AWQ": "Qwen/Qwen2-VL-7B-Instruct",
    "meta-llama/Meta-Llama-3.1-70B-Instruct": "meta-llama/Llama-3.1-70B-Instruct",
    "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic": "meta-llama/Llama-3.3-70B-Instruct",
    "meta-llama/Meta-Llama-3.1-405B-Instruct-FP8": "meta-llama/Llama-3.1-405B-Instruct-FP8",
    "meta-llama/Llama-2-7b-chat-hf": "meta-llama/Llama-2-7b-hf",
    "Llama-2-70B": "meta-llama/Llama-2-70b-hf", "NousResearch/Hermes-3-Llama-3.1-8B": "meta-llama/Llama-3.1-8B-Instruct",
    "deepseek-ai/DeepSeek-V3-0324": "deepseek-ai/DeepSeek-R1", "Qwen/Qwen2.5-Math-1.5B": "Qwen/Qwen2.5-1.5B",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct": "Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B-Instruct-2507": "Qwen/Qwen3-30B-A3B",
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


def _dense(model_type: str, sizes: tuple[int, ...], **more: Any) -> dict[str, Any]:
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
    "mistralai/Mistral-Large-Instruct-2407": _dense("mistral", (12288, 88, 96, 8, 128, 28672, 32768, 131072)),
    "mistralai/Mistral-Nemo-Instruct-2407": _dense("mistral", (5120, 40, 32, 8, 128, 14336, 131072, 131072)),
    "Qwen/Qwen3-0.6B": _dense("qwen3", (1024, 28, 16, 8, 128, 3072, 151936, 40960), tie_word_embeddings=True),
    "Qwen/Qwen3-0.6B-FP8": _dense("qwen3", (1024, 28, 16, 8, 128, 3072, 151936, 40960), tie_word_embeddings=True),
    "Qwen/Qwen2.5-VL-72B-Instruct": _dense("qwen2", (8192, 80, 64, 8, 128, 29568, 152064, 128000)),
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

GPU_IDS = (
    ("B200", "b200-180gb"), ("H200", "h200-sxm-141gb"), ("H100", "h100-sxm-80gb"), ("H800", "h100-sxm-80gb"),
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


@dataclass(frozen=True, kw_only=True)
class StartupLog:
    """One record with its replica, or with the `reason` why it has none. `unknown` says what else is missing to hold
    its pool against the engine's rules."""

    record: Mapping[str, Any]
    replica: Replica | None = None
    reason: str = ""
    unknown: str = ""

    @property
    def known(self) -> bool:
        """Whether model, GPU, version and memory fraction are known."""
        return self.replica is not None and not self.unknown

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def observed(self) -> Mapping[str, Any]:
        return self.record["observed"]  # type: ignore[no-any-return]


def data_folder() -> Path:
    """The folder of measurements."""
    return Path(os.environ.get("LLMPLAN_DATA") or REPO.parent / "shared" / "data")


def read_logs() -> list[StartupLog]:
    """Every record of the table."""
    with (data_folder() / "engine_memory_logs.jsonl").open(encoding="utf-8") as lines:
        return [_read(json.loads(line)) for line in lines]


def model_of(record: Mapping[str, Any]) -> ModelSpec | None:
    """The model by its config in the corpus, or by its published sizes."""
    return _model(str(record["model"]).split(" (")[0])


@cache
def _model(name: str) -> ModelSpec | None:
    if name in SIZES:
        return read_config(SIZES[name], model_id=name)
    path = data_folder() / "configs" / f"{SAME_SHAPE.get(name, name).replace('/', '__')}.json"
    if not path.exists():
        return None
    try:
        return read_config_file(path)
    except LlmplanError:
        return None


def version_of_log(record: Mapping[str, Any]) -> str | None:
    """The version printed, else inferred."""
    found = re.search(r"\d+\.\d+(?:\.\d+)?(?:\.post\d+)?", str(record["engine_version"] or ""))
    if found and record["engine"] != "llama.cpp":
        return found[0]
    return next((version for start, version in INFERRED_VERSION.items() if record["id"].startswith(start)), None)


@cache
def _engines() -> Any:
    return engine_library((packaged_profiles(),))


@cache
def _gpus() -> Any:
    return gpu_library((packaged_profiles(),))


def engine_of(record: Mapping[str, Any]) -> EngineSpec:
    """The profile whose defaults apply: the newest that is not newer, as on the command line."""
    name, library = ENGINES.get(record["engine"], record["engine"]), _engines()
    version = version_of_log(record)
    if version is None:
        return library[name]  # type: ignore[no-any-return]
    dated = sorted((version_key(each.partition("@")[2]), each) for each in library if each.partition("@")[0] == name)
    older = [each for key, each in dated if key and key <= version_key(version)]
    base = library[older[-1] if older else next(each for key, each in dated if key)]
    if any(record["id"].startswith(start) for start in V0_LOGS):
        base = library["vllm@0.6.4"]
        version = "0.7.3"
    return replace(base, version=version)


def gpu_of(record: Mapping[str, Any]) -> GpuSpec | None:
    """The GPU with the total that the log printed, or as its profile says."""
    text = str(record["gpu"] or "")
    found = next((gpu_id for word, gpu_id in GPU_IDS if word in text), None)
    gpu = _gpus()[found] if found else None
    total = record["observed"].get("total_gpu_memory_gib") or record["gpu_memory_gib"] or _sum_of_parts(record)
    if total is None:
        return gpu
    vendor = "amd" if "AMD" in text else "nvidia"
    known = gpu or _unknown_gpu(vendor)
    return replace(known, memory_bytes=round(reported_bytes(total * GIB, known)))


def _sum_of_parts(record: Mapping[str, Any]) -> float | None:
    """The total that a log implies whose parts are all printed [GiB]: their sum over the fraction."""
    observed, fraction = record["observed"], record["gpu_memory_utilization"]
    parts = [observed.get(name) for name in ("weights_gib", "activation_peak_gib", "non_torch_gib", "kv_cache_gib")]
    if fraction is None or any(part is None for part in parts) or record["gpu"]:
        return None
    return float(sum(part for part in parts if part is not None)) / float(fraction)


def reported_bytes(visible: float, gpu: GpuSpec) -> float:
    """The driver's own total of a GPU of which an engine sees `visible` bytes: `visible_bytes` turned round."""
    return visible + (visible - visible_bytes(replace(gpu, memory_bytes=round(visible)))) * 1.01


def _unknown_gpu(vendor: str) -> GpuSpec:
    return GpuSpec(
        id="gpu", name="GPU", vendor=vendor, architecture="any", segment="any", form="any", memory_bytes=1,
        memory_bandwidth_bytes_per_s=1e12,
    )  # fmt: skip


HOST = HostSpec(
    id="host", name="host", gpus=8, memory_bytes=2**41, memory_bandwidth_bytes_per_s=1e11, cpu_cores=8,
    pcie_bytes_per_s=1e10,
)  # fmt: skip


def _read(record: dict[str, Any]) -> StartupLog:
    model, gpu = model_of(record), gpu_of(record)
    if model is None:
        return StartupLog(record=record, reason="the model's sizes are not known")
    if gpu is None:
        return StartupLog(record=record, reason="the GPU is not named")
    try:
        replica = _replica(record, model, gpu, engine_of(record))
    except (LlmplanError, ValueError) as error:
        return StartupLog(record=record, reason=f"{type(error).__name__}: {error}")
    return StartupLog(record=record, replica=replica, unknown=_unknown(record, replica))


def _unknown(record: Mapping[str, Any], replica: Replica) -> str:
    """Why a start's pool cannot be held against the rules; empty where it can."""
    observed, words = record["observed"], f"{record['quantization']} {record['other_flags']}".lower()
    if not (record["gpu_memory_utilization"] or record["mem_fraction_static"] or observed.get("requested_gib")):
        return "the memory fraction is not stated"
    if is_unified(replica.gpu):
        return "unified memory"
    if "exl3" in words or "dspark" in words or "speculative" in words:
        return "a format or draft model that is not modelled"
    if "attention_workspace_gb" in observed:
        return "a workspace that the log prints and no default explains"
    return ""


def _replica(record: Mapping[str, Any], model: ModelSpec, gpu: GpuSpec, engine: EngineSpec) -> Replica:
    words = str(record["quantization"] or "").lower()
    weights = next((form for word, form in FORMAT_WORDS if word in words), "auto")
    if model.checkpoint_format not in ("fp32", "fp16", "bf16"):
        weights = "auto"
    stated_kv = str(record["kv_cache_dtype"] or "auto")
    kv = "fp8" if stated_kv.startswith("fp8") else "int8" if stated_kv in ("int8", "q8_0") else "auto"
    tp = record["tp"] or 1
    default = engine.scheduler_default(gpu.memory_bytes, gpu.architecture, tp)
    flags = str(record["other_flags"] or "")
    chunk = re.search(r"chunked_prefill_size=(\d+)", flags)
    length = min(record["max_model_len"] or model.max_context_tokens, model.max_context_tokens)
    tokens = record["max_num_batched_tokens"] or (int(chunk[1]) if chunk else default.step_tokens(length))
    seqs = record["max_num_seqs"] or default.max_num_seqs
    fraction = engine.memory_fraction_on(
        gpu.memory_bytes, ranks=tp * (record["pp"] or 1), tokens=tokens, seqs=seqs, latent=model.is_mla
    )
    settings = EngineSettings(
        max_model_len=length, max_num_seqs=seqs,
        max_num_batched_tokens=tokens,
        memory_fraction=record["gpu_memory_utilization"] or record["mem_fraction_static"] or fraction,
        block_tokens=record["block_size"] or engine.block_tokens, enforce_eager=bool(record["enforce_eager"]),
    )  # fmt: skip
    parallel = Parallelism(tp=record["tp"] or 1, pp=record["pp"] or 1, ep=bool(record["ep"]) and (record["tp"] or 1) > 1)
    return Replica(
        model=model, gpu=gpu, host=HOST, engine=engine, parallel=parallel, weights=weight_format(weights, model),
        kv=kv_format(kv, model), settings=settings,
    )  # fmt: skip

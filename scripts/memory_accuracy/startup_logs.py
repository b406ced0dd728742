"""Published start-up logs of serving engines as replicas: what each says, and what stands in where it is silent.

Rows are left out for what they do not say (a model whose sizes are unknown, a GPU of unknown size), never for their
result. A version that a log does not print is inferred from its date or from the wording of its lines.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from memory_accuracy.log_tables import (
    FORMAT_WORDS,
    FP8_CACHE,
    GPU_IDS,
    INFERRED_VERSION,
    OTHER_RECIPE,
    SAME_SHAPE,
    SIZES,
    V0_LOGS,
)  # fmt: skip

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
    if str(record["model"]).startswith(OTHER_RECIPE):
        return "which modules the checkpoint leaves unquantized is not known"
    if "exl3" in words or "dspark" in words or "speculative" in words:
        return "a format or draft model that is not modelled"
    if "attention_workspace_gb" in observed:
        return "a workspace that the log prints and no default explains"
    return ""


def _replica(record: Mapping[str, Any], model: ModelSpec, gpu: GpuSpec, engine: EngineSpec) -> Replica:
    words = str(record["quantization"] or "").lower()
    weights = next((form for word, form in FORMAT_WORDS if word in words), "auto")
    own = model.checkpoint_format
    if own.startswith(weights) or (weights == "awq-int4" and own == "w4a16"):
        weights = "auto"
    stated_kv = str(record["kv_cache_dtype"] or "auto")
    eight_bit = "fp8" if stated_kv.startswith("fp8") or record["id"] in FP8_CACHE else "auto"
    kv = "int8" if stated_kv in ("int8", "q8_0") else eight_bit
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
    shared = re.search(r"decode_context_parallel_size=(\d+)", flags)
    parallel = Parallelism(
        tp=tp, pp=record["pp"] or 1, ep=bool(record["ep"]) and tp > 1, dcp=int(shared[1]) if shared else 1
    )
    return Replica(
        model=model, gpu=gpu, host=HOST, engine=engine, parallel=parallel, weights=weight_format(weights, model),
        kv=kv_format(kv, model), settings=settings,
    )  # fmt: skip

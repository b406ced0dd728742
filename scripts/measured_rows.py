"""Published speed measurements as replicas under loads: which rows are used, and how each is read.

The table is found in the folder named by `LLMPLAN_DATA` (default `../shared/data` beside the repository). Rows are
excluded by the rules of `doubt`, never by naming a model, a GPU or a result.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.gpus import gpu_library
from llmplan.catalogs.hf_config import read_config_file
from llmplan.memory import budget, weight_format
from llmplan.perf.work import Work, work_of
from llmplan.plan.deployment import EngineSettings, Parallelism, Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import MemoryBudget, Rejection
from llmplan.spec.engine import EngineSpec, FormatSupport, SchedulerDefault
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import ModelSpec
from llmplan.spec.workload import Lengths

REPO = Path(__file__).resolve().parents[1]
QUANTITIES = ("tpot", "throughput", "ttft")

GPU_IDS = {
    "B200": "b200-180gb", "H200-SXM": "h200-sxm-141gb", "H100-SXM": "h100-sxm-80gb", "H100-PCIe": "h100-pcie-80gb",
    "A100-SXM-80GB": "a100-sxm-80gb", "A100-SXM-40GB": "a100-sxm-40gb", "A100": "a100-sxm-80gb",
    "GB200": "gb200-192gb", "L40S": "l40s-48gb", "RTX-PRO-6000": "rtx-pro-6000-96gb", "RTX 4090 24GB": "rtx-4090-24gb",
    "RTX 4090": "rtx-4090-24gb", "RTX 3090 24GB": "rtx-3090-24gb", "MI300X": "mi300x-192gb",
    "RTX 5090": "rtx-5090-32gb", "RTX-A6000": "rtx-a6000-48gb", "H200-NVL": "h200-nvl-141gb", "L4": "l4-24gb",
    "T4": "t4-16gb",
}  # fmt: skip
MODEL_CONFIGS = {
    "llama-3-70b": "meta-llama__Llama-3.1-70B-Instruct", "llama-3-8b": "meta-llama__Llama-3.1-8B-Instruct",
    "deepseek-v3/r1-671b": "deepseek-ai__DeepSeek-R1", "gpt-oss-120b": "openai__gpt-oss-120b",
    "gpt-oss-20b": "openai__gpt-oss-20b", "llama-2-70b": "meta-llama__Llama-2-70b-hf",
    "llama-2-13b": "meta-llama__Llama-2-13b-hf", "llama-2-7b": "meta-llama__Llama-2-7b-hf",
    "qwen3-235b-a22b": "Qwen__Qwen3-235B-A22B-FP8", "qwen3-30b-a3b": "Qwen__Qwen3-30B-A3B",
    "llama-3.1-405b": "meta-llama__Meta-Llama-3.1-405B", "mixtral-8x7b": "mistralai__Mixtral-8x7B-Instruct-v0.1",
    "mistral-7b": "mistralai__Mistral-7B-v0.1", "llama-4-maverick": "meta-llama__Llama-4-Maverick-17B-128E-Instruct",
    "qwen2.5-0.5b-instruct": "Qwen__Qwen2.5-0.5B", "qwen3-8b-fp8": "Qwen__Qwen3-8B-FP8",
    "qwen3-8b": "Qwen__Qwen3-8B-FP8", "qwen2.5-7b-instruct": "Qwen__Qwen2.5-7B",
    "codellama-34b-instruct-hf": "codellama__CodeLlama-34b-hf", "codellama-34b": "codellama__CodeLlama-34b-hf",
}  # fmt: skip
"""Models of equal architecture share a config: only shapes matter for speed."""
ENGINE_IDS = (("tensorrt", "tensorrt-llm"), ("trtllm", "tensorrt-llm"), ("nim", "tensorrt-llm"), ("sglang", "sglang"),
              ("vllm", "vllm"), ("llama.cpp", "llama-cpp"))  # fmt: skip
FORMAT_WORDS = (
    ("w8a16", "w8a16"), ("w8a8", "int8"), ("nvfp4", "nvfp4"), ("mxfp4", "mxfp4"), ("fp4", "nvfp4"), ("fp8", "fp8"),
    ("q4_k_m", "gguf-q4_k_m"), ("gguf f16", "fp16"), ("bf", "bf16"), ("fp16", "fp16"), ("float16", "fp16"),
)  # fmt: skip
NATIVE_FROM = {"fp8": (8, 9), "fp8-block": (9, 0), "int8": (8, 0), "nvfp4": (10, 0), "mxfp4": (10, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One measured row: what ran, under which load, and what was measured [s or tokens/s]."""

    row_id: str
    source: str
    gpu_key: str
    model_key: str
    replica: Replica
    load: Load
    memory: MemoryBudget
    work: Work
    measured: Mapping[str, float]
    legacy: bool

    @property
    def family(self) -> str:
        """`dense` or `moe`."""
        return "moe" if self.replica.model.is_moe else "dense"


def data_folder() -> Path | None:
    """The folder with the tables, or None where there is none."""
    folder = Path(os.environ.get("LLMPLAN_DATA", REPO.parent / "shared" / "data"))
    return folder if (folder / "throughput.csv").is_file() else None


def read_cases(folder: Path) -> list[Case]:
    """Every usable row of throughput.csv, in file order."""
    with (folder / "throughput.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    reader = _Reader(folder)
    cases = [case for row in rows if doubt(row) is None and (case := reader.case(row)) is not None]
    return list(_without_faster_than_possible(cases))


def doubt(row: Mapping[str, str]) -> str | None:
    """Why a row is not used, from what the table says about it; None for a usable one."""
    if row["gpu_key"] not in GPU_IDS or row["model_key"] not in MODEL_CONFIGS or _engine_id(row["engine"]) is None:
        return "a GPU, model or engine that is not described here"
    if row["source_id"].startswith("mlperf"):
        return "vendor-tuned: an upper bound"
    if "wip=True" in row["notes"] or "tpot_non_monotonic" in row["notes"] or "workload_inferred" in row["flags"]:
        return "marked doubtful in the table"
    if int(_number(row["gpus_total"]) or 1) > 8:
        return "several hosts, wiring not stated"
    if row["load_kind"] not in ("concurrency", "qps", "batch", "batch (all at once)", "max"):
        return "load not stated as one number"
    if row["mode"] == "static-batch" and row["source_id"] in ("trt-static", "trt-static-ttft", "autoawq"):
        return "engine generation without in-flight batching"
    if "chunked=FALSE" in row["notes"] or (_noted(row["notes"], ("num-scheduler-step=",)) or 1) > 1:
        return "scheduler options of an old engine that no current one has"
    if "attention_dp" in row["flags"] and not row["dp"]:
        return "attention parallelism not stated"
    if "repeat_no" in row and row["repeat_no"] not in ("", "1"):
        return "a repeat"
    return None


class _Reader:
    """Turns rows into cases; keeps the models and GPUs that it has read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._gpus = gpu_library((packaged_profiles(),))
        self._models: dict[str, ModelSpec] = {}

    def case(self, row: Mapping[str, str]) -> Case | None:
        measured = _measured(row)
        weights = _weights(row)
        if not measured or weights is None:
            return None
        model = self._model(row["model_key"])
        replica = _replica(row, model, self._gpus[GPU_IDS[row["gpu_key"]]], weights)
        load = _load(row)
        memory = budget(replica)
        if load is None or isinstance(memory, Rejection):
            return None
        version = row["engine_version"]
        return Case(
            row_id=row["row_id"],
            source=row["source_id"],
            gpu_key=row["gpu_key"],
            model_key=row["model_key"],
            replica=replica,
            load=load,
            memory=memory,
            work=work_of(model, weights, replica.kv, replica.parallel),
            measured=measured,
            legacy=replica.engine.id == "vllm" and version.startswith(("0.5", "0.6", "0.7")),
        )

    def _model(self, key: str) -> ModelSpec:
        if key not in self._models:
            self._models[key] = read_config_file(self._folder / "configs" / f"{MODEL_CONFIGS[key]}.json")
        return self._models[key]


def _replica(row: Mapping[str, str], model: ModelSpec, gpu: GpuSpec, weights: WeightFormat) -> Replica:
    engine = _engine(str(_engine_id(row["engine"])), row["engine_version"])
    tp, pp, dp = (int(_number(row[name]) or 1) for name in ("tp", "pp", "dp"))
    expert_parallel = model.is_moe and row["ep"] not in ("", "1")
    if dp > 1 and tp * dp * pp > int(_number(row["gpus_total"]) or 1):
        tp = 1
    quantized = weights.id in ("fp8", "fp8-block", "nvfp4") and engine.id == "tensorrt-llm"
    kv_id = "fp8" if row["kv_dtype"] == "fp8" or (quantized and row["kv_dtype"] == "") else "bf16"
    large = gpu.memory_bytes >= 70 * 1024**3
    seqs = _noted(row["notes"], ("max_num_seqs ", '"max_num_seqs": ', "max-num-seqs="))
    chunk = _noted(row["notes"], ("max_num_batched_tokens=", "mnbt="))
    settings = EngineSettings(
        max_model_len=min(model.max_context_tokens, _longest(row)),
        max_num_seqs=seqs or {"tensorrt-llm": 2048, "sglang": 1024}.get(engine.id, 1024 if large else 256),
        max_num_batched_tokens=chunk or {"llama-cpp": 512}.get(engine.id, 8192 if large else 2048),
        memory_fraction=0.9,
        block_tokens=16,
    )
    return Replica(
        model=model,
        gpu=gpu,
        host=_host(gpu, pcie="link=PCIe" in row["notes"]),
        engine=engine,
        parallel=Parallelism(tp=tp, pp=pp, dp=dp, ep=expert_parallel),
        weights=weights,
        kv=next(f for f in KV_FORMATS if f.id == kv_id),
        settings=settings,
    )


def _longest(row: Mapping[str, str]) -> int:
    """A context that admits the row's requests with room for their spread."""
    return int(2.0 * ((_number(row["isl"]) or 0.0) + (_number(row["osl"]) or 0.0))) + 256


def _host(gpu: GpuSpec, *, pcie: bool) -> HostSpec:
    """An eight-GPU server of the card's own form factor."""
    fast = 0 if pcie or not gpu.has_fast_link else 8
    return HostSpec(
        id="measured",
        name="measured",
        gpus=8,
        memory_bytes=10**12,
        memory_bandwidth_bytes_per_s=300e9,
        cpu_cores=64,
        pcie_bytes_per_s=gpu.pcie_bytes_per_s or 31.5e9,
        fast_link_gpus=fast,
    )


def _engine(engine_id: str, version: str) -> EngineSpec:
    formats = {
        f.id: FormatSupport(min_compute_capability=(7, 0), native_from=NATIVE_FROM.get(f.id)) for f in WEIGHT_FORMATS
    }
    return EngineSpec(
        id=engine_id,
        version=version,
        name=engine_id,
        kv_pool_rule="fraction_of_total",
        memory_fraction=0.9,
        block_tokens=16,
        cuda_graphs_in_budget=True,
        scheduler_defaults=(SchedulerDefault(min_memory_bytes=0, max_num_batched_tokens=8192, max_num_seqs=256),),
        min_compute_capability=(7, 0),
        weight_formats=formats,
    )


def _load(row: Mapping[str, str]) -> Load | None:
    isl, osl, value = _number(row["isl"]), _number(row["osl"]), _number(row["load_value"])
    if row["mode"].startswith("pp ("):
        osl = 1.0
    if row["mode"].startswith("tg ("):
        isl = 1.0
    if not isl or not osl:
        return None
    shorter = 0.9 if "range ratio 0.8" in row["len_kind"] else 1.0
    requests = _number(row["num_requests"])
    unbounded = value is None or value == float("inf") or (requests is not None and value >= requests)
    match row["load_kind"]:
        case "concurrency":
            kind, amount = "concurrency", value
        case "qps":
            kind, amount = ("burst", requests) if unbounded else ("rate", value)
        case "max":
            kind, amount = ("burst", requests) if requests else ("saturation", 0.0)
        case _:
            kind, amount = "burst", requests or value
    if amount is None or amount == float("inf"):
        return None
    return Load(
        kind=kind,  # type: ignore[arg-type]
        value=amount,
        input_tokens=Lengths.fixed(isl * shorter),
        output_tokens=Lengths.fixed(osl * shorter),
    )


def _measured(row: Mapping[str, str]) -> dict[str, float]:
    tpot_ms = _first(row, "tpot_ms_mean", "tpot_ms_p50", "itl_ms_mean")
    ttft_ms = _first(row, "ttft_ms_mean", "ttft_ms_p50")
    stream = _number(row["decode_tok_s_stream"])
    gpus = _number(row["gpus_total"]) or 1.0
    per_gpu = _number(row["output_tok_s_per_gpu"])
    total = _number(row["output_tok_s_total"]) or (per_gpu * gpus if per_gpu else None)
    latency_s, osl = _number(row["batch_latency_s"]), _number(row["osl"])
    if total is None and latency_s and osl and row["load_kind"].startswith("batch"):
        total = osl * (_number(row["num_requests"]) or _number(row["load_value"]) or 1.0) / latency_s
    prefill = _number(row["prefill_tok_s"])
    found = {
        "tpot": tpot_ms / 1e3 if tpot_ms else 1.0 / stream if stream else None,
        "ttft": ttft_ms / 1e3 if ttft_ms else None,
        "throughput": total,
    }
    if prefill and row["mode"].startswith("pp ("):
        found["ttft"] = float(row["isl"]) / prefill
    if "multi-turn" in row["len_kind"]:
        found["ttft"] = None
    if row["load_kind"].startswith(("batch", "max")) and (_number(row["num_requests"]) or 1.0) > 1.0:
        found["tpot"] = None  # a burst fills and drains: its mean TPOT is no steady state's
    return {name: value for name, value in found.items() if value and value > 0}


def _without_faster_than_possible(cases: list[Case]) -> Iterator[Case]:
    """Drop whole configurations of which any row beats its bandwidth bound: they speculate and do not say so."""
    impossible = {_configuration(case) for case in cases if case.measured.get("tpot", 1.0) < _bound_s(case)}
    return (case for case in cases if _configuration(case) not in impossible)


def _configuration(case: Case) -> tuple[str, ...]:
    replica = case.replica
    return (case.source, case.gpu_key, case.model_key, replica.engine.id, replica.weights.id)


def _bound_s(case: Case) -> float:
    """Weights of one token over the published memory bandwidth, with a tenth of slack."""
    replica, work = case.replica, case.work
    least = work.dense_bytes + work.head_bytes + sum(e.resident_bytes * e.coverage(1.0) for e in work.experts)
    return 0.9 * replica.parallel.pp * least / replica.gpu.memory_bandwidth_bytes_per_s


def _weights(row: Mapping[str, str]) -> WeightFormat | None:
    words = row["quantization"].lower()
    wanted = next((name for word, name in FORMAT_WORDS if word in words), None)
    if wanted == "nvfp4" and row["model_key"].startswith("gpt-oss"):
        wanted = "mxfp4"
    if wanted == "fp8" and "deepseek" in row["model_key"]:
        wanted = "fp8-block"
    return weight_format(wanted, None) if wanted else None


def _engine_id(name: str) -> str | None:
    folded = name.lower()
    return next((engine_id for word, engine_id in ENGINE_IDS if word in folded), None)


def _noted(notes: str, keys: tuple[str, ...]) -> int | None:
    for key in keys:
        _, found, rest = notes.partition(key)
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        if found and digits:
            return int(digits)
    return None


def _first(row: Mapping[str, str], *names: str) -> float | None:
    return next((value for name in names if (value := _number(row[name]))), None)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

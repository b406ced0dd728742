"""Published measurements against the whole chain: catalogue, memory budget, shipped calibration, estimate.

Each pinned row is somebody else's measurement; the bounds are loose on purpose, a later change that leaves them has
broken a term and not just moved a coefficient. The second half reads the whole table where it is at hand.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.calibrations import load_calibrations
from llmplan.catalogs.engines import engine_library
from llmplan.catalogs.gpus import gpu_library
from llmplan.catalogs.hosts import host_library
from llmplan.catalogs.models import load_models
from llmplan.memory import budget, kv_format, weight_format
from llmplan.perf import estimate, select_calibration
from llmplan.perf.calibration import COEFFICIENT_NAMES
from llmplan.plan.deployment import EngineSettings, Parallelism, Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget
from llmplan.spec.workload import Lengths

LAYERS = (packaged_profiles(),)
FACTOR = 1.6
"""bound on measured / predicted, either way"""

SILICON = "ai-dynamo/aiconfigurator 095f58a5, silicon_sample.csv (mean lengths are 0.9 of the nominal ones)"
ACCELMARK = "FreedomIntelligence/AccelMark 5797fc42, verified results"
TRTLLM = "NVIDIA/TensorRT-LLM 00f37686, docs/source/performance/perf-overview.md (release 1.0)"
GPUSTACK = "gpustack/gpustack 47277d79, docs/performance-lab/qwen3-8b/h100-latency.md"
XD = "XiongjieDai/GPU-Benchmarks-on-LLM-Inference 00dd2bde, README.md"
NIM = "docs.nvidia.com/nim/benchmarking/llm/1.0.0/performance.md"

LLAMA_8B, LLAMA_70B = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-70B-Instruct"
OSS, R1, MIXTRAL = "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-R1", "mistralai/Mixtral-8x7B-Instruct-v0.1"
HGX, CARD = "hgx-8-h100", "pcie-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    engine: str
    model: str
    weights: str
    gpu: str
    host: str
    tp: int
    isl: float
    osl: float
    load: tuple[str, float]
    tpot_ms: float | None = None
    tokens_per_s: float | None = None
    source: str


def concurrent(users: int) -> tuple[str, float]:
    return ("concurrency", users)


ROWS = (
    Row(engine="vllm", model=LLAMA_70B, weights="fp8", gpu="h100-sxm-80gb", host=HGX, tp=2, isl=922, osl=922,
        load=concurrent(4), tpot_ms=17.41, source=SILICON),
    Row(engine="vllm", model=LLAMA_70B, weights="fp8", gpu="h100-sxm-80gb", host=HGX, tp=2, isl=922, osl=922,
        load=concurrent(32), tpot_ms=23.54, source=SILICON),
    Row(engine="vllm", model=LLAMA_70B, weights="fp8", gpu="h100-sxm-80gb", host=HGX, tp=2, isl=922, osl=7373,
        load=concurrent(32), tpot_ms=27.69, source=SILICON),
    Row(engine="vllm", model=LLAMA_70B, weights="nvfp4", gpu="b200-180gb", host="hgx-8-b200", tp=4, isl=922, osl=7373,
        load=concurrent(64), tpot_ms=11.34, source=SILICON),
    Row(engine="tensorrt-llm", model=LLAMA_70B, weights="nvfp4", gpu="b200-180gb", host="hgx-8-b200", tp=4, isl=922,
        osl=7373, load=concurrent(16), tpot_ms=7.42, source=SILICON),
    Row(engine="vllm", model=OSS, weights="mxfp4", gpu="h200-sxm-141gb", host=HGX, tp=1, isl=922, osl=7373,
        load=concurrent(64), tpot_ms=23.44, source=SILICON),
    Row(engine="tensorrt-llm", model=R1, weights="fp8-block", gpu="h200-sxm-141gb", host=HGX, tp=8, isl=922, osl=922,
        load=concurrent(16), tpot_ms=20.39, source=SILICON),
    Row(engine="vllm", model=LLAMA_8B, weights="bf16", gpu="a100-sxm-80gb", host="hgx-8-a100", tp=1, isl=256, osl=345,
        load=concurrent(1), tpot_ms=10.77, source=ACCELMARK + ", vLLM 0.20.1"),
    Row(engine="vllm", model=LLAMA_8B, weights="bf16", gpu="rtx-5090-32gb", host=CARD, tp=1, isl=259, osl=349,
        load=concurrent(1), tpot_ms=10.22, source=ACCELMARK + ", vLLM 0.19.1"),
    Row(engine="vllm", model=LLAMA_8B, weights="bf16", gpu="l4-24gb", host=CARD, tp=1, isl=257, osl=346,
        load=concurrent(1), tpot_ms=61.2, source=ACCELMARK + ", vLLM 0.7.3"),
    Row(engine="vllm", model="Qwen/Qwen3-8B", weights="bf16", gpu="h100-sxm-80gb", host=HGX, tp=1, isl=232.6, osl=220.6,
        load=concurrent(4), tpot_ms=7.38, tokens_per_s=496.9, source=GPUSTACK),
    Row(engine="tensorrt-llm", model=LLAMA_70B, weights="fp8", gpu="h200-sxm-141gb", host=HGX, tp=1, isl=1000, osl=1000,
        load=("burst", 3000), tokens_per_s=2909, source=TRTLLM),
    Row(engine="tensorrt-llm", model=LLAMA_70B, weights="fp8", gpu="h100-sxm-80gb", host=HGX, tp=2, isl=5000, osl=500,
        load=concurrent(5), tokens_per_s=218.5, source=NIM),
    Row(engine="tensorrt-llm", model=MIXTRAL, weights="fp8", gpu="h100-sxm-80gb", host=HGX, tp=1, isl=1000, osl=1000,
        load=("burst", 3000), tokens_per_s=6868.5, source=TRTLLM + ", release 0.17"),
    Row(engine="llama-cpp", model=LLAMA_8B, weights="gguf-q4_k_m", gpu="rtx-4090-24gb", host="workstation-ddr5-2ch",
        tp=1, isl=1, osl=512, load=concurrent(1), tpot_ms=1000 / 130.58, source=XD),
    Row(engine="llama-cpp", model=LLAMA_8B, weights="fp16", gpu="rtx-4090-24gb", host="workstation-ddr5-2ch",
        tp=1, isl=1, osl=4096, load=concurrent(1), tpot_ms=1000 / 52.0, source=XD),
)  # fmt: skip


def predicted(row: Row) -> Estimate:
    model = load_models(LAYERS)[row.model]
    gpu, host = gpu_library(LAYERS)[row.gpu], host_library(LAYERS)[row.host]
    engine = engine_library(LAYERS)[row.engine]
    default = engine.scheduler_default(gpu.memory_bytes, gpu.architecture)
    llama_cpp = row.engine == "llama-cpp"
    replica = Replica(
        model=model,
        gpu=gpu,
        host=host,
        engine=engine,
        parallel=Parallelism(tp=row.tp),
        weights=weight_format(row.weights, model),
        kv=kv_format("fp8" if row.engine == "tensorrt-llm" and row.weights != "fp8-block" else "bf16", model),
        settings=EngineSettings(
            max_model_len=int(1.2 * (row.isl + row.osl)) + 256,
            max_num_seqs=1 if llama_cpp else default.max_num_seqs,
            max_num_batched_tokens=default.max_num_batched_tokens,
            memory_fraction=engine.memory_fraction,
            block_tokens=engine.block_tokens,
        ),
    )
    memory = budget(replica)
    assert isinstance(memory, MemoryBudget), memory
    load = Load(
        kind=row.load[0],  # type: ignore[arg-type]
        value=row.load[1],
        input_tokens=Lengths.fixed(row.isl),
        output_tokens=Lengths.fixed(row.osl),
    )
    calibrations = load_calibrations(LAYERS)
    return estimate(replica, memory, load, select_calibration(calibrations, engine, gpu))


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda r: f"{r.engine}-{r.model.split('/')[1]}-{r.weights}-{r.gpu}-{r.load[1]}"
)
def test_a_published_measurement_is_near_its_prediction(row: Row) -> None:
    found = predicted(row)
    if row.tpot_ms is not None:
        assert 1 / FACTOR < row.tpot_ms / (found.tpot_s.mid * 1000) < FACTOR
    if row.tokens_per_s is not None:
        assert 1 / FACTOR < row.tokens_per_s / found.output_tokens_per_s.mid < FACTOR


def test_kv_capacity_decides_the_batch() -> None:
    """70B fp8 on one GPU, 128 in and 2048 out: H200 4166 tokens/s, H100 911 (TensorRT-LLM 0.17 and 0.20)."""
    for gpu, tokens_per_s in (("h200-sxm-141gb", 4166), ("h100-sxm-80gb", 911)):
        row = Row(engine="tensorrt-llm", model=LLAMA_70B, weights="fp8", gpu=gpu, host=HGX, tp=1, isl=128,
                  osl=2048, load=("burst", 1500), tokens_per_s=tokens_per_s, source=TRTLLM)  # fmt: skip
        assert 1 / FACTOR < tokens_per_s / predicted(row).output_tokens_per_s.mid < FACTOR


def scripts() -> ModuleType:
    """scripts/fit_calibration.py, which knows how to read the table."""
    folder = Path(__file__).parents[2] / "scripts"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("fit_calibration", folder / "fit_calibration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fit_calibration"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("quantity", "bound"), [("tpot", 0.12), ("throughput", 0.12), ("ttft", 0.25)])
def test_half_of_the_whole_table_is_near(quantity: str, bound: float) -> None:
    """Median absolute error over every usable row, with the coefficients as shipped."""
    fit = scripts()
    folder = fit.data_folder()
    if folder is None:
        pytest.skip("no throughput.csv: set LLMPLAN_DATA to the folder that has it")
    coefficients = {
        (c.engine, c.generation): {name: c.coefficients[name] for name in COEFFICIENT_NAMES}
        for c in load_calibrations(LAYERS)
    }
    cases = [case for case in fit.read_cases(folder) if quantity in case.measured]
    errors = []
    for case in cases:
        value = fit.predict(case, fit.choose(coefficients, case))[quantity]
        if not math.isnan(value):
            errors.append(abs(value / case.measured[quantity] - 1.0))
    assert len(errors) > 700
    assert np.median(errors) < bound

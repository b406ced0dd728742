"""Random questions about speed: catalogue models on catalogue GPUs, cut in any way that fits and that engines start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from llmplan import checks, memory, perf
from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.cli._options import ReplicaFlags
from llmplan.cli._replica import build
from llmplan.perf.work import Work, work_of
from llmplan.plan.deployment import Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget
from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Lengths

MODELS = (
    "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-2-7b-hf",
    "Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-32B-Instruct", "Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-235B-A22B", "Qwen/Qwen3-Next-80B-A3B-Instruct", "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-V2-Lite-Chat", "google/gemma-2-27b-it", "openai/gpt-oss-20b",
    "openai/gpt-oss-120b", "MiniMaxAI/MiniMax-M2.5", "EleutherAI/gpt-j-6b",
)  # fmt: skip
"""one of every kind: dense, grouped, latent and windowed attention, recurrences, experts, tied embeddings"""
GPUS = (
    "h100-sxm-80gb", "h200-sxm-141gb", "b200-180gb", "a100-sxm-80gb", "a100-sxm-40gb", "l40s-48gb", "l4-24gb",
    "rtx-4090-24gb", "rtx-3090-24gb", "rtx-pro-6000-96gb", "mi300x-192gb",
)  # fmt: skip
ENGINES = ("vllm", "sglang", "tensorrt-llm")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Setup:
    """A replica that fits and starts, ready to be asked."""

    replica: Replica
    memory: MemoryBudget
    calibration: Calibration
    isl: int
    osl: int

    def __repr__(self) -> str:
        replica, parallel = self.replica, self.replica.parallel
        cut = f"TP {parallel.tp} PP {parallel.pp} DP {parallel.dp}, max_model_len {replica.settings.max_model_len}"
        what = f"{replica.model.id} {replica.weights.id} on {replica.gpu.id} by {replica.engine.ref}"
        return f"<{what}, {cut}, {self.isl} in, {self.osl} out>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For hypothesis, which would print the whole catalogue entry."""
        printer.text(repr(self))

    def ask(self, kind: str, value: float, isl: int | None = None) -> Estimate:
        """What is predicted under one load."""
        load = Load(
            kind=kind,  # type: ignore[arg-type]
            value=float(value),
            input_tokens=Lengths.fixed(float(isl or self.isl)),
            output_tokens=Lengths.fixed(float(self.osl)),
        )
        return perf.estimate(self.replica, self.memory, load, self.calibration)

    @property
    def work(self) -> Work:
        """Bytes and FLOP of the busiest rank."""
        return work_of(self.replica.model, self.replica.weights, self.replica.kv, self.replica.parallel)

    @property
    def context(self) -> float:
        """Mean tokens of a running request."""
        return self.isl + self.osl / 2.0


@cache
def catalog() -> Catalog:
    """The packaged one."""
    return load_catalog((packaged_profiles(),), price_date=date(2026, 11, 22))


@cache
def set_up(model: str, gpu: str, engine: str, cut: tuple[tuple[str, Any], ...], tokens: int) -> Setup | None:
    """The replica, or None where it does not fit or its engine does not start it."""
    flags = replace(ReplicaFlags(gpu=gpu, engine=engine), **dict(cut))
    built = build(catalog().models[model], flags, catalog(), tokens)
    if any(check.severity == "error" for check in checks.run(built.replica)):
        return None
    budget = memory.budget(built.replica)
    if not isinstance(budget, MemoryBudget):
        return None
    calibration = perf.select_calibration(catalog().calibrations, built.replica.engine, built.replica.gpu)
    return Setup(replica=built.replica, memory=budget, calibration=calibration, isl=1, osl=1)


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    """Tensor parallel sizes are tried upwards from the drawn one until the model fits."""
    model, gpu, engine = (draw(st.sampled_from(names)) for names in (MODELS, GPUS, ENGINES))
    isl, osl = draw(st.integers(1, 12_000)), draw(st.integers(2, 4_000))
    limit = catalog().models[model].max_context_tokens
    isl = max(1, min(isl, limit // 4))
    osl = max(2, min(osl, limit // 4))
    cut: dict[str, Any] = {"pp": draw(st.sampled_from([1, 1, 1, 2])), "dp": draw(st.sampled_from([1, 1, 2]))}
    cut["weights"] = draw(st.sampled_from(["auto", "auto", "fp8", "w4a16"]))
    cut["max_model_len"] = min(limit, 2 * (isl + osl) + 16)
    smallest = draw(st.sampled_from([1, 2, 4, 8]))
    for tp in (size for size in (1, 2, 4, 8) if size >= smallest):
        found = set_up(model, gpu, engine, tuple({**cut, "tp": tp}.items()), isl + osl)
        if found is not None:
            return replace(found, isl=isl, osl=osl)
    assume(False)
    raise AssertionError

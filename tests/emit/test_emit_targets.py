"""Targets: which row is launched, which engine, and what is refused in words."""

from __future__ import annotations

import copy
from datetime import date

import pytest

import plan_samples as sample
from llmplan import emit
from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.emit.compatibility import LIMITS
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism


@pytest.mark.parametrize("target", ["vllm", "tensorrt-llm", "llama-cpp", "docker-compose"])
def test_every_target_gives_files_and_the_same_twice(target: str) -> None:
    llama = sample.replica(weights="gguf-q4_k_m", kv="fp16", engine=sample.engine("llama-cpp", host_layers=True))
    plan = sample.plan(sample.option(of=llama if target == "llama-cpp" else None))
    files = emit.emit(plan, strategy=None, target=target)
    assert files
    assert len({file.path for file in files}) == len(files)
    assert files == emit.emit(copy.deepcopy(plan), strategy=None, target=target)
    assert all("Llama-3.1-8B" in file.header[0] for file in files)


def test_compose_follows_the_planned_engine() -> None:
    trt = sample.engine("tensorrt-llm", image="nvcr.io/nvidia/tensorrt-llm/release:1.2.1", version="1.2.1")
    plan = sample.plan(sample.option(of=sample.replica(engine=trt)))
    paths = {file.path: file for file in emit.emit(plan, strategy=None, target="docker-compose")}
    assert set(paths) == {"compose.yaml", "trtllm.yaml"}
    service = paths["compose.yaml"].content["services"]["llm"]
    assert service["image"].endswith(":1.2.1")
    assert "./trtllm.yaml:/config/trtllm.yaml:ro" in service["volumes"]
    assert service["command"][1:3] == ["--config", "/config/trtllm.yaml"]


def test_an_unknown_target_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="vllm, tensorrt-llm, llama-cpp, docker-compose"):
        emit.emit(sample.plan(), strategy=None, target="nomad")
    with pytest.raises(UsageError) as caught:
        emit.find_target("vlm")
    assert caught.value.hints == ("did you mean vllm?",)


def test_a_token_api_has_nothing_to_launch() -> None:
    plan = sample.plan(sample.token_option(), sample.option(), recommended="serverless")
    with pytest.raises(UsageError, match="hosted token API") as caught:
        emit.emit(plan, strategy=None, target="vllm")
    assert caught.value.hints == ("llmplan emit-config PLAN --strategy dedicated ...",)
    assert emit.emit(plan, strategy="dedicated", target="vllm")


def test_a_rejected_row_and_an_empty_plan() -> None:
    with pytest.raises(UsageError, match="quantized was rejected in this plan: does not fit"):
        emit.emit(sample.plan(), strategy="quantized", target="vllm")
    nothing = sample.plan(sample.token_option(), recommended=None)
    with pytest.raises(UsageError, match="recommends nothing"):
        emit.emit(nothing, strategy=None, target="vllm")


def test_another_engine_than_the_planned_one_is_said() -> None:
    plan = sample.plan()
    assert emit.notes(plan, strategy=None, target="vllm") == ()
    (note,) = emit.notes(plan, strategy=None, target="tensorrt-llm")
    assert "predicted for vllm@0.33.0, not for tensorrt-llm" in note
    assert note in emit.emit(plan, strategy=None, target="tensorrt-llm")[0].header


@pytest.mark.parametrize(
    ("target", "capability", "weights", "kv", "message"),
    [
        ("tensorrt-llm", (8, 0), "fp8", "bf16", r"does not run weights in fp8 on .* \(compute capability 8\.0\)"),
        ("tensorrt-llm", (7, 5), "fp16", "fp16", r"does not run on .*: it needs 8\.0"),
        ("tensorrt-llm", (10, 0), "awq-int4", "bf16", r"it needs 8\.0 to 9\.0"),
        ("tensorrt-llm", (9, 0), "int8", "bf16", "does not run weights in int8"),
        ("tensorrt-llm", (9, 0), "gguf-q4_k_m", "bf16", "does not run weights in gguf-q4_k_m"),
        ("llama-cpp", (9, 0), "awq-int4", "fp16", "does not run weights in awq-int4"),
        ("llama-cpp", (9, 0), "bf16", "fp8", "does not run a KV cache in fp8"),
        ("llama-cpp", None, "bf16", "bf16", "needs an NVIDIA GPU"),
    ],
)
def test_what_the_other_engine_cannot_run_is_refused(
    target: str, capability: tuple[int, int] | None, weights: str, kv: str, message: str
) -> None:
    replica = sample.replica(gpu=sample.gpu(capability), weights=weights, kv=kv)
    with pytest.raises(UsageError, match=message) as caught:
        emit.emit(sample.plan(sample.option(of=replica)), strategy=None, target=target)
    assert "--target vllm" in caught.value.hints[0]


@pytest.mark.parametrize(
    ("capability", "weights", "message"),
    [((9, 0), "gguf-q4_k_m", "does not run weights in gguf"), ((7, 0), "fp16", r"it needs 7\.5")],
)
def test_vllm_for_a_llama_cpp_plan(capability: tuple[int, int], weights: str, message: str) -> None:
    replica = sample.replica(gpu=sample.gpu(capability), weights=weights, kv="fp16", engine=sample.engine("llama-cpp"))
    with pytest.raises(UsageError, match=message):
        emit.emit(sample.plan(sample.option(of=replica)), strategy=None, target="vllm")


def test_fractions_of_memory_are_translated_not_copied() -> None:
    """TensorRT-LLM's fraction is of what is free after loading: the pool keeps its planned size."""
    files = {file.path: file.content for file in emit.emit(sample.plan(), strategy=None, target="tensorrt-llm")}
    fraction = files["trtllm.yaml"]["kv_cache_config"]["free_gpu_memory_fraction"]
    budget = sample.memory_budget()
    free_bytes = budget.total_bytes - (budget.budget_bytes - budget.kv_cache_bytes.mid)
    assert fraction * free_bytes == pytest.approx(budget.kv_cache_bytes.mid, rel=2e-3)
    assert fraction * free_bytes <= budget.kv_cache_bytes.mid
    trt = sample.replica(engine=sample.engine("tensorrt-llm"), settings=sample.settings(memory_fraction=0.5))
    words = emit.emit(sample.plan(sample.option(of=trt)), strategy=None, target="vllm")[0].content.words
    assert float(words[words.index("--gpu-memory-utilization") + 1]) == pytest.approx(
        budget.budget_bytes / budget.total_bytes, abs=1e-3
    )


def test_the_header_says_how_many_replicas_and_what_they_cost() -> None:
    replica = sample.replica(parallel=Parallelism(tp=2))
    header = "\n".join(emit.emit(sample.plan(sample.option(of=replica)), strategy=None, target="vllm")[0].header)
    assert "2 x h100-sxm-80gb, TP2" in header
    assert "2 such replicas (4 GPUs)" in header
    assert "$2,500 per month" in header
    assert "2026-11-22" in header


def test_a_refusal_hints_only_at_targets_that_there_are() -> None:
    hints = {}
    for engine in ("vllm", "sglang"):
        planned = sample.replica(weights="int8", engine=sample.engine(engine))
        with pytest.raises(UsageError, match="does not run weights in int8") as caught:
            emit.emit(sample.plan(sample.option(of=planned)), strategy=None, target="tensorrt-llm")
        hints[engine] = caught.value.hints
    other = "llmplan recommend ... --engine ENGINE plans for another"
    assert hints == {"vllm": ("llmplan emit-config PLAN --target vllm", other), "sglang": (other,)}


FALLS_BACK = "vLLM runs a bf16 checkpoint in fp16 where the GPU has no bf16, so that its launch files work from 7.5 on"
DEVIATIONS = {("vllm", "weights", "bf16"): FALLS_BACK, ("vllm", "kv", "bf16"): FALLS_BACK}
"""where the short list says something else than the engine's profile, and why"""


def test_the_short_list_says_what_the_engine_profiles_say() -> None:
    """A plan holds the planned engine alone, so the others' limits stand in code: they must not drift apart."""
    deviating, seen = set(), set()
    engines = load_catalog([packaged_profiles()], price_date=date(2026, 11, 22)).engines
    for engine in engines.values():
        limits = LIMITS.get(engine.id)
        if limits is None or engine.version != engines[engine.id].version:
            continue
        seen.add(engine.id)
        assert limits.min_compute_capability == engine.min_compute_capability, engine.ref
        for kind, ours, theirs in (
            ("weights", limits.weights, engine.weight_formats), ("kv", limits.kv, engine.kv_formats),
        ):  # fmt: skip
            assert set(ours) == set(theirs), (engine.ref, kind)
            for name in ours:
                spans = {
                    (each.min_compute_capability, each.max_compute_capability) for each in (ours[name], theirs[name])
                }
                deviating |= {(engine.id, kind, name)} if len(spans) > 1 else set()
    assert seen == set(LIMITS)
    assert deviating == set(DEVIATIONS)

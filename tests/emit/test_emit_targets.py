"""Targets: which row is launched, which engine, and what is refused in words."""

from __future__ import annotations

import copy

import pytest

import plan_samples as sample
from llmplan import emit
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism


@pytest.mark.parametrize("target", ["vllm", "sglang", "tensorrt-llm", "llama-cpp", "docker-compose", "systemd"])
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
    mounted = {"type": "bind", "source": "./trtllm.yaml", "target": "/config/trtllm.yaml", "read_only": True}
    assert mounted in service["volumes"]
    assert service["command"][1:3] == ["--config", "/config/trtllm.yaml"]


def test_an_unknown_target_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="vllm, sglang, tensorrt-llm, llama-cpp, docker-compose"):
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


def test_another_engine_gets_the_replica_with_its_own_settings() -> None:
    plan = sample.plan(engines=(sample.engine("sglang"), sample.engine("tensorrt-llm", memory_fraction=0.9)))
    there = emit.launched(plan, strategy=None, target="tensorrt-llm")
    assert (there.engine.id, there.settings.memory_fraction) == ("tensorrt-llm", 0.9)
    assert emit.launched(plan, strategy=None, target="vllm") == sample.replica()


def test_a_gpu_without_bfloat16_loads_the_other_16_bit_type() -> None:
    plan = sample.plan(sample.option(of=sample.replica(gpu=sample.gpu((7, 5)), engine=sample.engine("sglang"))))
    there = emit.launched(plan, strategy=None, target="vllm")
    assert (there.weights.id, there.kv.id) == ("bf16", "bf16"), "the figures say that it computes in bf16"
    turing = sample.gpu((7, 5), peak_flop_per_s={"fp16": 65e12})
    plan = sample.plan(sample.option(of=sample.replica(gpu=turing, engine=sample.engine("sglang"))))
    there = emit.launched(plan, strategy=None, target="vllm")
    assert (there.weights.id, there.kv.id) == ("fp16", "fp16")


def test_emitted_builds_are_for_cuda() -> None:
    other = sample.replica(gpu=sample.gpu(None, vendor="AMD"))
    with pytest.raises(UsageError, match="needs an NVIDIA GPU"):
        emit.emit(sample.plan(sample.option(of=other)), strategy=None, target="llama-cpp")


def test_a_plan_from_before_it_carried_other_engines_is_refused() -> None:
    with pytest.raises(UsageError, match="does not know what llama-cpp runs") as caught:
        emit.emit(sample.plan(engines=()), strategy=None, target="llama-cpp")
    assert caught.value.hints[0] == "llmplan recommend ... -o plan.yaml plans again"


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

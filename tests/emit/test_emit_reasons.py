"""Reasons are the plan's own figures, and fractions of memory keep the pool when they are translated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import plan_samples as sample
from llmplan.emit import Setting, Variant, emit, fractions, reasons
from llmplan.emit.launch_file import LaunchFile, reasons_of
from llmplan.emit.selection import Launch, select
from llmplan.plan.ledger import Ledger, Line
from llmplan.plan.outcome import MemoryBudget
from llmplan.spec.engine import KvPoolRule
from llmplan.spec.workload import Lengths, Workload
from llmplan.units import GIB


def launch(workload: Workload | None = None, **parts: Any) -> Launch:
    plan = sample.plan(sample.option(of=sample.replica(**parts)))
    question = plan.question if workload is None else replace(plan.question, workload=workload)
    return select(replace(plan, question=question), None, Variant())


def test_the_longest_requests_are_those_of_the_workload() -> None:
    lengths = Lengths(mean=800, p99=6000)
    workload = Workload(input_tokens=lengths, output_tokens=Lengths.fixed(300))
    assert "6,000 tokens in and 300 out (99th percentile), rounded up" in reasons.context(launch(workload))
    short = sample.settings(max_model_len=4096)
    assert "longer ones than 4,096 are refused" in reasons.context(launch(workload, settings=short))
    stated = replace(workload, context_tokens=8192)
    assert "8,192 tokens, as stated" in reasons.context(launch(stated))


def test_the_pool_says_how_many_requests_it_holds() -> None:
    """1,000 + 300 tokens take 82 blocks of 16; the pool has 28,610."""
    assert f"holds {28610 / 82:,.0f} of 1,300 tokens" in reasons.sequences(launch())


def test_the_budget_is_told_by_its_largest_lines() -> None:
    lines = [("weights", 15), ("KV pool", 50), ("CUDA graphs", 1), ("LoRA adapters", 0)]
    ledger = Ledger(
        unit="byte", lines=tuple(Line(name=name, amount=n * GIB, unit="byte", formula="") for name, n in lines)
    )
    budget = replace(sample.memory_budget(), ledger=ledger, budget_bytes=66 * GIB, total_bytes=80 * GIB)
    option = sample.option(memory=budget)
    found = reasons.memory_share(select(sample.plan(option), None))
    assert found == (
        "planned budget 66.00 GiB of 80.00 GiB: KV pool 50.00 GiB, weights 15.00 GiB, CUDA graphs 1.00 GiB"
    )


def test_without_a_budget_nothing_is_invented() -> None:
    bare = select(sample.plan(sample.option(memory=None)), None)
    texts = [
        reason(bare)
        for reason in (
            reasons.sequences, reasons.step_tokens, reasons.memory_share, reasons.pool, reasons.tensor_parallel,
            reasons.kv_format, reasons.block,
        )
    ]  # fmt: skip
    assert all(texts)
    assert not [text for text in texts if "GiB" in text or "KiB" in text]


def budget_of(total: float, weights: float, pool: float, other: tuple[float, float, float]) -> MemoryBudget:
    activation, graphs, context = other
    return replace(
        sample.memory_budget(), total_bytes=int(total), budget_bytes=int(weights + pool + sum(other)),
        weights_bytes=weights, activation_bytes=activation, cuda_graph_bytes=graphs, non_torch_bytes=context,
        kv_cache_bytes=replace(sample.memory_budget().kv_cache_bytes, low=pool, mid=pool, high=pool),
    )  # fmt: skip


@pytest.mark.parametrize("rule", ["fraction_of_total", "fraction_static", "fraction_of_free"])
@pytest.mark.parametrize(("weights", "pool"), [(16e9, 40e9), (70e9, 2e9), (1e9, 60e9)])
def test_a_translated_share_gives_the_planned_pool(rule: KvPoolRule, weights: float, pool: float) -> None:
    """The rules forwards, as the engines state them: total, weights and the rest are those of the plan."""
    total, other = 85e9, (1.2e9, 0.8e9, 0.5e9)
    share = fractions.share_of(budget_of(total, weights, pool, other), rule)
    rest, context = sum(other), other[2]
    made = {
        "fraction_of_total": total * share - weights - rest,
        "fraction_static": (total - context) * share - weights,
        "fraction_of_free": (total - weights - rest) * share,
    }[rule]
    assert pool - 0.001 * total <= made <= pool


def every_setting(target: str, **parts: Any) -> list[tuple[LaunchFile, Setting]]:
    files = emit(sample.plan(sample.option(of=sample.replica(**parts))), strategy=None, target=target)
    return [(file, setting) for file in files for setting in file.settings]


LLAMA: dict[str, Any] = {"weights": "gguf-q4_k_m", "kv": "fp16", "engine": sample.engine("llama-cpp")}


@pytest.mark.parametrize("target", ["vllm", "sglang", "tensorrt-llm", "llama-cpp", "docker-compose", "systemd"])
def test_every_setting_says_why_in_one_line(target: str) -> None:
    found = every_setting(target, **(LLAMA if target == "llama-cpp" else {}))
    assert found
    for _, setting in found:
        assert setting.why, setting.name
        assert "\n" not in setting.why


def test_only_what_differs_from_the_default_is_commented() -> None:
    vllm = {setting.name: setting for file, setting in every_setting("vllm") if file.path == "vllm.yaml"}
    assert (vllm["--max-num-seqs"].default, vllm["--max-num-seqs"].is_default) == ("256", False)
    assert vllm["--gpu-memory-utilization"].is_default  # 0.92 in both
    (config,) = {id(file): file for file, _ in every_setting("vllm") if file.path == "vllm.yaml"}.values()
    assert config.comments[("max-num-seqs",)] == vllm["--max-num-seqs"].why
    assert ("gpu-memory-utilization",) not in config.comments
    assert config.comments == reasons_of(config.settings)


def test_another_engine_s_defaults_are_not_those_of_the_planned_one() -> None:
    sglang = {setting.name: setting for _, setting in every_setting("sglang")}
    assert sglang["--max-running-requests"].default is None
    assert sglang["--chunked-prefill-size"].default is None
    assert sglang["--mem-fraction-static"].default is None

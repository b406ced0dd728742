"""Activation peak, graphs and what the engine keeps besides, against start-up logs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan.memory.loaded import allocator_rounding_bytes
from llmplan.memory.runtime import RuntimeSetting, captured_sizes, compute_buffer, runtime_memory, version_of
from llmplan.memory.stages import stage_ranges
from llmplan.plan.deployment import Parallelism
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB, MIB

OLD = RuntimeSetting(
    rule="fraction_of_total", version=(0, 14), max_num_batched_tokens=8192, max_num_seqs=1024,
    parallel=Parallelism(), graphs=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("vocabulary", "seqs", "printed_gib"),
    [
        # "peak activation memory" of vLLM 0.7 to 0.14 on one A10G and several H100
        (152064, 256, 1.43),
        (128256, 1024, 4.84),
        (151936, 1024, 5.64),
        (201088, 1024, 7.38),
        (151936, 256, 1.40),
    ],
)
def test_sampler_law(models: dict[str, ModelSpec], vocabulary: int, seqs: int, printed_gib: float) -> None:
    model = replace(models["llama-3.1-8b"], vocab_size=vocabulary)
    peak = runtime_memory(model, replace(OLD, max_num_seqs=seqs)).activation.size
    assert peak.mid / GIB == pytest.approx(printed_gib, rel=0.05)
    assert peak.low / GIB < printed_gib < 1.01 * peak.high / GIB


def test_newer_versions_sort_less(models: dict[str, ModelSpec]) -> None:
    new = runtime_memory(models["llama-3.1-8b"], replace(OLD, version=version_of("0.33.0"))).activation.size
    assert 2.5 <= new.mid / (1024 * 128256 * 4) <= 5.6


def test_forward_pass_takes_over_with_few_sequences(models: dict[str, ModelSpec]) -> None:
    few = replace(OLD, max_num_seqs=1)
    small = runtime_memory(models["llama-3.3-70b"], few).activation.size.mid
    cut = runtime_memory(models["llama-3.3-70b"], replace(few, parallel=Parallelism(tp=4))).activation.size.mid
    assert small == 2 * 8192 * (4 * 8192 + 3 * 28672)
    assert cut == 2 * 8192 * (4 * 8192 + 3 * 28672 / 4)


@pytest.mark.parametrize(
    ("vocabulary", "hidden", "printed_mib"),
    # ik_llama.cpp discussions 370 and 357: Qwen3-30B-A3B and Qwen3-235B-A22B with flash attention
    [(151936, 2048, 304.75), (151936, 4096, 312.75)],
)
def test_compute_buffer(models: dict[str, ModelSpec], vocabulary: int, hidden: int, printed_mib: float) -> None:
    model = replace(models["llama-3.1-8b"], vocab_size=vocabulary, hidden_size=hidden)
    assert compute_buffer(model).size.mid / MIB == printed_mib


@pytest.mark.parametrize(
    ("layers", "tp", "printed_gib"),
    # "Graph capturing finished ... took": 7B on A100 (TP1, TP2), 72B on A100 (TP4), R1 on H800 (TP16), 27B on a 3090
    [(28, 1, 0.50), (28, 2, 0.65), (80, 4, 2.65), (61, 16, 3.51), (64, 1, 0.71)],
)
def test_graphs_lie_in_their_band(models: dict[str, ModelSpec], layers: int, tp: int, printed_gib: float) -> None:
    model = models["llama-3.1-8b"]
    model = replace(model, layers=(replace(model.layers[0], count=layers, indices=tuple(range(layers))),))
    setting = replace(OLD, graphs=True, parallel=Parallelism(tp=tp))
    band = runtime_memory(model, setting).graphs.size
    assert band.low <= printed_gib * GIB <= band.high


def test_captured_sizes() -> None:
    sizes = [1, 2, 4, *range(8, 257, 8), *range(272, 513, 16)]
    assert captured_sizes(1024) == len(sizes) == 51
    assert captured_sizes(100) == len([size for size in sizes if size <= 200])


def test_leftover_layers_go_before_the_last_stage() -> None:
    assert [len(stage) for stage in stage_ranges(62, 4)] == [15, 16, 16, 15]
    assert stage_ranges(5, 1) == (range(5),)


def test_allocator_rounds_only_segments_of_its_own() -> None:
    """Qwen2-7B: gate and up are 259 MiB in a segment of 260, down 129.5 in 130; a small norm shares one."""
    assert allocator_rounding_bytes(259 * MIB) == MIB
    assert allocator_rounding_bytes(129.5 * MIB) == MIB / 2
    assert allocator_rounding_bytes(24.5 * MIB) == 0
    assert allocator_rounding_bytes(7168) == 0

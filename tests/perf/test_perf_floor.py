"""Bands end where physics does: no edge reads faster than the memory or computes faster than the tensor cores."""

from __future__ import annotations

import pytest
from perf_builders import (
    DESKTOP,
    FORMATS,
    H100,
    LLAMA_8B,
    LLAMA_70B,
    MIXTRAL,
    RTX4090,
    budget,
    calibration,
    load,
    replica,
)

from llmplan.perf import estimate
from llmplan.plan.deployment import Offload, Parallelism, Replica
from llmplan.plan.outcome import Estimate
from llmplan.spec.calibration import ResidualBand

LAYERS_8B = 32 * (4096 * (4096 + 1024 + 1024 + 4096) + 3 * 4096 * 14336)
HEAD_8B = 128256 * 4096
LAYERS_70B = 80 * (8192 * (8192 + 1024 + 1024 + 8192) + 3 * 8192 * 28672)


def hopeful(of: Replica, tokens_in: float = 1000) -> Estimate:
    """An estimate whose residuals promise a tenth of every time."""
    bands = {name: ResidualBand(low_ratio=0.1, high_ratio=1.5, rows=9) for name in ("ttft", "tpot", "throughput")}
    return estimate(of, budget(), load("rate", 0.01, tokens_in, 300), calibration(bands=bands))


def test_no_token_is_faster_than_the_weights_are_read() -> None:
    cache_bytes = 32 * 2 * 8 * 128 * 2 * 1150
    bound_s = (2 * (LAYERS_8B + HEAD_8B) + cache_bytes) / H100.memory_bandwidth_bytes_per_s
    assert hopeful(replica()).tpot_s.low == pytest.approx(bound_s, rel=1e-3)


def test_70b_in_fp8_on_one_h100_never_exceeds_47_tokens_per_s() -> None:
    """3350 GB/s over 70.6 GB: a published claim of 120 tokens/s on this machine is wrong."""
    assert 1 / hopeful(replica(LLAMA_70B, weights=FORMATS["fp8"])).tpot_s.low <= 48


def test_experts_count_as_many_as_one_token_needs() -> None:
    """Mixtral reads 2 of 8 experts for one token: 12.9 B of its 46.7 B weights."""
    bound_s = 2 * 12.75e9 / H100.memory_bandwidth_bytes_per_s / 2
    assert hopeful(replica(MIXTRAL, parallel=Parallelism(tp=2))).tpot_s.low == pytest.approx(bound_s, rel=0.02)


def test_no_prompt_is_faster_than_its_flop() -> None:
    bound_s = 2 * LAYERS_8B * 4000 / H100.peak_flop_per_s["bf16"]
    assert hopeful(replica(), tokens_in=4000).ttft_s.low == pytest.approx(bound_s, rel=0.05)


def test_an_edge_above_the_bound_stays() -> None:
    estimated = estimate(replica(), budget(), load("rate", 0.01), calibration())
    assert estimated.tpot_s.low == pytest.approx(0.8 * estimated.tpot_s.mid)


def test_layers_on_the_host_are_computed_too() -> None:
    """A long prompt moves the host's layers over PCIe, and their FLOP are the GPU's as much as the others'."""
    split = replica(
        LLAMA_70B, RTX4090, host=DESKTOP, weights=FORMATS["gguf-q4_k_m"], offload=Offload(kind="layers", host_layers=40)
    )
    flop = 2 * LAYERS_70B * 2000
    assert hopeful(split, tokens_in=2000).ttft_s.mid >= flop / RTX4090.peak_flop_per_s["fp16"]


def test_8b_floor_is_the_models_own() -> None:
    assert LLAMA_8B.total_parameters == pytest.approx(LAYERS_8B + 2 * HEAD_8B, rel=1e-3)


def test_one_stream_completes_no_more_tokens_than_the_bandwidth_allows() -> None:
    bands = {name: ResidualBand(low_ratio=0.1, high_ratio=9.0, rows=9) for name in ("ttft", "tpot", "throughput")}
    alone = estimate(replica(), budget(), load("concurrency", 1, 100, 300), calibration(bands=bands))
    bound_tokens_per_s = H100.memory_bandwidth_bytes_per_s / (2 * (LAYERS_8B + HEAD_8B))
    assert alone.output_tokens_per_s.high <= bound_tokens_per_s

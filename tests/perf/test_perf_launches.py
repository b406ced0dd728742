"""Kernels of a layer, counted by hand, and which of them a replica starts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from perf_builders import (
    A100,
    DEEPSEEK_V3,
    FORMATS,
    H100,
    KV,
    LLAMA_8B,
    MIXTRAL,
    TYPICAL,
    coefficients,
    engine,
    replica,
)

from llmplan.perf.launches import launches
from llmplan.perf.step import StepModel
from llmplan.perf.step_terms import FUSED_EXPERT_LAUNCHES, started_kernels
from llmplan.perf.work import work_of
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.spec.engine import FormatSupport
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.model import ModelSpec

B200 = replace(
    H100, id="b200-180gb", architecture="Blackwell", compute_capability=(10, 0),
    peak_flop_per_s={"fp16": 2250e12, "bf16": 2250e12, "fp8": 4500e12, "fp4": 9000e12},
)  # fmt: skip
BOTH = engine(
    weight_formats={
        "bf16": FormatSupport(min_compute_capability=(8, 0)),
        "fp8": FormatSupport(min_compute_capability=(8, 0), native_from=(8, 9)),
        "nvfp4": FormatSupport(min_compute_capability=(8, 0), native_from=(10, 0)),
    }
)


@pytest.mark.parametrize(
    ("model", "group", "weights", "plain", "quantizing"),
    [
        (LLAMA_8B, 0, "fp8", 2 + 5 + 3, 2 + 2),  # two norms, attention, feed-forward; inputs of four matrices
        (MIXTRAL, 0, "fp8", 2 + 5 + 7, 2 + 2),
        (MIXTRAL, 0, "mxfp4", 2 + 5 + 7, 2),  # only experts are quantized
        (DEEPSEEK_V3, 0, "fp8-block", 2 + 10 + 3, 3 + 2),
        (DEEPSEEK_V3, 1, "fp8-block", 2 + 10 + 7, 3 + 2),
    ],
)
def test_kernels_of_a_layer(model: ModelSpec, group: int, weights: str, plain: float, quantizing: float) -> None:
    found = launches(model.layers[group], FORMATS[weights])
    assert (found.plain, found.quantizing) == (plain, quantizing)


@pytest.mark.parametrize(
    ("model", "gpu", "weights", "per_layer"),
    [
        (LLAMA_8B, H100, "bf16", 10),
        (LLAMA_8B, H100, "fp8", 14),
        (LLAMA_8B, A100, "fp8", 10),  # expanded inside the products: no input is rounded
        (MIXTRAL, H100, "nvfp4", 14),
        (MIXTRAL, B200, "nvfp4", 18 - FUSED_EXPERT_LAUNCHES),
        (LLAMA_8B, B200, "nvfp4", 14),  # no experts, nothing to fuse
    ],
)
def test_what_a_replica_starts(model: ModelSpec, gpu: GpuSpec, weights: str, per_layer: float) -> None:
    of = replica(model, gpu, weights=FORMATS[weights], engine=BOTH)
    work = work_of(of.model, of.weights, of.kv, of.parallel)
    assert started_kernels(of, work) == 32 * per_layer


def test_a_stage_starts_the_kernels_of_its_layers() -> None:
    whole, half = (work_of(LLAMA_8B, FORMATS["bf16"], KV["bf16"], Parallelism(pp=pp)).launches for pp in (1, 2))
    assert half == whole / 2


def step(of: Replica, **changes: float) -> StepModel:
    return StepModel(of, coefficients(TYPICAL, **changes), 1e6)


def test_an_old_host_takes_longer_for_everything_that_is_fixed() -> None:
    new, old = (step(replica(engine=engine(legacy_host=legacy)), legacy_host_factor=3.0) for legacy in (False, True))
    assert old.terms(8, 100).fixed == pytest.approx(3.0 * new.terms(8, 100).fixed)
    assert old.terms(8, 100).sequences == pytest.approx(3.0 * new.terms(8, 100).sequences)
    assert old.request_s == pytest.approx(3.0 * new.request_s)
    assert old.terms(8, 100).weights == new.terms(8, 100).weights


def test_a_short_prompt_waits_for_the_host_and_a_long_one_for_the_gpu() -> None:
    """32 layers of 10 kernels at 50 us are 16 ms; 8,192 tokens take the GPU about 200 ms."""
    hidden = step(replica(), prefill_launch_s=0.0, prefill_expert_layer_s=0.0)
    bound = step(replica(), prefill_launch_s=50e-6, prefill_expert_layer_s=0.0)
    assert bound.prefill_s(16) == pytest.approx(0.016, rel=0.2)
    assert bound.prefill_s(16) > 2 * hidden.prefill_s(16)
    assert bound.prefill_s(8192) == pytest.approx(hidden.prefill_s(8192), rel=1e-3)
    assert bound.decode_s(8, 100) == hidden.decode_s(8, 100)


def test_skewed_routing_touches_fewer_experts_but_always_the_chosen_ones() -> None:
    """16 tokens to the power 1/2 touch as many of 8 experts as 4 tokens that were routed at random."""
    even, skewed = (step(replica(MIXTRAL), routing_exponent=exponent) for exponent in (1.0, 0.5))
    assert skewed.terms(1, 10).experts == pytest.approx(even.terms(1, 10).experts)
    assert skewed.terms(16, 10).experts == pytest.approx(even.terms(4, 10).experts)

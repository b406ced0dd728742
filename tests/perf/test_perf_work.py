"""Counts of work, against arithmetic from the published architectures."""

from __future__ import annotations

import pytest
from perf_builders import DEEPSEEK_V3, FORMATS, KV, LLAMA_8B, LLAMA_70B, MIXTRAL

from llmplan.perf.work import expert_coverage, work_of
from llmplan.plan.deployment import Parallelism

ONE = Parallelism()


def test_llama_8b_counts_every_weight_once() -> None:
    work = work_of(LLAMA_8B, FORMATS["bf16"], KV["bf16"], ONE)
    attention = 2 * 4096 * 4096 + 2 * 1024 * 4096
    assert work.dense_weights == 32 * (attention + 3 * 4096 * 14336)
    assert work.head_weights == 128256 * 4096
    norms = 32 * 2 * 4096
    assert work.resident_bytes == 2 * (work.dense_weights + norms + work.head_weights)


def test_llama_8b_cache_is_128_kib_per_token() -> None:
    """vLLM's own logs: 2 x 8 heads x 128 x 2 bytes x 32 layers."""
    work = work_of(LLAMA_8B, FORMATS["bf16"], KV["bf16"], ONE)
    assert work.attention[0].cache_bytes_per_context_token == 131072
    assert work.attention[0].decode_flop_per_context_token == 32 * 2 * 32 * 256


def test_awq_70b_weighs_about_40_gb() -> None:
    """Published AWQ checkpoints of Llama-3-70B are 39.8 GB, of which 2.1 GB embedding are not read every step."""
    work = work_of(LLAMA_70B, FORMATS["awq-int4"], KV["bf16"], ONE)
    assert work.resident_bytes == pytest.approx(39.8e9 - 2.1e9, rel=0.01)


def test_mla_cache_is_not_divided_by_tensor_parallelism() -> None:
    """68.6 KiB per token in 61 layers, on every rank (DeepSeek-V2 report, section 2.1: (512 + 64) elements)."""
    for tp in (1, 8):
        work = work_of(DEEPSEEK_V3, FORMATS["bf16"], KV["bf16"], Parallelism(tp=tp))
        assert work.attention[0].cache_bytes_per_context_token == 61 * 576 * 2


def test_deepseek_v3_activates_37_billion() -> None:
    """The report's 37 B active parameters include the embedding, which does no arithmetic."""
    work = work_of(DEEPSEEK_V3, FORMATS["bf16"], KV["bf16"], ONE)
    active = (
        work.dense_weights + work.head_weights + sum(e.resident_weights * e.chosen / e.experts for e in work.experts)
    )
    shared_experts = 58 * 3 * 7168 * 2048  # left out of the test's model
    assert active + shared_experts == pytest.approx(37e9, rel=0.03)


@pytest.mark.parametrize("tp", [2, 4, 8, 16])
def test_tensor_parallelism_never_reduces_the_total_work(tp: int) -> None:
    for model in (LLAMA_8B, MIXTRAL, DEEPSEEK_V3):
        alone = work_of(model, FORMATS["bf16"], KV["bf16"], ONE)
        rank = work_of(model, FORMATS["bf16"], KV["bf16"], Parallelism(tp=tp))
        assert rank.resident_bytes * tp >= alone.resident_bytes * (1 - 1e-12)
        assert rank.dense_weights * tp >= alone.dense_weights * (1 - 1e-12)
        for whole, part in zip(alone.attention, rank.attention, strict=True):
            assert part.cache_bytes_per_context_token * tp >= whole.cache_bytes_per_context_token
            assert part.decode_flop_per_context_token * tp == pytest.approx(whole.decode_flop_per_context_token)


def test_expert_parallelism_spreads_experts_over_all_ranks() -> None:
    spread = work_of(DEEPSEEK_V3, FORMATS["bf16"], KV["bf16"], Parallelism(tp=1, dp=8, ep=True))
    alone = work_of(DEEPSEEK_V3, FORMATS["bf16"], KV["bf16"], ONE)
    assert spread.experts[0].resident_bytes * 8 == pytest.approx(alone.experts[0].resident_bytes)
    assert spread.dense_weights == alone.dense_weights


def test_pipeline_stage_holds_its_share_of_layers() -> None:
    stage = work_of(LLAMA_70B, FORMATS["bf16"], KV["bf16"], Parallelism(pp=4))
    alone = work_of(LLAMA_70B, FORMATS["bf16"], KV["bf16"], ONE)
    assert stage.layers == 20
    assert stage.dense_weights * 4 == pytest.approx(alone.dense_weights)


def test_coverage_by_hand() -> None:
    """Two tokens each choosing 2 of 8: 1 - (3/4)^2."""
    assert expert_coverage(8, 2, 2) == pytest.approx(7 / 16)
    assert expert_coverage(4, 4, 1) == 1.0
    assert expert_coverage(8, 2, 0) == 0.0

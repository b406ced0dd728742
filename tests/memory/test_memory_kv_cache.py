"""Cache bytes, blocks and concurrency against logs worked through by hand."""

from __future__ import annotations

import pytest

from llmplan import memory
from llmplan.plan.deployment import Parallelism
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB, KIB


def test_bytes_per_token_of_published_plans(models: dict[str, ModelSpec]) -> None:
    """70B over TP4: 80 KiB a GPU. DeepSeek-V3: 68.6 KiB whatever the TP."""
    bf16 = memory.kv_format("bf16")
    assert memory.kv_bytes_per_token_per_gpu(models["llama-3.3-70b"], bf16, Parallelism(tp=4)) == 80 * KIB
    for tp in (1, 8, 16):
        size = memory.kv_bytes_per_token_per_gpu(models["deepseek-v3"], bf16, Parallelism(tp=tp))
        assert size / KIB == pytest.approx(68.6, abs=0.05)


def test_heads_are_replicated_beyond_their_number(models: dict[str, ModelSpec]) -> None:
    bf16 = memory.kv_format("bf16")
    sizes = [memory.kv_bytes_per_token_per_gpu(models["llama-3.3-70b"], bf16, Parallelism(tp=tp)) for tp in (8, 16)]
    assert sizes == [40 * KIB, 40 * KIB]


def test_mixed_windows_are_dealt_into_groups(models: dict[str, ModelSpec]) -> None:
    """gpt-oss-120b, TP4, vLLM 0.10.1 on A100: a block is 18 layers x 8192 B; 45.32 GiB hold 2,640,144 tokens;
    330,018 blocks are 284.25 requests of 16,384 tokens with 2048 in flight (137 blocks of the window group)."""
    layout = memory.cache_layout(models["gpt-oss-120b"], memory.kv_format("bf16"), 4, 1, 16)
    assert layout.block_bytes == 18 * 8192
    assert len(layout.groups) == 2
    assert layout.blocks_in(45.32 * GIB) // 2 * 16 == pytest.approx(2640144, rel=2e-4)
    assert layout.blocks_per_request(16384, 2048) == 1024 + 137
    assert 330018 / layout.blocks_per_request(16384, 2048) == pytest.approx(284.25, abs=0.005)


def test_pipeline_stages_share_the_layers(models: dict[str, ModelSpec]) -> None:
    bf16 = memory.kv_format("bf16")
    whole = memory.kv_bytes_per_token_per_gpu(models["deepseek-v3"], bf16, Parallelism())
    fullest = memory.kv_bytes_per_token_per_gpu(models["deepseek-v3"], bf16, Parallelism(pp=2))
    assert fullest == whole * 31 / 61


def test_fp8_halves_the_cache(models: dict[str, ModelSpec]) -> None:
    one, two = (
        memory.kv_bytes_per_token_per_gpu(models["llama-3.1-8b"], memory.kv_format(name), Parallelism())
        for name in ("fp8", "bf16")
    )
    assert two == 2 * one

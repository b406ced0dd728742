"""Block tables of hybrid, windowed and latent models, against start-up logs and against vLLM's rules worked by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmplan import memory
from llmplan.catalogs.hf_config import read_config
from llmplan.memory.paging import Paging
from llmplan.plan.cache import CacheGroup
from llmplan.plan.deployment import Parallelism
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB

QWEN3_NEXT: dict[str, Any] = {
    "model_type": "qwen3_next", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 16,
    "num_key_value_heads": 2, "head_dim": 256, "intermediate_size": 5120, "vocab_size": 151936, "num_experts": 512,
    "num_experts_per_tok": 10, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512,
    "linear_num_value_heads": 32, "linear_num_key_heads": 16, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4, "full_attention_interval": 4, "max_position_embeddings": 262144,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
QWEN3_6_35B: dict[str, Any] = {
    **QWEN3_NEXT, "model_type": "qwen3_5_moe_text", "num_hidden_layers": 40, "vocab_size": 248320, "num_experts": 256,
    "num_experts_per_tok": 8, "mamba_ssm_dtype": "float32",
}  # fmt: skip
QWEN3_8_27B: dict[str, Any] = {
    **QWEN3_NEXT, "model_type": "qwen3_5_text", "hidden_size": 5120, "num_hidden_layers": 64, "vocab_size": 248320,
    "num_attention_heads": 24, "num_key_value_heads": 4, "intermediate_size": 17408, "linear_num_value_heads": 48,
    "mamba_ssm_dtype": "bfloat16",
}  # fmt: skip


def spec(config: dict[str, Any]) -> ModelSpec:
    return read_config(config, model_id="test")


def test_a_state_in_sixteen_bit_makes_blocks_of_544_tokens() -> None:
    """Qwen3-Next-80B, TP2, H200, vLLM 0.11: "block size to 544 tokens", 44.59 GiB are 7,162 blocks in four groups of
    twelve layers, 973,760 tokens, 14.77 requests of 262,144 tokens."""
    layout = memory.cache_layout(spec(QWEN3_NEXT), memory.kv_format("bf16"), 2, 1, 16, Paging(state_blocks=1))
    assert layout.block_tokens == 544
    assert [group.layers for group in layout.groups] == [12, 12, 12, 12]
    blocks = layout.blocks_in(44.59 * GIB)
    assert blocks == 7162
    assert blocks // 4 * 544 == 973_760
    assert blocks / layout.blocks_per_request(262_144, 8192) == pytest.approx(14.77, abs=0.005)


def test_a_state_in_thirty_two_bit_and_cached_prefixes() -> None:
    """Qwen3.6-35B-A3B, one GPU, vLLM of 2026: 13.1 GiB hold 560,505 tokens, 17.11 requests of 32,768: 650 blocks of 10
    layers x 1,056 tokens x 2,048 B, 32 of them for attention and 2 for each of the three groups of states."""
    layout = memory.cache_layout(spec(QWEN3_6_35B), memory.kv_format("bf16"), 1, 1, 16)
    assert layout.block_tokens == 1056
    assert layout.block_bytes == 10 * 1056 * 2048
    assert layout.blocks_per_request(32_768, 16_384) == 32 + 3 * 2
    assert int(layout.blocks_in(13.1 * GIB) / 38 * 32_768) == 560_505


def test_an_8_bit_cache_doubles_the_tokens_of_a_block() -> None:
    """Qwen3.8-27B W4A16 on an RTX 3090: 7.08 GiB hold 222,822 tokens, 1.70 requests of 131,072. The log prints neither
    format: an 8-bit cache beside 16-bit states is the only pair that gives its figure."""
    layout = memory.cache_layout(spec(QWEN3_8_27B), memory.kv_format("fp8"), 1, 1, 16)
    blocks, each = layout.blocks_in(7.08 * GIB), layout.blocks_per_request(131_072, 4096)
    assert int(blocks / each * 131_072) == 222_822
    assert blocks / each == pytest.approx(1.70, abs=0.005)


def test_states_do_not_grow_with_the_request() -> None:
    model, bf16 = spec(QWEN3_6_35B), memory.kv_format("bf16")
    layout = memory.cache_layout(model, bf16, 1, 1, 16)
    states = [group.blocks(length, 0) for group in layout.groups if group.state_blocks for length in (1, 10**6)]
    assert states == [2] * 6
    # 30 layers x (32 x 128 x 128 x 4 B + 3 x 8192 x 2 B)
    assert memory.state_bytes_per_sequence_per_gpu(model, bf16, Parallelism()) == 30 * 2_146_304
    assert memory.kv_bytes_per_token_per_gpu(model, bf16, Parallelism()) == 10 * 2048


def test_a_model_of_recurrences_alone_has_a_block_for_each_sequence() -> None:
    """falcon-mamba-7b: 64 states of 8192 x (3 + 16) x 2 B and no cache per token."""
    config = {
        "model_type": "falcon_mamba", "hidden_size": 4096, "intermediate_size": 8192, "num_hidden_layers": 64,
        "state_size": 16, "conv_kernel": 4, "time_step_rank": 256, "vocab_size": 65024, "use_conv_bias": True,
        "torch_dtype": "bfloat16", "tie_word_embeddings": False, "expand": 16, "max_position_embeddings": 8192,
    }  # fmt: skip
    layout = memory.cache_layout(spec(config), memory.kv_format("bf16"), 1, 1, 16, Paging(state_blocks=1))
    assert layout.token_bytes == 0
    assert layout.block_bytes == 64 * 8192 * 19 * 2
    assert layout.blocks_per_request(8192, 0) == 1


def test_chunks_hold_no_more_than_a_chunk_and_what_is_in_flight() -> None:
    """vLLM 0.33: ceil(min(8192 + 2048, length) / 16), and no block more for an odd start as windows need."""
    chunk = CacheGroup(layers=36, block_tokens=16, window_tokens=8192, chunked=True)
    assert chunk.blocks(100_000, 2048) == 640
    assert chunk.blocks(1000, 2048) == 63
    assert replace(chunk, chunked=False).blocks(100_000, 2048) == 641


def test_ranks_that_share_a_copy_of_a_latent_hold_dcp_times_the_tokens(models: dict[str, ModelSpec]) -> None:
    model, bf16 = models["deepseek-v3"], memory.kv_format("bf16")
    alone = memory.cache_layout(model, bf16, 8, 1, 16)
    shared = memory.cache_layout(model, bf16, 8, 1, 16, Paging(dcp=8))
    assert shared.block_bytes == alone.block_bytes
    assert shared.block_tokens == 8 * alone.block_tokens
    assert shared.blocks_per_request(131_072, 0) * 8 == alone.blocks_per_request(131_072, 0)


def test_a_packed_latent_takes_656_bytes(models: dict[str, ModelSpec]) -> None:
    """512 bytes, four scales of 4 bytes, 64 rotary numbers in 16 bit."""
    packed = memory.kv_bytes_per_token_per_gpu(models["deepseek-v3"], memory.kv_format("fp8_ds_mla"), Parallelism(tp=8))
    assert packed == 61 * 656


def test_before_groups_every_layer_keeps_every_token(models: dict[str, ModelSpec]) -> None:
    model, bf16 = models["gpt-oss-20b"], memory.kv_format("bf16")
    flat = memory.cache_layout(model, bf16, 1, 1, 16, Paging(grouped=False))
    assert len(flat.groups) == 1
    assert flat.block_bytes == 24 * 16 * 2 * 8 * 64 * 2
    assert flat.blocks_per_request(16_384, 2048) == 1024

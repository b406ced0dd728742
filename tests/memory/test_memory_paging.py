"""Block tables of hybrid, windowed and latent models, against start-up logs and against vLLM's rules worked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from llmplan import memory
from llmplan.catalogs.hf_config import read_config, read_config_file
from llmplan.memory.capacity import cut_pool, layout_of, stored_format
from llmplan.memory.paging import Paging
from llmplan.plan.cache import CacheGroup
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.spec.model import (
    Indexer,
    LayerGroup,
    MlaAttention,
    ModelSpec,
    RecurrentKind,
    RecurrentMixer,
    State,
)
from llmplan.units import GIB
from tests_support import DATA

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


def pooled(layers: int) -> ModelSpec:
    """A latent with an index of pooled keys after every three layers of the delta rule."""
    state = (State(heads=64, elements=3 * 128), State(heads=64, elements=128 * 128, dtype="fp32"))
    delta = RecurrentMixer(
        kind=RecurrentKind.GATED_DELTA, heads=64, kv_heads=64, key_dim=128, value_dim=128, states=state, tensors=()
    )  # fmt: skip
    latent = MlaAttention(
        query_heads=64, kv_lora_rank=512, qk_rope_head_dim=0, qk_nope_head_dim=128, v_head_dim=128,
        indexer=Indexer(heads=32, head_dim=128, pool_tokens=16), tensors=(),
    )  # fmt: skip
    places = range(layers)
    parts = ((delta, [i for i in places if i % 4 != 3]), (latent, [i for i in places if i % 4 == 3]))
    return replace(
        spec(QWEN3_NEXT), layers=tuple(
            LayerGroup(count=len(indices), mixers=(mixer,), feed_forward=None, indices=tuple(indices))
            for mixer, indices in parts
        ),
    )  # fmt: skip


def test_pages_of_unequal_size_lie_side_by_side() -> None:
    """vLLM 0.33's planner: 36 recurrences padded to a page of 4,608 latents, with 12 latents and their index whole; one
    block more for a state from inside a prompt, and one for keys of a pool that is not full."""
    paging = Paging(checkpoints=frozenset({RecurrentKind.GATED_DELTA}))
    layout = memory.cache_layout(pooled(48), memory.kv_format("bf16"), 1, 1, 16, paging)
    assert [(group.layers, group.state_blocks) for group in layout.groups] == [(12, 3)] * 3 + [(24, 0), (12, 1)]
    assert layout.block_bytes == 57_108_480


def test_stages_share_the_groups_of_the_whole_model(models: dict[str, ModelSpec]) -> None:
    """12 layers of each reach over 4 stages: every stage has three of each, and a request as many blocks as on one."""
    alone, staged = (memory.cache_layout(models["gpt-oss-20b"], memory.kv_format("bf16"), 1, pp, 16) for pp in (1, 4))
    assert staged.block_bytes * 4 == alone.block_bytes
    assert staged.blocks_per_request(16_384, 2048) == alone.blocks_per_request(16_384, 2048)


def test_a_stage_more_is_in_flight_since_steps_are_prepared_across_stages(make: Callable[..., Replica]) -> None:
    """vLLM 0.32 and 0.33: stages + 1 steps; what is taken for earlier versions: as many as stages, one in 0.11."""
    found = {}
    for version, pp in (("0.33.0", 4), ("0.21.0", 4), ("0.21.0", 1), ("0.11.0", 1)):
        replica = make("gpt-oss-20b", pp=pp)
        replica = replace(replica, engine=replace(replica.engine, version=version))
        cut = cut_pool(replica, layout_of(replica), 40 * GIB)
        found[version, pp] = cut.room.in_flight_tokens // replica.settings.max_num_batched_tokens
    assert found == {("0.33.0", 4): 5, ("0.21.0", 4): 4, ("0.21.0", 1): 2, ("0.11.0", 1): 1}


@pytest.mark.parametrize(
    ("config", "tokens", "requests"), [(QWEN3_6_35B, 554_968, 31), (None, 485_451, math.inf)], ids=["states", "windows"]
)
def test_pools_of_sglang(
    make: Callable[..., Replica], config: dict[str, Any] | None, tokens: int, requests: float
) -> None:
    """SGLang 0.5.23's configurators, 20 GiB: states get 0.9 / 1.9 of it, one slot is spare and a request has five;
    windows of gpt-oss-20b get 0.8 of the tokens."""
    replica = make(spec(config) if config else "gpt-oss-20b", engine="sglang", kv="bf16")
    cut = cut_pool(replica, layout_of(replica), 20.0 * GIB)
    assert (cut.capacity_tokens, cut.room.state_slots) == (tokens, requests)


@pytest.mark.parametrize(("seqs", "tokens"), [(64, 2_930_944), (256, 2_647_040)])
def test_sglangs_pool_of_compressed_latents(make: Callable[..., Replica], seqs: int, tokens: int) -> None:
    """SGLang 0.5.23's configurator, DeepSeek-V4-Flash, 20 GiB: windows for 0.1 of the tokens, a ring per sequence."""
    path = DATA / "configs" / "deepseek-ai__DeepSeek-V4-Flash.json"
    if not path.is_file():
        pytest.skip(f"no {path} (set LLMPLAN_DATA)")
    replica = make(read_config_file(path), engine="sglang", kv="bf16", max_num_seqs=seqs, block_tokens=256)
    assert stored_format(replica).packs_latents
    assert cut_pool(replica, layout_of(replica), 20.0 * GIB).capacity_tokens == tokens


def test_states_from_inside_a_prompt_take_a_block_more_where_kernels_write_them(make: Callable[..., Replica]) -> None:
    """vLLM 0.33 on Hopper; not on Ampere, nor in 0.32, and never without cached prefixes."""
    held = {}
    for version, major, cached in (("0.33.0", 9, True), ("0.33.0", 8, True), ("0.32.0", 9, True), ("0.33.0", 9, False)):
        replica = make(spec(QWEN3_6_35B), prefix_caching=cached)
        gpu, engine = replace(replica.gpu, compute_capability=(major, 0)), replace(replica.engine, version=version)
        groups = layout_of(replace(replica, gpu=gpu, engine=engine)).groups
        held[version, major, cached] = {group.state_blocks for group in groups if group.state_blocks}
    assert list(held.values()) == [{3}, {2}, {2}, {1}]

"""Work of attention and of recurrences, counted by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from llmplan.perf.mixing import is_unmeasured, mixings, recurrent_flop
from llmplan.spec.formats import KV_FORMATS
from llmplan.spec.model import (
    CompressedAttention,
    GqaAttention,
    Indexer,
    MlaAttention,
    RecurrentKind,
    RecurrentMixer,
    Shard,
    State,
    Tensor,
    TensorRole,
)

BF16 = next(each for each in KV_FORMATS if each.id == "bf16")
MLA = MlaAttention(
    query_heads=128, kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128, tensors=()
)
GDN = RecurrentMixer(
    kind=RecurrentKind.GATED_DELTA, heads=32, kv_heads=16, key_dim=128, value_dim=128, conv_width=4,
    tensors=(Tensor(name="conv1d.weight", shape=(8192, 1, 4), role=TensorRole.CONV, shard=Shard.COLUMN),),
    states=(
        State(heads=32, elements=128 * 3), State(heads=16, elements=2 * 128 * 3),
        State(heads=32, elements=128 * 128, dtype="fp32"),
    ),
)  # fmt: skip


def test_latent_attention_works_on_the_latent_in_decode_and_on_heads_in_prefill() -> None:
    (work,) = mixings(MLA, BF16, 8)
    assert work.read_bytes == 576 * 2
    assert work.decode_flop == 2 * 16 * (2 * 512 + 64)
    assert work.prefill_flop == 2 * 16 * (128 + 64 + 128)


def test_a_recurrence_reads_and_writes_its_state_and_nothing_of_the_context() -> None:
    """32 x 128 x 128 x 4 B and 3 x 8192 x 2 B, both ways; half of them on each of two ranks."""
    whole, half = (next(iter(mixings(GDN, BF16, tp))) for tp in (1, 2))
    assert whole.read_bytes == 2 * (32 * 128 * 128 * 4 + 3 * 8192 * 2)
    assert half.read_bytes == whole.read_bytes / 2
    assert whole.window_tokens == 1
    assert not whole.grows


@pytest.mark.parametrize("dtype", [None, "fp32"])
def test_the_delta_rule_costs_seven_operations_a_cell_and_the_convolution_two_a_tap(dtype: str | None) -> None:
    mixer = replace(GDN, states=(*GDN.states[:2], State(heads=32, elements=128 * 128, dtype=dtype)))
    assert recurrent_flop(mixer) == 7 * 32 * 128 * 128 + 2 * 4 * 8192


def test_what_is_packed_in_memory_is_read_packed() -> None:
    packed = next(each for each in KV_FORMATS if each.packs_latents)
    (work,) = mixings(MLA, packed, 8)
    assert work.read_bytes == 656


def test_sparse_attention_reads_what_it_selects_and_scores_everything() -> None:
    sparse = MlaAttention(
        query_heads=128, kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128,
        selected_tokens=2048, indexer=Indexer(heads=64, head_dim=128), tensors=(),
    )  # fmt: skip
    attention, index = mixings(sparse, BF16, 1)
    assert attention.window_tokens == 2048
    assert index.window_tokens == math.inf
    assert index.read_bytes == 132
    assert index.decode_flop == 2 * 64 * 128


def test_compressed_attention_reads_a_window_and_one_entry_for_many_tokens() -> None:
    layer = CompressedAttention(
        query_heads=64, head_dim=512, rope_dim=64, window_tokens=128, compress_tokens=4, selected_entries=512,
        indexer=Indexer(heads=64, head_dim=128), tensors=(),
    )  # fmt: skip
    window, compressed, index = mixings(layer, BF16, 1)
    assert (window.window_tokens, window.read_bytes) == (128, 1024)
    assert (compressed.window_tokens, compressed.read_bytes) == (2048, 256)
    assert index.read_bytes == 33


@pytest.mark.parametrize("tp", [1, 2, 8])
def test_borrowed_caches_are_read_but_not_kept(tp: int) -> None:
    own = GqaAttention(query_heads=8, kv_heads=2, head_dim=64, v_head_dim=64, tensors=())
    borrowed = GqaAttention(query_heads=8, kv_heads=2, head_dim=64, v_head_dim=64, borrowed_cache=True, tensors=())
    (mine,), (other,) = mixings(own, BF16, tp), mixings(borrowed, BF16, tp)
    assert mine.read_bytes == other.read_bytes
    assert (mine.grows, other.grows) == (True, False)
    assert borrowed.caches == ()


def test_attention_to_an_encoder_costs_nothing_without_images() -> None:
    cross = GqaAttention(query_heads=8, kv_heads=2, head_dim=64, v_head_dim=64, cross=True, tensors=())
    assert list(mixings(cross, BF16, 1)) == []


def test_what_nobody_measured_is_known() -> None:
    gqa = GqaAttention(query_heads=8, kv_heads=2, head_dim=64, v_head_dim=64, tensors=())
    assert not is_unmeasured(gqa)
    assert not is_unmeasured(MLA)
    assert not is_unmeasured(GDN)
    assert is_unmeasured(replace(GDN, kind=RecurrentKind.MAMBA2))
    assert is_unmeasured(replace(MLA, selected_tokens=2048))

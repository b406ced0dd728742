"""Sparse, compressed and gated attention against classes without weights and against engines' caches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config, read_config_file
from llmplan.errors import DataError
from llmplan.memory.shards import rank_part
from llmplan.plan.deployment import Parallelism
from llmplan.spec.model import (
    Cache,
    CompressedAttention,
    GqaAttention,
    MlaAttention,
    ModelSpec,
    MoeFeedForward,
    Shard,
    TensorRole,
)
from llmplan.spec.places import places
from tests_support import DATA

SIZES: dict[str, Any] = {
    "torch_dtype": "bfloat16", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 1000,
    "max_position_embeddings": 2048, "moe_intermediate_size": 32,
}  # fmt: skip
EXPERTS = {"n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1}
LATENT = {
    **EXPERTS, "kv_lora_rank": 24, "q_lora_rank": 40, "qk_nope_head_dim": 12, "qk_rope_head_dim": 4, "v_head_dim": 8,
    "num_key_value_heads": 8, "first_k_dense_replace": 1,
}  # fmt: skip
INDEX = {"index_n_heads": 4, "index_head_dim": 8, "index_topk": 16}
V4 = {
    **EXPERTS, **INDEX, "model_type": "deepseek_v4", "num_key_value_heads": 1, "q_lora_rank": 40, "o_groups": 4,
    "o_lora_rank": 12, "qk_rope_head_dim": 4, "hc_mult": 2, "num_hash_layers": 1, "sliding_window": 8,
    "compress_ratios": [0, 4, 128, 4, 0], "num_nextn_predict_layers": 1,
}  # fmt: skip
HUNYUAN = {"model_type": "hy_v4", **LATENT, **INDEX, "hc_mult": 2, "num_nextn_predict_layers": 1}
M3 = {
    "model_type": "minimax_m3", "intermediate_size": 32, "dense_intermediate_size": 80,
    "shared_intermediate_size": 24, "num_local_experts": 8, "num_experts_per_tok": 2, "moe_layer_freq": [0, 1, 1, 1],
    "num_mtp_modules": 2,
    "sparse_attention_config": {
        "sparse_index_dim": 8, "sparse_num_index_heads": 2, "sparse_topk_blocks": 4, "sparse_block_size": 32,
        "sparse_attention_freq": [0, 0, 1, 1],
    },
}  # fmt: skip
LAGUNA = {
    "model_type": "laguna", "num_experts": 8, "num_experts_per_tok": 2, "shared_expert_intermediate_size": 24,
    "num_attention_heads_per_layer": [8, 4, 4, 8], "sliding_window": 16,
    "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
}  # fmt: skip
STEP = {
    "model_type": "step3p5", "n_routed_experts": 8, "num_experts_per_tok": 2, "share_expert_dim": 24,
    "sliding_window": 16, "attention_other_setting": {"num_attention_heads": 12}, "moe_layers_enum": "1,2,3",
    "num_nextn_predict_layers": 1,
    "layer_types": [
        "full_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention",
    ],
}  # fmt: skip
MIMO = {
    "model_type": "mimo_v2_flash", "v_head_dim": 8, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "sliding_window": 16, "hybrid_layer_pattern": [0, 1, 1, 0], "moe_layer_freq": [0, 1, 1, 1],
}  # fmt: skip


def read(keys: Mapping[str, Any], **changes: Any) -> ModelSpec:
    return read_config({**SIZES, **keys, **changes}, model_id="tiny")


def caches(model: ModelSpec) -> list[tuple[int, tuple[Cache, ...]]]:
    return [(group.count, mixer.caches) for group in model.layers for mixer in group.mixers]


def names(model: ModelSpec) -> set[str]:
    return {tensor.name for _, tensor in model.tensors()}


# Weights of the class, instantiated on the meta device with the same keys (transformers 5.24; decoder and head).
COUNTED: list[tuple[dict[str, Any], int]] = [
    ({"model_type": "deepseek_v32", **LATENT, **INDEX}, 392_576),
    (
        {
            "model_type": "glm_moe_dsa", **LATENT, **INDEX, "index_topk_freq": 2, "index_skip_topk_offset": 1,
            "attention_bias": True,
        },
        388_976,
    ),
    (V4, 433_755),
    (HUNYUAN, 409_267),
    (M3, 391_904),
    (LAGUNA, 377_048),
    (STEP, 410_816),
    (MIMO, 363_600),
    ({"model_type": "muse_glimmer_text"}, 317_504),
    (
        {
            "model_type": "muse_spark_text", "moe_hidden_size": 48, "num_local_experts": 8, "num_experts_per_tok": 2,
            "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
        },
        393_312,
    ),
    ({"model_type": "axk2", **LATENT, **INDEX, "gated_norm_rank": 6}, 438_912),
    ({"model_type": "minicpm3", **LATENT, "tie_word_embeddings": False}, 208_192 + 64 * 1000),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "weights"), COUNTED, ids=lambda value: str(value)[:40])
def test_a_tiny_model_counts_as_its_class(keys: dict[str, Any], weights: int) -> None:
    assert read(keys).total_parameters == weights


def test_an_index_keeps_one_byte_a_number_and_four_bytes_for_128() -> None:
    model = read({"model_type": "deepseek_v32", **LATENT, **INDEX}, index_head_dim=128)
    for _, (latent, index) in caches(model):
        assert (latent.elements, latent.latent, latent.fixed_bytes) == (24 + 4, True, None)
        assert (index.fixed_bytes, index.tokens_per_entry) == (132, 1)
    assert all(isinstance(mixer, MlaAttention) and mixer.selected_tokens == 16 for mixer in model.mixers())


@pytest.mark.parametrize(
    ("keys", "own"),
    [
        ({}, (0, 1, 2, 3)),
        ({"indexer_types": ["full", "shared", "full", "shared"]}, (0, 2)),
        ({"index_topk_pattern": "FSSF"}, (0, 3)),
        ({"index_topk_freq": 2, "index_skip_topk_offset": 2}, (0, 1, 3)),
    ],
)
def test_layers_that_share_an_index_have_none(keys: dict[str, Any], own: tuple[int, ...]) -> None:
    model = read({"model_type": "glm_moe_dsa", **LATENT, **INDEX}, **keys)
    found = {
        index
        for group in model.layers
        for index in group.indices
        for mixer in group.mixers
        if isinstance(mixer, MlaAttention) and mixer.indexer is not None
    }
    assert found == set(own)


def test_deepseek_v4_keeps_a_window_and_compressed_latents() -> None:
    """584 bytes in the engine's 8-bit layout: 448 + 8 of scales + 2 x 64, at the sizes that models have."""
    model = read(V4, head_dim=512, qk_rope_head_dim=64, index_head_dim=128)
    by_layer = {
        index: [
            (cache.window_tokens, cache.tokens_per_entry, cache.packed_bytes or cache.fixed_bytes)
            for cache in group.mixers[0].caches
        ]
        for group in model.layers
        for index in group.indices
    }
    window = (8, 1, 584)
    # buffers in 32 bit: key and score of 512, over two overlapping stretches of 4 tokens or one of 128; index: of 128
    half, whole, index = (8, 1, 4 * 2 * 2 * 512), (128, 1, 4 * 2 * 512), (8, 1, 4 * 2 * 2 * 128)
    assert by_layer == {
        0: [window],
        1: [window, (None, 4, 584), half, (None, 4, 132), index],
        2: [window, (None, 128, 584), whole],
        3: [window, (None, 4, 584), half, (None, 4, 132), index],
    }


def test_deepseek_v4_takes_experts_of_its_first_layers_from_a_table() -> None:
    model = read(V4)
    tables = [tensor for _, tensor in model.tensors() if tensor.name.endswith("tid2eid")]
    biases = [(count, tensor) for count, tensor in model.tensors() if tensor.name.endswith("ffn.gate.bias")]
    assert [tensor.shape for tensor in tables] == [(1000, 2)]
    assert all(tensor.buffer for tensor in tables)
    assert sum(count for count, _ in biases) == 3


def test_deepseek_v4_mixes_its_streams_in_32_bit() -> None:
    tensors = {tensor.name: tensor for _, tensor in read(V4).tensors()}
    assert tensors["layers.{i}.hc_attn_fn"].shape == ((2 + 2) * 2, 2 * 64)
    assert {tensor.dtype for name, tensor in tensors.items() if "hc_" in name} == {"fp32"}
    assert tensors["hc_head_fn"].shape == (2, 2 * 64)


def test_deepseek_v4_reads_its_attention_in_three_ways() -> None:
    kinds = ["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"]
    by_kind = read(V4, compress_ratios=None, layer_types=[*kinds, kinds[1]])
    assert by_kind.layers == read(V4).layers
    usual = read(V4, compress_ratios=None)
    ratios = {
        index: mixer.compress_tokens
        for group in usual.layers
        for index in group.indices
        for mixer in group.mixers
        if isinstance(mixer, CompressedAttention)
    }
    assert ratios == {0: 128, 1: 128, 2: 128, 3: 4}


def test_hunyuan_4_drafts_without_an_index_and_without_streams() -> None:
    model = read(HUNYUAN)
    assert [mixer.indexer is not None for mixer in model.mixers() if isinstance(mixer, MlaAttention)] == [
        True,
        True,
        False,
    ]
    assert model.draft is not None
    assert not any("hc_" in tensor.name or "indexer" in tensor.name for _, tensor in model.draft.tensors())
    mixer = model.draft.layers[0].mixers[0]
    assert isinstance(mixer, MlaAttention)
    assert (mixer.selected_tokens, mixer.indexer) == (None, None)


def test_minimax_m3_keeps_16_bit_index_keys_where_attention_is_sparse() -> None:
    model = read(M3)
    assert [(group.indices, len(group.mixers[0].caches)) for group in model.layers] == [
        ((0,), 1), ((1,), 1), ((2, 3), 2),
    ]  # fmt: skip
    sparse = model.layers[2].mixers[0]
    assert isinstance(sparse, GqaAttention)
    assert sparse.selected_tokens == 4 * 32
    assert sparse.caches[1].fixed_bytes == 2 * 8
    assert sparse.cache_elements_per_token == 2 * 2 * 16
    feed_forward = model.layers[1].feed_forward
    assert isinstance(feed_forward, MoeFeedForward)
    assert feed_forward.shared_intermediate_size == 24


def test_minicpm3_is_cached_for_every_head() -> None:
    """vLLM pads the values of its 40 heads to 64 + 32: 2 x 96 numbers a head (its own specification of the cache)."""
    model = read({"model_type": "minicpm3", **LATENT})
    assert caches(model) == [(4, (Cache(heads=8, elements=2 * (12 + 4)),))]
    assert not model.is_mla


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (LAGUNA, [(8, 2, None), (4, 2, 16), (8, 2, None)]),
        (STEP, [(8, 2, None), (12, 2, 16), (8, 2, None)]),
        (MIMO, [(8, 2, None), (8, 4, 16), (8, 2, None)]),
    ],
    ids=["laguna", "step", "mimo"],
)
def test_layers_of_a_window_have_heads_of_their_own(
    keys: dict[str, Any], expected: list[tuple[int, int, int | None]]
) -> None:
    found = [
        (mixer.query_heads, mixer.kv_heads, mixer.window_tokens)
        for group in read(keys).layers
        for mixer in group.mixers
        if isinstance(mixer, GqaAttention)
    ]
    assert found == expected


def test_mimo_v2_has_narrower_values_and_sinks_in_its_windows() -> None:
    model = read(MIMO)
    assert {(mixer.head_dim, mixer.v_head_dim) for mixer in model.mixers() if isinstance(mixer, GqaAttention)} == {
        (16, 8)
    }
    assert [count for count, tensor in model.tensors() if "sink" in tensor.name] == [2]
    own = read(MIMO, swa_num_key_value_heads=8, swa_num_attention_heads=8, sliding_window_size=4)
    assert [mixer.kv_heads for mixer in own.mixers()] == [2, 8, 2]
    assert [mixer.window_tokens for mixer in own.mixers()] == [None, 4, None]


@pytest.mark.parametrize(("gating", "width"), [(True, 8), ("per-head", 8), ("per-element", 8 * 16), (False, None)])
def test_laguna_gates_heads_or_elements(gating: bool | str, width: int | None) -> None:
    gates = [tensor.shape[0] for _, tensor in read(LAGUNA, gating=gating).tensors() if "g_proj" in tensor.name]
    assert gates == ([] if width is None else [width, width // 2, width])


def test_every_linear_of_an_indexer_is_on_every_rank() -> None:
    for keys in ({"model_type": "deepseek_v32", **LATENT, **INDEX}, V4):
        found = [tensor for _, tensor in read(keys).tensors() if "indexer" in tensor.name]
        assert {tensor.shard for tensor in found} == {Shard.REPLICATED}
        assert {t.role for t in found if "weights_proj" in t.name} == {TensorRole.ROUTER}


@pytest.mark.parametrize(
    ("keys", "changes", "key"),
    [
        (V4, {"compress_ratios": [0, 8, 128, 4]}, "compress_ratios"),
        (V4, {"compress_ratios": [0, 4]}, "compress_ratios"),
        (V4, {"compress_ratios": 4}, "compress_ratios"),
        (V4, {"layer_types": ["full_attention"] * 4}, "layer_types"),
        (V4, {"o_groups": 3}, "o_groups"),
        (V4, {"qk_rope_head_dim": 32}, "qk_rope_head_dim"),
        (V4, {"hc_mult": 0}, "hc_mult"),
        (V4, {"mlp_layer_types": ["dense"] * 4}, "mlp_layer_types"),
        (V4, {"compress_rates": {"compressed_sparse_attention": 0.5}}, "compress_rates"),
        (LATENT | INDEX, {"model_type": "deepseek_v32", "index_topk": 0}, "index_topk"),
        (LATENT | INDEX, {"model_type": "deepseek_v32", "q_lora_rank": None}, "q_lora_rank"),
        (LATENT | INDEX, {"model_type": "glm_moe_dsa", "indexer_types": ["own"] * 4}, "indexer_types"),
        (LATENT | INDEX, {"model_type": "glm_moe_dsa", "mlp_layer_types": ["other"] * 4}, "mlp_layer_types"),
        (M3, {"moe_layer_freq": [2, 1, 1, 1]}, "moe_layer_freq"),
        (M3, {"sparse_attention_config": {"sparse_attention_freq": [1]}}, "sparse_attention_freq"),
        (M3, {"sparse_attention_config": 4}, "sparse_attention_config"),
        (M3, {"num_key_value_heads": 3}, "num_key_value_heads"),
        (LAGUNA, {"num_attention_heads_per_layer": [8, 0, 8, 8]}, "num_attention_heads_per_layer"),
        (LAGUNA, {"num_attention_heads_per_layer": [8, 5, 8, 8]}, "num_key_value_heads"),
        (LAGUNA, {"gating": "per-row"}, "gating"),
        (STEP, {"attention_other_setting": {"num_attention_heads": 1.5}}, "attention_other_setting"),
        (STEP, {"layer_types": ["full_attention"]}, "layer_types"),
        (MIMO, {"hybrid_layer_pattern": [0, 1]}, "hybrid_layer_pattern"),
        (LATENT, {"model_type": "minicpm3", "kv_lora_rank": 10**9}, "kv_lora_rank"),
    ],
)
def test_a_contradiction_is_an_error_that_names_the_key(
    keys: dict[str, Any], changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(keys, **changes)
    assert f"`{key}" in caught.value.message


def test_one_model_counts_as_published_under_another_name_of_its_type() -> None:
    """A flattened copy of DeepSeek V4 Pro says `deepseek_ref`; its checkpoint lacks the two copies of MTP."""
    folder = DATA / "configs"
    files = [folder / name for name in ("deepseek-ai__DeepSeek-V4-Pro.json", "sgl-project__DeepSeek-V4-Pro-FP8.json")]
    if not all(path.is_file() for path in files):
        pytest.skip(f"no configs at {folder}: set LLMPLAN_DATA")
    original, copy = (read_config_file(path) for path in files)
    assert original.total_parameters == copy.total_parameters
    assert original.draft is not None
    assert copy.draft is not None
    assert original.draft_parameters - copy.draft_parameters == 2 * original.vocab_size * original.hidden_size
    # Keys of the Flash checkpoint under `mtp.0` without scales: 799, of which 3 x 256 are experts' matrices.
    assert sum(tensor.copies for _, tensor in original.draft.tensors()) == 799 + 3 * (384 - 256)


@pytest.mark.parametrize("keys", [keys for keys, _ in COUNTED], ids=[str(keys["model_type"]) for keys, _ in COUNTED])
def test_two_ranks_together_hold_a_model_and_what_is_on_both(keys: dict[str, Any]) -> None:
    model = read(keys, vocab_size=1024)
    for place in places(model):
        part = rank_part(place, model, Parallelism(tp=2), 1)
        ranks = 1 if place.tensor.shard is Shard.REPLICATED else 2
        assert part.elements * ranks == place.tensor.elements, place.tensor.name

"""Mixtures of experts against their classes without weights, and against published counts."""

from __future__ import annotations

from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.errors import DataError, UnsupportedModelError
from llmplan.memory.shards import rank_part
from llmplan.plan.deployment import Parallelism
from llmplan.spec.model import GqaAttention, MlaAttention, ModelSpec, MoeFeedForward, Shard, TensorRole
from llmplan.spec.places import places

SIZES: dict[str, Any] = {
    "torch_dtype": "bfloat16", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 1000,
    "max_position_embeddings": 2048, "moe_intermediate_size": 32,
}  # fmt: skip
LATENT = {
    "kv_lora_rank": 24, "q_lora_rank": 40, "qk_nope_head_dim": 12, "qk_rope_head_dim": 4, "v_head_dim": 8,
    "num_key_value_heads": 8,
}  # fmt: skip
ROUTED = {"n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1, "first_k_dense_replace": 1}
EIGHT = {"num_experts": 8, "num_experts_per_tok": 2}
LOCAL = {"num_local_experts": 8, "num_experts_per_tok": 2}
SHARED = {"shared_expert_intermediate_size": 24}

# Weights of the class, instantiated on the meta device with the same keys (transformers 5.24).
COUNTED: list[tuple[str, dict[str, Any], int]] = [
    ("deepseek_v2", LATENT | ROUTED, 384_320),
    ("sarvam_mla", LATENT | ROUTED | {"q_lora_rank": None}, 386_208),
    ("axk1", LATENT | ROUTED, 384_512),
    ("youtu", LATENT, 208_192),
    ("mistral4", LATENT | ROUTED, 384_320),
    ("olmoe", EIGHT | {"head_dim": None}, 761_728),
    ("flex_olmo", EIGHT | {"head_dim": None}, 761_728),
    ("dots1", ROUTED | {"n_shared_experts": 2, "head_dim": None}, 373_888),
    ("solar_open", ROUTED | {"attention_bias": True}, 434_496),
    ("exaone_moe", EIGHT | {"num_shared_experts": 2, "sliding_window": 16, "head_dim": None}, 373_888),
    ("mellum", LOCAL, 409_280),
    ("granitemoeshared", LOCAL | {"shared_intermediate_size": 24, "head_dim": None}, 779_840),
    ("granitemoe_swa", LOCAL | {"shared_intermediate_size": 24, "head_dim": None}, 779_872),
    (
        "cohere2_moe",
        EIGHT | {"num_shared_experts": 1, "first_k_dense_replace": 1, "prefix_dense_intermediate_size": 80},
        660_800,
    ),
    ("flint", EIGHT | SHARED | {"sliding_window": 16}, 356_064),
    ("aria_text", {"moe_num_experts": 8, "moe_topk": 2, "moe_num_shared_experts": 2}, 949_824),
    ("afmoe", EIGHT | {"num_shared_experts": 1, "num_dense_layers": 1, "sliding_window": 16}, 429_784),
    ("beam", EIGHT | {"sliding_window": 16}, 348_896),
    ("kolibri1", LOCAL | SHARED | {"sliding_window": 16}, 428_224),
    ("hunyuan_v1_moe", {"num_experts": 8, "moe_topk": 2, "intermediate_size": 32}, 433_856),
    ("hy_v3", EIGHT | {"num_shared_experts": 1}, 396_480),
    ("sarvam_moe", ROUTED, 396_480),
    (
        "ernie4_5_moe",
        {"moe_num_experts": 8, "moe_k": 2, "moe_num_shared_experts": 1, "head_dim": None, "use_bias": True},
        293_696,
    ),
    ("glm4_moe", ROUTED | {"use_qk_norm": True}, 396_480),
]  # fmt: skip


def read(model_type: str, keys: dict[str, Any], **changes: Any) -> ModelSpec:
    stated = {**SIZES, "model_type": model_type, **keys, **changes}
    return read_config({key: value for key, value in stated.items() if value != "drop"}, model_id="tiny")


@pytest.mark.parametrize(("model_type", "keys", "weights"), COUNTED, ids=[row[0] for row in COUNTED])
def test_a_tiny_model_counts_as_its_class(model_type: str, keys: dict[str, Any], weights: int) -> None:
    model = read(model_type, keys)
    assert model.total_parameters == weights
    assert 0 < model.active_parameters <= weights


@pytest.mark.parametrize(("model_type", "keys", "weights"), COUNTED, ids=[row[0] for row in COUNTED])
def test_experts_are_copies_that_expert_parallelism_divides(
    model_type: str, keys: dict[str, Any], weights: int
) -> None:
    model = read(model_type, keys)
    routed = [tensor for _, tensor in model.tensors() if tensor.role is TensorRole.EXPERT]
    assert bool(routed) == model.is_moe
    assert {tensor.copies for tensor in routed} <= {8}
    assert {tensor.shard for tensor in routed} <= {Shard.EXPERT}
    by_hand = sum(
        group.count * (group.feed_forward.experts - group.feed_forward.experts_per_token) * 3 * 64
        * group.feed_forward.expert_intermediate_size
        for group in model.layers
        if isinstance(group.feed_forward, MoeFeedForward)
    )  # fmt: skip
    assert model.total_parameters - model.active_parameters == by_hand


@pytest.mark.parametrize(("model_type", "keys", "weights"), COUNTED, ids=[row[0] for row in COUNTED])
def test_two_ranks_together_hold_a_model_and_what_is_on_both(
    model_type: str, keys: dict[str, Any], weights: int
) -> None:
    model = read(model_type, keys)
    assert model.total_parameters == weights
    for place in places(model):
        part = rank_part(place, model, Parallelism(tp=2), 1)
        ranks = 1 if place.tensor.shard is Shard.REPLICATED else 2
        assert part.elements * ranks == place.tensor.elements, place.tensor.name


# Published: sizes from the models' own files, weights as the Hub counts them or as their makers name them (billions).
DBRX = {
    "model_type": "dbrx", "torch_dtype": "bfloat16", "d_model": 6144, "n_heads": 48, "n_layers": 40,
    "max_seq_len": 32768, "vocab_size": 100352, "attn_config": {"kv_n_heads": 8, "clip_qkv": 8},
    "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4},
}  # fmt: skip
LONGCAT = {
    "model_type": "longcat_flash", "torch_dtype": "bfloat16", "hidden_size": 6144, "num_layers": 28,
    "num_attention_heads": 64, "ffn_hidden_size": 12288, "q_lora_rank": 1536, "kv_lora_rank": 512,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "moe_topk": 12, "n_routed_experts": 512,
    "zero_expert_num": 256, "expert_ffn_hidden_size": 2048, "vocab_size": 131072, "max_position_embeddings": 131072,
}  # fmt: skip
STEP_3 = {
    "model_type": "step3_text", "torch_dtype": "bfloat16", "hidden_size": 7168, "intermediate_size": 18432,
    "num_attention_heads": 64, "num_hidden_layers": 61, "vocab_size": 128815, "moe_intermediate_size": 5120,
    "moe_num_experts": 48, "moe_top_k": 3, "share_expert_dim": 5120, "share_q_dim": 2048, "head_dim": 256,
    "max_position_embedding": 65536,
}  # fmt: skip
LING = {
    "model_type": "bailing_moe", "torch_dtype": "bfloat16", "hidden_size": 2048, "intermediate_size": 5120,
    "num_hidden_layers": 20, "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 128,
    "vocab_size": 157184, "num_experts": 256, "num_experts_per_tok": 8, "num_shared_experts": 1,
    "moe_intermediate_size": 512, "first_k_dense_replace": 1, "use_qk_norm": True,
    "moe_router_enable_expert_bias": True, "max_position_embeddings": 32768,
}  # fmt: skip
HUNYUAN = {
    "model_type": "hunyuan_v1_moe", "torch_dtype": "bfloat16", "hidden_size": 4096, "intermediate_size": 3072,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    "vocab_size": 128167, "num_experts": 64, "moe_topk": [8] * 32, "num_shared_expert": [1] * 32,
    "moe_intermediate_size": [3072] * 32, "use_qk_norm": True, "tie_word_embeddings": True,
    "max_position_embeddings": 32768,
}  # fmt: skip
ARCTIC = {
    "model_type": "arctic", "torch_dtype": "bfloat16", "hidden_size": 7168, "intermediate_size": 4864,
    "num_hidden_layers": 35, "num_attention_heads": 56, "num_key_value_heads": 8, "num_local_experts": 128,
    "num_experts_per_tok": 2, "moe_layer_frequency": 1, "vocab_size": 32000, "max_position_embeddings": 4096,
}  # fmt: skip
MIMO = {
    "model_type": "mimo_v2_flash", "torch_dtype": "bfloat16", "hidden_size": 4096, "num_hidden_layers": 48,
    "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 192, "v_head_dim": 128,
    "swa_num_attention_heads": 64, "swa_num_key_value_heads": 8, "swa_head_dim": 192, "swa_v_head_dim": 128,
    "n_routed_experts": 256, "num_experts_per_tok": 8, "moe_intermediate_size": 2048, "intermediate_size": 16384,
    "vocab_size": 152576, "hybrid_layer_pattern": [0, 1, 1, 1, 1, 0] + [1, 1, 1, 1, 1, 0] * 7,
    "moe_layer_freq": [0] + [1] * 47, "sliding_window_size": 128, "max_position_embeddings": 262144,
}  # fmt: skip
ERNIE = {
    "model_type": "ernie4_5_moe", "torch_dtype": "bfloat16", "hidden_size": 8192, "num_hidden_layers": 54,
    "num_attention_heads": 64, "num_key_value_heads": 8, "moe_num_experts": 64, "moe_k": 8,
    "moe_intermediate_size": 3584, "intermediate_size": 28672, "moe_layer_start_index": 3, "moe_num_shared_experts": 0,
    "vocab_size": 103424, "tie_word_embeddings": False, "max_position_embeddings": 131072,
}  # fmt: skip
DOTS = {
    "model_type": "dots1", "torch_dtype": "bfloat16", "hidden_size": 4096, "num_hidden_layers": 62,
    "num_attention_heads": 32, "num_key_value_heads": 32, "n_routed_experts": 128, "num_experts_per_tok": 6,
    "n_shared_experts": 2, "moe_intermediate_size": 1408, "intermediate_size": 10944, "first_k_dense_replace": 1,
    "vocab_size": 152064, "max_position_embeddings": 32768,
}  # fmt: skip
DEEPSEEK = {
    "model_type": "deepseek", "torch_dtype": "bfloat16", "hidden_size": 2048, "intermediate_size": 10944,
    "moe_intermediate_size": 1408, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 16,
    "n_shared_experts": 2, "n_routed_experts": 64, "num_experts_per_tok": 6, "first_k_dense_replace": 1,
    "vocab_size": 102400, "max_position_embeddings": 4096,
}  # fmt: skip
STEP = {
    "model_type": "step3p5", "torch_dtype": "bfloat16", "hidden_size": 4096, "num_hidden_layers": 45,
    "num_attention_heads": 64, "num_attention_groups": 8, "head_dim": 128, "moe_num_experts": 288, "moe_top_k": 8,
    "moe_intermediate_size": 1280, "share_expert_dim": 1280, "intermediate_size": 11264, "vocab_size": 128896,
    "moe_layers_enum": ",".join(str(i) for i in range(3, 45)), "sliding_window": 512,
    "layer_types": (["full_attention"] + ["sliding_attention"] * 3) * 12, "max_position_embeddings": 262144,
    "attention_other_setting": {"num_attention_heads": 96, "num_attention_groups": 8, "head_dim": 128},
    "num_nextn_predict_layers": 3,
}  # fmt: skip
OLMOE = {
    "model_type": "olmoe", "torch_dtype": "bfloat16", "hidden_size": 2048, "num_hidden_layers": 16,
    "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 64, "num_experts_per_tok": 8,
    "intermediate_size": 1024, "vocab_size": 50304, "max_position_embeddings": 4096,
}  # fmt: skip
PUBLISHED = [
    (MIMO, 309.0, 15.0),
    (ERNIE, 300.0, 47.0),
    (DOTS, 142.8, 14.0),
    (DEEPSEEK, 16.4, 2.8),
    (STEP, 196.0, 11.0),
    (OLMOE, 6.92, 1.3),
    (ARCTIC, 480.0, 17.0),
    (DBRX, 131.6, 36.5),
    (LONGCAT, 561.9, 27.0),
    (STEP_3, 316.0, 38.0),
    (LING, 16.26, 1.4),
    (HUNYUAN, 80.4, 13.0),
]


@pytest.mark.parametrize(("keys", "total", "active"), PUBLISHED, ids=lambda value: str(value)[:30])
def test_a_published_model_counts_as_its_makers_say(keys: dict[str, Any], total: float, active: float) -> None:
    model = read_config(keys, model_id="published")
    assert model.total_parameters / 1e9 == pytest.approx(total, rel=0.01)
    assert model.active_parameters / 1e9 == pytest.approx(active, rel=0.12)


def test_longcat_has_two_latents_in_a_layer_and_experts_without_weights() -> None:
    model = read_config(LONGCAT, model_id="longcat")
    assert [len(group.mixers) for group in model.layers] == [2]
    assert all(isinstance(mixer, MlaAttention) for mixer in model.mixers())
    tensors = {tensor.name: tensor for _, tensor in model.tensors()}
    assert tensors["model.layers.{i}.mlp.router.classifier.weight"].shape == (512 + 256, 6144)
    feed_forward = model.layers[0].feed_forward
    assert isinstance(feed_forward, MoeFeedForward)
    assert feed_forward.experts_per_token == 12 * 512 // 768


def test_step_3_shares_one_key_head_and_cuts_the_queries_behind_it() -> None:
    mixer = next(iter(read_config(STEP_3, model_id="step").mixers()))
    assert isinstance(mixer, GqaAttention)
    assert (mixer.kv_heads, mixer.cache_elements_per_token) == (1, 2 * 256)
    shards = {tensor.name.split(".")[-2]: tensor.shard for tensor in mixer.tensors}
    assert shards["q_proj"] is Shard.REPLICATED
    assert shards["wq"] is Shard.COLUMN
    assert shards["o_proj"] is Shard.ROW


@pytest.mark.parametrize(
    ("changes", "heads"),
    [({"use_mla": False}, 8), ({"kv_lora_rank": None}, 8), ({"use_mla": False, "num_key_value_heads": 4}, 4)],
)
def test_deepseek_v2_without_a_latent_is_plain_attention(changes: dict[str, Any], heads: int) -> None:
    """DeepSeek-VL2-Tiny states `use_mla` false and no ranks; its head is hidden / heads wide."""
    model = read("deepseek_v2", ROUTED | {"num_key_value_heads": 8, "head_dim": "drop"}, **changes)
    assert {(m.kv_heads, m.head_dim) for m in model.mixers() if isinstance(m, GqaAttention)} == {(heads, 8)}
    assert not model.is_mla


def test_the_number_of_experts_is_read_under_the_names_that_files_have() -> None:
    usual = read("qwen3_moe", EIGHT)
    for key in ("num_local_experts", "n_routed_experts"):
        assert read("qwen3_moe", {key: 8, "num_experts_per_tok": 2}).layers == usual.layers
    assert read("olmoe", {"num_experts": 8, "moe_topk": 2}).layers == read("olmoe", EIGHT).layers


def test_ernie_with_vision_has_experts_for_images_beside_those_for_text() -> None:
    keys = {"moe_num_experts": [8, 8], "moe_k": 2, "moe_intermediate_size": [32, 16], "moe_num_shared_experts": 1}
    model = read("ernie4_5_vl_moe", {"text_config": SIZES | keys | {"num_hidden_layers": 4}})
    text = read("ernie4_5_moe", keys | {"moe_num_experts": 8, "moe_intermediate_size": 32})
    # per routed layer: router 8 x 64, score bias 8, experts 8 x 3 x 64 x 16
    assert model.text_parameters - text.total_parameters == 3 * (8 * 64 + 8 + 8 * 3 * 64 * 16)


@pytest.mark.parametrize(
    ("model_type", "keys", "changes", "key"),
    [
        ("olmoe", EIGHT, {"num_experts_per_tok": 9}, "num_experts_per_tok"),
        ("olmoe", EIGHT, {"num_experts": 0}, "num_experts"),
        ("olmoe", EIGHT, {"num_experts": 10**6}, "num_experts"),
        ("exaone_moe", EIGHT, {"mlp_layer_types": ["dense"]}, "mlp_layer_types"),
        ("exaone_moe", EIGHT, {"num_shared_experts": 2**16, "moe_intermediate_size": 2**24}, "num_shared_experts"),
        ("hunyuan_v1_moe", {"moe_topk": 2, "moe_intermediate_size": 32}, {"num_experts": [8, 8]}, "num_experts"),
        ("hunyuan_v1_moe", {"moe_topk": 2}, {"num_experts": ["a"] * 4}, "num_experts"),
        ("ernie4_5_moe", {"moe_num_experts": 8, "moe_k": 2}, {"moe_layer_interval": 0}, "moe_layer_interval"),
        ("ernie4_5_vl_moe_text", {"moe_k": 2}, {"moe_num_experts": []}, "moe_num_experts"),
        ("dbrx", {}, {"ffn_config": [1]}, "ffn_config"),
        ("cohere2_moe", EIGHT, {"first_k_dense_replace": -1}, "first_k_dense_replace"),
        ("longcat_flash", LATENT, {"zero_expert_num": -1}, "zero_expert_num"),
        ("step3_text", {}, {"moe_layers_enum": 7}, "moe_layers_enum"),
        ("minicpm3", LATENT, {"hidden_size": 66, "v_head_dim": "drop"}, "num_attention_heads"),
    ],
)
def test_a_contradiction_is_an_error_that_names_the_key(
    model_type: str, keys: dict[str, Any], changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(model_type, keys, **changes)
    assert f"`{key}`" in caught.value.message


def test_hunyuan_with_shared_keys_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="use_cla"):
        read("hunyuan_v1_moe", {"num_experts": 8, "moe_topk": 2}, use_cla=True)


def test_cohere_counts_the_tokens_before_a_token() -> None:
    """vLLM 0.33 gives its windowed layers one token more than the file states."""
    model = read("cohere2_moe", EIGHT, sliding_window=16, first_k_dense_replace=1)
    by_layer = {index: group.mixers[0].window_tokens for group in model.layers for index in group.indices}
    assert by_layer == {0: None, 1: 17, 2: 17, 3: 17}

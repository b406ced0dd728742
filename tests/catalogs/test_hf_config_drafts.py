"""Layers for drafting: what checkpoints hold of them, against published counts and loaders' tensor names."""

from __future__ import annotations

from typing import Any

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.hf_config import read_config, read_config_file
from llmplan.catalogs.models import load_models
from llmplan.spec.model import ModelSpec, MoeFeedForward, TensorRole
from tests_support import DATA

SIZES: dict[str, Any] = {
    "torch_dtype": "bfloat16", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 1000,
    "max_position_embeddings": 2048, "moe_intermediate_size": 32, "num_experts": 8, "num_experts_per_tok": 2,
    "n_routed_experts": 8, "n_shared_experts": 1, "first_k_dense_replace": 1, "num_nextn_predict_layers": 1,
}  # fmt: skip
LATENT = {
    "kv_lora_rank": 24, "q_lora_rank": 40, "qk_nope_head_dim": 12, "qk_rope_head_dim": 4, "v_head_dim": 8,
    "num_key_value_heads": 8,
}  # fmt: skip
H, V = 64, 1000
COMBINE = 2 * H * H + 2 * H
"""the projection of two vectors to one, and their norms"""
COPIES = 2 * V * H


def read(model_type: str, **keys: Any) -> ModelSpec:
    return read_config({**SIZES, "model_type": model_type, **keys}, model_id="tiny")


def layer_weights(model: ModelSpec, index: int) -> int:
    """Weights of one layer of the decoder."""
    group = next(group for group in model.layers if index in group.indices)
    return sum(tensor.elements for tensor in group.tensors() if not tensor.buffer)


# Each: keys, a layer of the decoder that the draft's equals, and what stands beside it. The names and what is stored
# again are those that vLLM 0.33 loads for the family.
LIKE_A_LAYER: list[tuple[str, dict[str, Any], int, int]] = [
    ("deepseek_v3", LATENT, 3, COMBINE + H + COPIES),
    ("glm4_moe", {}, 3, COMBINE + H + COPIES),
    ("glm4_moe_lite", LATENT, 3, COMBINE + H + COPIES),
    ("deepseek_v32", LATENT | {"index_n_heads": 4, "index_head_dim": 8, "index_topk": 16}, 3, COMBINE + H + COPIES),
    ("glm_moe_dsa", LATENT | {"index_n_heads": 4, "index_head_dim": 8, "index_topk": 16}, 3, COMBINE + H),
    ("hy_v3", {}, 3, COMBINE + H),
    ("bailing_moe", {"num_shared_experts": 1}, 3, COMBINE + H),
    ("mimo", {}, 3, COMBINE + H),
    ("exaone_moe", {}, 0, COMBINE + H),
    ("ernie4_5_moe", {"moe_num_experts": 8, "moe_k": 2}, 0, COMBINE),
    ("qwen3_next", {
        "mtp_num_hidden_layers": 1, "full_attention_interval": 2, "linear_num_key_heads": 2,
        "linear_num_value_heads": 2, "shared_expert_intermediate_size": 24,
    }, 3, COMBINE + H),
    ("mimo_v2_flash", {"v_head_dim": 8, "layer_types": ["sliding_attention"] * 4, "sliding_window": 16,
                       "mlp_layer_types": ["dense"] * 4}, 3, COMBINE + H),
    ("step3p5", {"share_expert_dim": 24, "moe_layers_enum": "1,2"}, 3, COMBINE + H + V * H),
    ("minimax_m3", {
        "num_mtp_modules": 1, "num_local_experts": 8, "shared_intermediate_size": 24,
        "sparse_attention_config": {"sparse_attention_freq": [1] * 4},
    }, 3, COMBINE + H),
]  # fmt: skip


@pytest.mark.parametrize(("model_type", "keys", "like", "beside"), LIKE_A_LAYER, ids=[row[0] for row in LIKE_A_LAYER])
def test_a_draft_is_a_layer_and_what_stands_beside_it(
    model_type: str, keys: dict[str, Any], like: int, beside: int
) -> None:
    model = read(model_type, **keys)
    assert model.draft is not None
    assert model.draft_parameters == layer_weights(model, like) + beside
    stated = ("num_nextn_predict_layers", "num_mtp_modules", "mtp_num_hidden_layers")
    assert model.total_parameters == read(model_type, **{**keys, **dict.fromkeys(stated)}).total_parameters


def test_deepseek_v3_drafts_as_many_weights_as_the_hub_counts() -> None:
    """684,531,386,000 on the Hub = 671,026,419,200 + 13,463,426,304 for drafting + 41,540,496 scales."""
    model = load_models([packaged_profiles()])["deepseek-ai/DeepSeek-V3"]
    assert model.draft is not None
    assert sum(count * tensor.elements for count, tensor in model.draft.tensors()) == 13_463_426_304


def test_step_gives_every_layer_an_output_matrix_and_windows_as_listed() -> None:
    model = read(
        "step3p5", share_expert_dim=24, num_nextn_predict_layers=3, sliding_window=16,
        layer_types=["full_attention"] * 4 + ["sliding_attention", "sliding_attention", "full_attention"],
        attention_other_setting={"num_attention_heads": 12},
    )  # fmt: skip
    assert model.draft is not None
    heads = sum(count for count, tensor in model.draft.tensors() if tensor.role is TensorRole.HEAD)
    assert heads == 3
    found = [
        (group.indices, group.mixers[0].query_heads, group.mixers[0].window_tokens) for group in model.draft.layers
    ]
    assert found == [((4, 5), 12, 16), ((6,), 8, None)]


def test_longcat_drafts_with_an_embedding_of_its_own() -> None:
    keys = {
        "num_layers": 4, "ffn_hidden_size": 96, "expert_ffn_hidden_size": 32, "moe_topk": 2, "zero_expert_num": 4,
    }  # fmt: skip
    model = read("longcat_flash", **LATENT, **keys)
    assert model.draft is not None
    latent = sum(tensor.elements for tensor in model.layers[0].mixers[0].tensors)
    assert model.draft_parameters == latent + 3 * H * 96 + 2 * H + COMBINE + H + V * H
    assert {tensor.name for _, tensor in model.draft.tensors()} >= {
        "model.mtp.embed_tokens.weight", "model.mtp.layers.{i}.enorm.m.weight",
        "model.mtp.layers.{i}.transformer_layer.mlp.up_proj.weight",
    }  # fmt: skip


def test_minimax_m2_states_modules_that_its_checkpoint_does_not_hold() -> None:
    """Its published 230,121,630,720 bytes are those of the decoder alone."""
    path = DATA / "configs" / "MiniMaxAI__MiniMax-M2.5.json"
    if not path.is_file():
        pytest.skip(f"no config at {path}: set LLMPLAN_DATA")
    model = read_config_file(path)
    assert model.draft is None
    assert not any("multi-token" in note for note in model.notes)


def test_a_draft_behind_a_multimodal_prefix_is_named_as_the_decoder() -> None:
    inner = {key: value for key, value in SIZES.items() if key != "torch_dtype"} | {
        "num_mtp_modules": 1, "num_local_experts": 8, "shared_intermediate_size": 24,
    }  # fmt: skip
    model = read_config(
        {"model_type": "minimax_m3_vl", "torch_dtype": "bfloat16", "text_config": inner}, model_id="tiny"
    )
    assert model.draft is not None
    assert all(tensor.name.startswith("language_model.model.mtp.layers.{i}.") for _, tensor in model.draft.tensors())
    assert isinstance(model.draft.layers[0].feed_forward, MoeFeedForward)


def test_no_layers_for_drafting_where_the_file_states_none() -> None:
    for model_type in ("deepseek_v3", "step3p5", "mimo", "ernie4_5_moe"):
        assert read(model_type, **LATENT, moe_num_experts=8, num_nextn_predict_layers=0).draft is None


def test_exaone_drafts_with_the_windows_of_its_first_layers_unless_it_says_otherwise() -> None:
    keys = {"sliding_window": 16, "sliding_windows": [8, 12, 16, 16]}
    model = read("exaone_moe", **keys)
    assert [(group.indices, group.mixers[0].window_tokens) for group in model.layers] == [
        ((0,), 8), ((1,), 12), ((2,), 16), ((3,), None),
    ]  # fmt: skip
    assert model.draft is not None
    assert model.draft.layers[0].mixers[0].window_tokens == 8
    full = read("exaone_moe", **keys, mtp_layer_types=["full_attention"]).draft
    assert full is not None
    assert full.layers[0].mixers[0].window_tokens is None

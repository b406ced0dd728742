"""Weights of hybrids and state-space models, as others count them.

Small configs were counted by instantiating the class without weights (transformers 5.24, torch 2.13, meta device).
"""

from __future__ import annotations

from typing import Any

import pytest
from hybrid_samples import DELTA, KDA, LATENT, NEMOTRON, PURE, SMALL, ZAMBA, build, rows

from llmplan.catalogs.hf_config import read_config, read_config_file
from tests_support import DATA

INKLING: dict[str, Any] = {
    "hidden_size": 64, "vocab_size": 97, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "swa_num_attention_heads": 2, "swa_num_key_value_heads": 1, "swa_head_dim": 16, "sliding_window_size": 24,
    "rel_extent": 40, "intermediate_size": 50, "moe_intermediate_size": 20, "n_routed_experts": 7,
}  # fmt: skip

# model type, keys, parameters of the class
INSTANTIATED: list[tuple[str, dict[str, Any], int]] = [
    ("mamba", PURE, 104_384),
    ("mamba", {**PURE, "expand": 4, "state_size": 8, "conv_kernel": 3, "use_bias": True, "use_conv_bias": False,
               "tie_word_embeddings": False, "time_step_rank": 7}, 194_880),
    ("falcon_mamba", {**PURE, "tie_word_embeddings": False, "expand": 16, "intermediate_size": 128}, 110_592),
    ("mamba2", {**PURE, "num_heads": 8, "head_dim": 16, "n_groups": 2}, 196_296),
    ("jamba", SMALL, 975_348),
    ("jamba", {**SMALL, "num_hidden_layers": 9, "num_experts": 4, "attn_layer_period": 3, "attn_layer_offset": 1,
               "expert_layer_period": 3, "expert_layer_offset": 0, "mamba_proj_bias": True, "mamba_conv_bias": False,
               "mamba_dt_rank": 5, "tie_word_embeddings": True}, 520_286),
    ("bamba", {**SMALL, "mamba_n_heads": 8, "attn_layer_indices": [1, 4]}, 374_816),
    ("granitemoehybrid", {**SMALL, "mamba_n_heads": 8, "num_local_experts": 4,
                          "layer_types": ["mamba", "mamba", "attention"] * 2}, 1_832_480),
    ("granitemoehybrid", {**SMALL, "mamba_n_heads": 8, "num_local_experts": 0, "shared_intermediate_size": 48,
                          "attention_bias": True, "mamba_proj_bias": True, "tie_word_embeddings": True,
                          "layer_types": ["linear_attention", "full_attention"] * 3}, 285_920),
    ("falcon_h1", {**SMALL, "mamba_d_ssm": 96, "mamba_n_heads": 6}, 506_988),
    ("falcon_h1", {**SMALL, "mamba_d_ssm": None, "mamba_n_heads": 8, "mamba_rms_norm": True, "mamba_n_groups": 2,
                   "projectors_bias": True, "mamba_proj_bias": True, "attention_bias": True, "mlp_bias": True,
                   "head_dim": 32, "tie_word_embeddings": True}, 837_248),
    ("nemotron_h", {**NEMOTRON, "hybrid_override_pattern": "MM*-E-"}, 232_048),
    ("nemotron_h", {**NEMOTRON, "layers_block_type": ["mamba", "attention", "moe", "mlp"], "n_routed_experts": 4,
                    "moe_latent_size": 16, "mlp_bias": True, "use_bias": True, "use_conv_bias": False}, 124_928),
    ("lfm2", {**SMALL, "intermediate_size": 100, "layer_types": ["conv", "conv", "full_attention"] * 2}, 392_896),
    ("lfm2", {**SMALL, "intermediate_size": 100, "block_auto_adjust_ff_dim": False, "conv_bias": True,
              "conv_L_cache": 4, "full_attn_idxs": [0, 3], "tie_embedding": False}, 220_928),
    ("lfm2", {**SMALL, "block_ff_dim": 300, "block_ffn_dim_multiplier": 1.3, "block_multiple_of": 32}, 412_736),
    ("lfm2_moe", {**SMALL, "intermediate_size": 100, "layer_types": ["conv", "conv", "full_attention"] * 2,
                  "num_experts": 4, "moe_intermediate_size": 20}, 198_848),
    ("lfm3", {**SMALL, "num_hidden_layers": 9, "intermediate_size": 40, "head_dim": 32}, 261_440),
    ("qwen3_next", {**DELTA, "intermediate_size": 96}, 633_600),
    ("qwen3_next", {**DELTA, "intermediate_size": 96, "decoder_sparse_step": 2, "mlp_only_layers": [1],
                    "attention_bias": True, "full_attention_interval": 2, "tie_word_embeddings": True}, 481_984),
    ("qwen3_5_text", {**DELTA, "intermediate_size": 96}, 368_896),
    ("kimi_linear", {**LATENT, "linear_attn_config": KDA}, 513_333),
    ("kimi_linear", {**LATENT, "q_lora_rank": 14, "attention_bias": True, "num_shared_experts": 2,
                     "first_k_dense_replace": 3}, 15_547_496),
    ("bailing_hybrid", {**LATENT, "num_hidden_layers": 12, "head_dim": 16, "short_conv_kernel_size": 4}, 758_312),
    ("minimax", {**SMALL, "intermediate_size": 40, "head_dim": 32}, 581_952),
    ("olmo_hybrid", {**SMALL, "intermediate_size": 40}, 201_152),
    ("recurrent_gemma", {**SMALL, "intermediate_size": 40, "lru_width": 96, "attention_bias": True,
                         "tie_word_embeddings": False, "block_types": ["recurrent", "attention"],
                         "conv1d_width": 3}, 146_256),
    ("rwkv", PURE, 174_528),
    ("zamba", {**SMALL, "num_hidden_layers": 12, "num_key_value_heads": 4, "intermediate_size": 40}, 472_128),
    ("zamba2", {"hidden_size": 64, "vocab_size": 97, "num_attention_heads": 4, "layers_block_type": ZAMBA,
                "n_mamba_heads": 4}, 734_828),
    ("zamba2", {"hidden_size": 64, "vocab_size": 97, "num_attention_heads": 4, "num_key_value_heads": 2,
                "layers_block_type": ZAMBA, "n_mamba_heads": 4, "num_mem_blocks": 2, "adapter_rank": 8,
                "use_shared_attention_adapter": True, "add_bias_linear": True, "mamba_ngroups": 2,
                "intermediate_size": 100}, 572_192),
    ("qwen4_exp_text", {**DELTA, "indexer_n_heads": 3, "indexer_kv_heads": 1, "indexer_head_dim": 64,
                        "indexer_budget": 64, "indexer_compress_ratio": 4, "ple_layer_ids": [2, 5],
                        "ngram_vocab_size_base": 1000, "ple_embed_dim": 32, "hc_count": 3, "hc_lowrank": 10,
                        "attention_bias": True}, 828_224 + 97 * 64),
    ("lara_mini", DELTA, 612_352),
    ("xlstm", {"hidden_size": 200, "num_hidden_layers": 3, "vocab_size": 97, "num_heads": 2, "use_bias": True,
               "qk_dim_factor": 0.3, "v_dim_factor": 1.7, "ffn_proj_factor": 2.1, "ffn_round_up_to_multiple_of": 32},
     1_542_540),
    ("zaya", {**SMALL, "num_hidden_layers": 5, "head_dim": 32, "moe_intermediate_size": 20, "num_experts": 5,
              "router_hidden_size": 24, "attention_bias": True, "lm_head_bias": True, "tie_word_embeddings": False,
              "cca_time0": 3, "sliding_window": 16, "layer_types": ["hybrid", "hybrid_sliding"] + ["hybrid"] * 3},
     317_371),
    ("inkling_text", {**INKLING, "num_hidden_layers": 9, "dense_mlp_idx": 2, "n_shared_experts": 3, "d_rel": 5,
                      "conv_kernel_size": 3, "local_layer_ids": [0, 1, 4]}, 489_761),
    ("glm5_next_text", {**LATENT, "num_hidden_layers": 12, "n_routed_experts": 10, "q_lora_rank": 14,
                        "kv_lora_rank": 18, "index_topk_freq": 2, "index_kpool": 4, "hc_mult": 2,
                        "attention_bias": True, "qk_rope_head_dim": 0, "qk_nope_head_dim": 256, "v_head_dim": 256,
                        "linear_attn_config": {"head_dim": 16, "num_heads": 3, "short_conv_kernel_size": 3}},
     1_209_299 + 97 * 64),
]  # fmt: skip

# Totals that the Hub shows for published checkpoints, or (RWKV 7) the model's paper prints.
PUBLISHED: list[tuple[str, dict[str, Any], int]] = [
    ("lfm2", {"hidden_size": 2048, "num_hidden_layers": 16, "block_ff_dim": 12288, "num_attention_heads": 32,
              "vocab_size": 65536, "full_attn_idxs": [2, 5, 8, 10, 12, 14]}, 1_170_340_608),
    ("lfm2_moe", {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32, "vocab_size": 65536,
                  "layer_types": ["full_attention" if i in (2, 6, 10, 14, 18, 21) else "conv" for i in range(24)]},
     8_339_929_856),
    ("jamba", {"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336, "num_attention_heads": 32,
               "vocab_size": 65536}, 51_570_323_328),
    ("minimax_text_01", {"hidden_size": 6144, "num_hidden_layers": 80, "intermediate_size": 9216, "vocab_size": 200064,
                         "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 32,
                         "attn_type_list": ([0] * 7 + [1]) * 10}, 456_089_655_296),
    ("mamba", {"hidden_size": 2560, "num_hidden_layers": 64, "vocab_size": 50280}, 2_768_345_600),
    ("mamba2", {"hidden_size": 4096, "num_hidden_layers": 64, "vocab_size": 32768}, 7_285_403_648),
    ("rwkv", {"hidden_size": 768, "num_hidden_layers": 12, "vocab_size": 50277}, 169_342_464),
    ("rwkv6", {"hidden_size": 2048, "num_hidden_layers": 24, "vocab_size": 65536}, 1_599_873_024),
    ("recurrent_gemma", {"hidden_size": 2560, "num_hidden_layers": 26, "intermediate_size": 15360, "vocab_size": 256000,
                         "num_attention_heads": 10, "num_key_value_heads": 1}, 2_682_862_080),
    ("rwkv7", {"hidden_size": 768, "num_hidden_layers": 12, "vocab_size": 65536}, 191_034_624),
    ("rwkv7", {"hidden_size": 2560, "num_hidden_layers": 32, "vocab_size": 65536, "decay_low_rank_dim": 96,
               "gate_low_rank_dim": 320, "a_low_rank_dim": 96, "v_low_rank_dim": 64}, 2_947_735_040),
    ("nemotron_h", {"hidden_size": 4480, "intermediate_size": 15680, "mamba_head_dim": 80, "mamba_num_heads": 128,
                    "num_attention_heads": 40, "num_key_value_heads": 8, "vocab_size": 131072,
                    "hybrid_override_pattern": "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-"},
     8_888_227_328),
    ("granitemoehybrid", {"hidden_size": 1536, "num_hidden_layers": 40, "intermediate_size": 512,
                          "num_local_experts": 64, "num_experts_per_tok": 6, "num_attention_heads": 12,
                          "num_key_value_heads": 4, "vocab_size": 100352, "tie_word_embeddings": True,
                          "mamba_d_state": 128, "mamba_n_heads": 48,
                          "layer_types": ["attention" if i % 10 == 5 else "mamba" for i in range(40)]}, 6_939_037_248),
    ("falcon_h1", {"hidden_size": 1024, "num_hidden_layers": 36, "intermediate_size": 2048, "num_attention_heads": 8,
                   "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 32784, "mamba_d_ssm": 1536,
                   "mamba_n_heads": 24, "mamba_d_state": 128}, 521_411_104),
]  # fmt: skip


def label(case: tuple[str, dict[str, Any], int]) -> str:
    return f"{case[0]}-{case[2]}"


@pytest.mark.parametrize("case", INSTANTIATED, ids=label)
def test_a_small_config_counts_as_its_class(case: tuple[str, dict[str, Any], int]) -> None:
    model_type, keys, parameters = case
    assert build(model_type, keys).text_parameters == parameters


@pytest.mark.parametrize("case", PUBLISHED, ids=label)
def test_a_published_model_counts_as_published(case: tuple[str, dict[str, Any], int]) -> None:
    model_type, keys, parameters = case
    assert build(model_type, keys).text_parameters == parameters


@pytest.mark.parametrize("case", INSTANTIATED + PUBLISHED, ids=label)
def test_every_layer_is_in_one_group(case: tuple[str, dict[str, Any], int]) -> None:
    model = build(*case[:2])
    places = sorted(place for group in model.layers for place in group.indices)
    assert places == list(range(model.layer_count))


def test_the_hub_counts_kimi_linears_score_biases_too() -> None:
    """The Hub's 49,122,681,728 has a 32-bit bias for each of 256 experts in 26 layers."""
    nested = {
        "head_dim": 128, "num_heads": 32, "short_conv_kernel_size": 4, "full_attn_layers": [4, 8, 12, 16, 20, 24, 27],
        "kda_layers": [i for i in range(1, 27) if i % 4],
    }  # fmt: skip
    model = build("kimi_linear", {
        "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 27, "num_attention_heads": 32,
        "num_key_value_heads": 32, "moe_intermediate_size": 1024, "vocab_size": 163840, "q_lora_rank": None,
        "linear_attn_config": nested,
    })  # fmt: skip
    assert model.text_parameters + 26 * 256 == 49_122_681_728


def test_every_hybrid_of_the_oracle_counts_as_its_class() -> None:
    kinds = {"nemotron_h", "falcon_h1", "falcon_mamba", "lfm2", "granitemoehybrid", "qwen3_next", "qwen3_5_moe_text"}
    checked = 0
    for row in rows():
        if row["model_type"] in kinds and row.get("params_text"):
            model = read_config_file(DATA / "configs" / row["file"], dtype="bf16")
            assert model.text_parameters == row["params_text"], row["file"]
            assert model.active_parameters == row["params_active"], row["file"]
            checked += 1
    assert checked >= 10


def test_a_recurrence_alone_may_state_no_context() -> None:
    keys = {**PURE, "model_type": "falcon_mamba", "tie_word_embeddings": False, "intermediate_size": 128}
    unbounded = read_config({**keys, "max_position_embeddings": None}, model_id="tiny", dtype="bfloat16")
    assert (unbounded.states_context, unbounded.default_context_tokens) == (False, 2048)
    stated = read_config({**keys, "max_position_embeddings": 4096}, model_id="tiny", dtype="bfloat16")
    assert (stated.states_context, stated.default_context_tokens, stated.max_context_tokens) == (True, None, 4096)

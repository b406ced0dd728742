"""Further keys of a config.json that decide the inventory of some family, beyond those that most files have.

A profile may state any of them; the generator of profiles keeps one only where another value would give another model.
"""

from __future__ import annotations

from typing import Final

MORE_FIGURES: Final = (
    "adapter_rank", "altup_num_inputs", "attention_head_dim", "attention_heads", "attention_hidden_size",
    "attention_window_size", "attn_layer_offset", "attn_layer_period", "attn_res_block_size",
    "block_ffn_dim_multiplier", "block_multiple_of", "cca_time0", "cca_time1", "context_length", "conv1d_width",
    "conv_L_cache", "conv_kernel", "conv_kernel_size", "d_rel", "dense_intermediate_size", "embedding_dim",
    "expand", "expert_ffn_hidden_size", "expert_layer_offset", "expert_layer_period", "ffn_dim",
    "ffn_proj_factor", "ffn_round_up_to_multiple_of", "full_attention_interval", "gated_norm_rank",
    "global_attn_every_n_layers", "global_head_dim", "hc_count", "hc_lowrank", "hc_mult", "head_size",
    "heads_per_ngram", "hidden_size_per_layer_input", "index_block_size", "index_head_dim", "index_kpool",
    "index_n_heads", "index_skip_topk_offset", "index_topk", "index_topk_blocks", "index_topk_freq",
    "index_topk_pattern", "indexer_budget", "indexer_compress_ratio", "indexer_head_dim", "indexer_kv_heads",
    "indexer_n_heads", "kv_n_heads", "laurel_rank", "layer_group_size", "linear_conv_kernel_dim",
    "linear_key_head_dim", "linear_num_heads", "linear_num_key_heads", "linear_num_value_heads",
    "linear_value_head_dim", "local_attention", "lru_width", "make_ngram_vocab_size_divisible_by",
    "mamba_d_conv", "mamba_d_head", "mamba_d_ssm", "mamba_d_state", "mamba_dt_rank", "mamba_expand",
    "mamba_head_dim", "mamba_n_groups", "mamba_n_heads", "mamba_ngroups", "mamba_num_heads",
    "max_target_positions", "moe_hidden_size", "moe_k", "moe_latent_size", "moe_layer_end_index",
    "moe_layer_interval", "moe_layer_start_index", "moe_num_experts", "moe_num_shared_experts",
    "moe_shared_expert_intermediate_size", "moe_top_k", "moe_topk", "mtp_num_hidden_layers", "n_groups",
    "n_input_layers", "n_mamba_heads", "n_recurrent_layers", "n_recurrent_loops", "ngram_size",
    "ngram_vocab_size_base", "no_rope_layer_interval", "nope_layer_interval", "num_blocks", "num_dense_layers",
    "num_experts_per_token", "num_global_key_value_heads", "num_hash_layers", "num_heads",
    "num_kv_shared_layers", "num_ln_in_parallel_attn", "num_mem_blocks", "num_mtp_layers", "num_shared_experts",
    "num_sliding_attention_heads", "o_groups", "o_lora_rank", "ple_conv_kernel_size", "ple_embed_dim",
    "prefix_dense_intermediate_size", "prefix_dense_sliding_window_pattern", "qk_dim_factor", "rel_extent",
    "routed_expert_hidden_size", "router_hidden_size", "share_expert_dim", "shared_intermediate_size",
    "short_conv_kernel_size", "sliding_window_size", "ssm_state_size", "state_size", "swa_head_dim",
    "swa_num_attention_heads", "swa_num_key_value_heads", "time_step_rank", "top_k_experts", "type_vocab_size",
    "v_dim_factor", "vocab_size_per_layer_input", "word_embed_proj_dim", "zero_expert_num",
)  # fmt: skip
"""numbers"""
MORE_FACTS: Final = (
    "activation_function", "attention_k_eq_v", "attention_out_bias", "attn_config", "attn_layer_indices",
    "attn_type_list", "block_auto_adjust_ff_dim", "block_configs", "block_types", "compress_rates",
    "compress_ratios", "conv_L_cache", "conv_bias", "cross_attention_layers", "do_layer_norm_before",
    "enable_bias", "enable_moe_block", "ffn_config", "full_attention_interval",
    "full_attn_idxs", "gating", "hybrid_override_pattern", "index_topk_pattern", "indexer_types",
    "intermediate_size", "is_moe", "latent_moe_use_norm", "layer_norm_elementwise_affine", "layers_block_type",
    "linear_attn_config", "local_layer_ids", "mamba_conv_bias", "mamba_dt_rank", "mamba_proj_bias",
    "mamba_rms_norm", "mamba_ssm_cache_dtype", "mamba_ssm_dtype", "mla_use_output_gate", "mlp_layer_types",
    "mlp_only_layers", "moe_intermediate_size", "moe_layer_freq", "moe_layers", "mtp_hybrid_override_pattern",
    "mtp_layer_types", "mtp_layers_block_type", "mtp_local_layer_ids", "mtp_mlp_layer_types", "no_rope_layers",
    "norm_bias", "num_attention_heads_per_layer", "num_key_value_heads_per_layer", "per_layer_config",
    "ple_layer_ids", "position_embedding_type", "qk_layernorm", "qkv_bias", "residual_scale", "router_bias",
    "sliding_window_pattern", "sliding_windows", "sparse_attention_config", "tie_embedding", "time_step_rank",
    "use_attention_gate", "use_bias", "use_bidirectional_attention", "use_conv_bias", "use_double_wide_mlp",
    "use_expert_bias", "use_mla", "use_post_norm", "use_sandwich_norm", "use_shared_attention_adapter",
    "version",
)  # fmt: skip
"""everything else; a key may be a number in one file and a list, one per layer, in another"""

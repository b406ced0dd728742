"""Files of multimodal models that a stranger wrote: an error of ours that names the file, or a plausible model."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.catalogs.hf_config import read_config
from llmplan.catalogs.hf_config.wrappers import WRAPPERS, Wrapper
from llmplan.errors import LlmplanError

TEXT: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 500, "max_position_embeddings": 256,
    "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_routed_experts": 4,
}  # fmt: skip
KEYS = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "depth",
    "num_heads", "embed_dim", "patch_size", "image_size", "num_channels", "in_channels", "spatial_merge_size",
    "temporal_patch_size", "out_hidden_size", "mlp_ratio", "merge_kernel_size", "window_kernel_size", "model_type",
    "deepstack_visual_indexes", "num_position_embeddings", "position_embedding_size", "head_dim", "vision_use_head",
    "attention_bias", "use_qk_norm", "norm_type", "layer_types", "vocab_size", "num_mel_bins", "d_model", "name",
    "encoder_layers", "encoder_ffn_dim", "max_source_positions", "output_dim", "conv_kernel_size", "architecture",
    "subsampling_conv_channels", "sscp_conv_channel_size", "max_num_tiles", "supported_aspect_ratios", "width",
    "layers", "mm_projector_type", "vt_hidden_size", "vt_num_hidden_layers", "num_visual_indicator_tokens",
    "resampler_depth", "n_embed", "use_clipped_linears", "standardize", "num_patches",
)  # fmt: skip
OUTER = (
    "tie_word_embeddings", "downsample_ratio", "downsample_factor", "scale_factor", "vision_feature_layer", "version",
    "vision_feature_layers", "projector_hidden_size", "mm_tokens_per_image", "projector_patch_to_query_dict",
    "query_num", "merger_times", "projection_dim", "alignment_intermediate_size", "perceiver_config",
)  # fmt: skip
NUMBERS = st.sampled_from(
    [0, 1, 2, 3, 7, 14, 16, 64, 224, 1152, -1, 10**6, 10**9, 10**40, 2.5, float("inf"), float("nan")]
)
GARBAGE = st.one_of(
    NUMBERS, st.booleans(), st.none(), st.text(max_size=8), st.lists(NUMBERS, max_size=3),
    st.dictionaries(st.text(max_size=4), NUMBERS, max_size=3), st.lists(st.lists(NUMBERS, max_size=2), max_size=2),
    st.sampled_from(["clip_vision_model", "siglip_vision_model", "siglip2_vision_model", "pixtral", "patchmerger"]),
)  # fmt: skip
PARTS = st.one_of(st.dictionaries(st.sampled_from(KEYS), GARBAGE, max_size=6), GARBAGE)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(WRAPPERS), PARTS, PARTS,
    st.dictionaries(st.sampled_from([*TEXT, "layer_types", "model_type"]), GARBAGE, max_size=2),
    st.dictionaries(st.sampled_from(OUTER), GARBAGE, max_size=2),
)  # fmt: skip
def test_no_file_is_worse_than_an_error_of_ours(
    wrapper: Wrapper, first: Any, second: Any, text: dict[str, Any], outer: dict[str, Any]
) -> None:
    sections = dict(zip(wrapper.towers, (first, second), strict=False))
    inside = {wrapper.text_key: {**TEXT, **text}, **outer, **sections}
    around = {wrapper.inside: inside} if wrapper.inside else inside
    try:
        model = read_config({"torch_dtype": "bfloat16", **around, "model_type": wrapper.model_type}, model_id="file")
    except LlmplanError as error:
        named = error.message.startswith("file")
    else:
        named = True
        assert model.tower_parameters >= 0
        assert all(size > 0 for tower in model.towers for _, tensor in tower.tensors for size in tensor.shape)
        assert all(count > 0 for tower in model.towers for count, _ in tower.tensors)
        assert all(tower.max_item_tokens is None or tower.max_item_tokens > 0 for tower in model.towers)
    assert named

"""Keys of one file that contradict each other: refused, or said which of them counts."""

from __future__ import annotations

from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.errors import DataError
from llmplan.spec.model import DenseFeedForward

LLAMA: dict[str, Any] = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", "hidden_size": 64,
    "intermediate_size": 160, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2,
    "vocab_size": 1000, "max_position_embeddings": 2048, "tie_word_embeddings": False,
}  # fmt: skip
NEMOTRON: dict[str, Any] = LLAMA | {
    "model_type": "nemotron_h", "mamba_num_heads": 8, "mamba_head_dim": 16, "n_groups": 2, "ssm_state_size": 16,
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
    "moe_shared_expert_intermediate_size": 32, "head_dim": 8,
}  # fmt: skip
DEEPSEEK: dict[str, Any] = LLAMA | {
    "model_type": "deepseek_v3", "kv_lora_rank": 24, "q_lora_rank": 16, "qk_nope_head_dim": 12, "qk_rope_head_dim": 4,
    "v_head_dim": 8, "n_routed_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
    "n_shared_experts": 1,
}  # fmt: skip
FULL, WINDOWED = "full_attention", "sliding_attention"


def notes(config: dict[str, Any]) -> str:
    return "\n".join(read_config(config, model_id="some/model").notes)


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize(
    ("key", "entry", "more"),
    [
        ("layer_types", FULL, {}),
        ("layer_types", WINDOWED, {"model_type": "gemma3_text", "sliding_window": 64}),
        ("mlp_layer_types", "dense", DEEPSEEK),
        ("indexer_types", "full", DEEPSEEK | {"model_type": "glm_moe_dsa", "index_n_heads": 4, "index_head_dim": 16}),
        ("no_rope_layers", 1, {"model_type": "smollm3", "use_sliding_window": True, "sliding_window": 64}),
        ("attn_type_list", 1, {"model_type": "minimax", "num_local_experts": 4, "num_experts_per_tok": 2}),
        ("block_configs", {"attention": {"no_op": True}, "ffn": {"no_op": True}}, {"model_type": "nemotron-nas"}),
        ("layers_block_type", "mamba", {"model_type": "zamba2"}),
    ],
)  # fmt: skip
def test_a_list_of_another_length_than_the_layers_is_refused(
    key: str, entry: Any, more: dict[str, Any], count: int
) -> None:
    """transformers refuses these lengths of `layer_types` and `mlp_layer_types`, too."""
    with pytest.raises(DataError) as caught:
        read_config(LLAMA | more | {key: [entry] * count}, model_id="some/model")
    assert f"`{key}`" in caught.value.message
    assert f"lists {count} layers" in caught.value.message
    assert "`num_hidden_layers` is 4" in caught.value.message


def test_entries_of_layers_that_draft_may_stand_behind_the_others() -> None:
    config = LLAMA | {"layer_types": [FULL] * 5, "num_nextn_predict_layers": 1}
    assert read_config(config, model_id="some/model").layer_count == 4
    with pytest.raises(DataError, match="layer_types"):
        read_config(config | {"layer_types": [FULL] * 6}, model_id="some/model")


@pytest.mark.parametrize("stated", [{"hybrid_override_pattern": "M*E"}, {"layers_block_type": ["mamba", FULL, "moe"]}])
def test_a_pattern_is_the_number_of_layers_where_the_class_has_it_so(stated: dict[str, Any]) -> None:
    """transformers 5: NemotronHConfig(num_hidden_layers=52, hybrid_override_pattern="M*E") has 3 layers."""
    config = NEMOTRON | stated | {"num_hidden_layers": 52}
    assert read_config(config, model_id="some/model").layer_count == 3
    said = notes(config)
    assert "`num_hidden_layers` is 52" in said
    assert f"`{next(iter(stated))}` lists 3 layers" in said
    assert "num_hidden_layers" not in notes(config | {"num_hidden_layers": 3})


def quantized(**settings: Any) -> dict[str, Any]:
    return LLAMA | {"quantization_config": settings}


def grouped(size: int | None, strategy: str = "group") -> dict[str, Any]:
    weights = {"type": "int", "num_bits": 4, "group_size": size, "strategy": strategy}
    return quantized(
        quant_method="compressed-tensors", config_groups={"all": {"weights": weights, "targets": ["Linear"]}}
    )


@pytest.mark.parametrize("size", [0, 33])
def test_groups_that_cannot_be_are_refused(size: int) -> None:
    """The inputs are 64 and 160 wide: 33 divides neither."""
    for config in (
        quantized(quant_method="gptq", bits=4, group_size=size),
        quantized(quant_method="awq", bits=4, group_size=size),
        quantized(bits=4, group_size=size),
        grouped(size),
    ):
        with pytest.raises(DataError, match=f"key `group_size`: {size} "):
            read_config(config, model_id="some/model")


def test_the_key_of_a_group_is_the_files_own() -> None:
    with pytest.raises(DataError, match="key `q_group_size`: 0 "):
        read_config(quantized(quant_method="awq", w_bit=4, q_group_size=0), model_id="some/model")


@pytest.mark.parametrize("size", [-1, 32, 64, 160, 4096])
def test_rows_and_groups_of_some_inputs_stay(size: int) -> None:
    """One scale for a row; 64 and 160 divide one of the two widths; a group wider than a row is the row."""
    for method in ("gptq", "awq"):
        model = read_config(quantized(quant_method=method, bits=4, group_size=size), model_id="some/model")
        assert model.checkpoint_weights is not None
        assert model.checkpoint_weights.group_size == (None if size == -1 else size)


@pytest.mark.parametrize("size", [None, -1, 0])
def test_a_channel_needs_no_group(size: int | None) -> None:
    model = read_config(grouped(size, "channel"), model_id="some/model")
    assert model.checkpoint_weights is not None
    assert model.checkpoint_weights.group_size is None


def test_the_newer_of_two_keys_of_the_type_counts() -> None:
    """transformers 5 (`PreTrainedConfig.__post_init__`): if both are provided, keep `dtype`."""
    config = LLAMA | {"dtype": "float32"}
    assert read_config(config, model_id="some/model").checkpoint_format == "fp32"
    assert "`dtype` counts" in notes(config)
    assert not notes(LLAMA | {"dtype": "torch.bfloat16"})


@pytest.mark.parametrize("name", ["BertModel", "LlamaModel", "LlamaForSequenceClassification", "LlamaForRewardModel"])
def test_a_class_without_an_output_matrix_is_said(name: str) -> None:
    config = LLAMA | {"architectures": [name]}
    assert f"'{name}'" in notes(config)
    assert f"{1000 * 64:,} parameters" in notes(config)
    assert not notes(config | {"tie_word_embeddings": True})
    assert not notes(config | {"auto_map": {"AutoModelForCausalLM": "modeling.Own"}})


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "GPT2LMHeadModel", "ChatGLMModel"])
def test_other_classes_are_not(name: str) -> None:
    assert not notes(LLAMA | {"architectures": [name]})


def test_experts_that_no_layer_has_are_said() -> None:
    """The class routes from layer `first_k_dense_replace` on: beyond the last, every layer is dense."""
    config = DEEPSEEK | {"first_k_dense_replace": 100}
    model = read_config(config, model_id="some/model")
    assert all(isinstance(group.feed_forward, DenseFeedForward) for group in model.layers)
    assert "`first_k_dense_replace` is 100 of 4" in notes(config)
    assert not notes(config | {"first_k_dense_replace": 3})


@pytest.mark.parametrize("model_type", ["gemma3_text", "mistral"])
def test_a_window_of_nothing_is_no_window(model_type: str) -> None:
    """vLLM 0.33 (`config/model.py`): a `sliding_window` of 0 means that it is disabled."""
    model = read_config(LLAMA | {"model_type": model_type, "sliding_window": 0}, model_id="some/model")
    assert {getattr(mixer, "window", None) for group in model.layers for mixer in group.mixers} == {None}


def test_an_empty_encoder_beside_a_flat_decoder_is_said() -> None:
    deltas = {
        "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
        "linear_conv_kernel_dim": 4,
    }  # fmt: skip
    flat = LLAMA | deltas | {"model_type": "qwen3_5"}
    assert "its size is unknown" in notes(flat | {"vision_config": {}})
    assert not notes(flat)


def test_sizes_that_the_file_leaves_to_its_class_are_named() -> None:
    """Qwen3-Omni's class has 28 heads in a width of 2048, which the published files override."""
    stub = {"model_type": "qwen3_omni_moe", "torch_dtype": "bfloat16", "thinker_config": {"text_config": {}}}
    with pytest.raises(DataError) as caught:
        read_config(stub, model_id="some/model")
    assert "`thinker_config.text_config` does not state `hidden_size`, `num_attention_heads`" in caught.value.message
    inner = {"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 5}
    with pytest.raises(DataError) as caught:
        read_config(stub | {"thinker_config": {"text_config": inner}}, model_id="some/model")
    assert "does not state" not in caught.value.message

"""A config.json comes from a stranger: whatever it says, the answer is a model or one clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmplan.catalogs.hf_config import known_types, read_config, read_config_file
from llmplan.errors import DataError, UnsupportedModelError

GOOD: dict[str, Any] = {
    "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 64, "intermediate_size": 160,
    "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 1000,
    "max_position_embeddings": 2048,
}  # fmt: skip
RICH: dict[str, Any] = GOOD | {
    "head_dim": 8, "sliding_window": 512, "layer_types": ["sliding_attention", "full_attention"],
    "num_local_experts": 8, "num_experts": 8, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "n_shared_experts": 1, "shared_expert_intermediate_size": 32,
    "first_k_dense_replace": 1, "kv_lora_rank": 24, "q_lora_rank": 16, "qk_nope_head_dim": 12, "qk_rope_head_dim": 4,
    "v_head_dim": 8, "intermediate_size_mlp": 160, "ffn_hidden_size": 160, "padded_vocab_size": 1000, "num_layers": 2,
    "multi_query_group_num": 2, "kv_channels": 8, "n_embd": 64, "n_layer": 2, "n_head": 8, "n_positions": 2048,
    "d_model": 64, "n_heads": 8, "n_layers": 2, "max_seq_len": 2048, "seq_length": 2048, "mlp_only_layers": [0],
    "moe_layers": [1], "tie_word_embeddings": True, "attention_bias": True, "use_sliding_window": True,
    "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512},
    "quantization_config": {
        "quant_method": "compressed-tensors", "ignore": ["lm_head", "re:.*self_attn.*"],
        "config_groups": {"g": {"weights": {"type": "int", "num_bits": 4, "group_size": 32}, "targets": ["Linear"]}},
    },
    "text_config": {"hidden_size": 64, "num_hidden_layers": 2},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"hidden_size": None}, "hidden_size"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"num_hidden_layers": 10**400}, "num_hidden_layers"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"num_attention_heads": -8}, "num_attention_heads"),
        ({"num_attention_heads": 7, "num_key_value_heads": 7}, "num_attention_heads"),
        ({"num_key_value_heads": 3}, "num_key_value_heads"),
        ({"hidden_size": "64"}, "hidden_size"),
        ({"hidden_size": True}, "hidden_size"),
        ({"hidden_size": 64.5}, "hidden_size"),
        ({"hidden_size": float("nan")}, "hidden_size"),
        ({"hidden_size": float("inf")}, "hidden_size"),
        ({"hidden_size": [64]}, "hidden_size"),
        ({"vocab_size": -1}, "vocab_size"),
        ({"model_type": "orion", "max_position_embeddings": None}, "max_position_embeddings"),
        ({"max_position_embeddings": 0}, "max_position_embeddings"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings"),
        ({"torch_dtype": None}, "torch_dtype"),
        ({"torch_dtype": "complex64"}, "torch_dtype"),
        ({"torch_dtype": 16}, "torch_dtype"),
        ({"rope_scaling": {"type": "yarn", "factor": -1}}, "rope_scaling.factor"),
        ({"rope_scaling": {"type": "yarn", "factor": "40"}}, "rope_scaling.factor"),
        ({"rope_scaling": {"type": ["yarn"]}}, "rope_scaling.rope_type"),
        ({"rope_scaling": [1]}, "rope_scaling"),
        ({"model_type": None}, "model_type"),
        ({"model_type": ["llama"]}, "model_type"),
        ({"model_type": "gemma3", "text_config": 3}, "text_config"),
        ({"model_type": "gemma2", "layer_types": ["sliding_attention"]}, "layer_types"),
        ({"model_type": "gemma2", "layer_types": ["sliding_attention"]}, "num_hidden_layers"),
        ({"model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 4}, "num_experts_per_tok"),
        ({"model_type": "gpt2", "hidden_size": None}, "n_embd"),
    ],
)  # fmt: skip
def test_a_bad_value_is_an_error_that_names_the_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(DataError) as caught:
        read_config(GOOD | changes, model_id="some/model")
    assert caught.value.message.startswith("some/model: ")
    assert f"`{key}`" in caught.value.message


def test_an_unknown_type_is_refused_with_near_ones_and_the_page_of_all() -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        read_config(GOOD | {"model_type": "qwen3_mo"}, model_id="some/model")
    assert "qwen3_mo" in caught.value.message
    near, page = caught.value.hints
    assert "qwen3_moe" in near
    assert near.count(",") <= 2
    assert "docs/reference/architectures.md" in page


def test_an_unknown_kind_of_attention_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="linear_attention"):
        read_config(
            GOOD | {"model_type": "gemma2", "layer_types": ["linear_attention"] * 2}, model_id="some/model"
        )  # fmt: skip


def test_a_missing_type_can_be_given_by_the_caller() -> None:
    assert read_config(GOOD | {"torch_dtype": None}, model_id="x", dtype="float16").checkpoint_format == "fp16"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "an object"),
        (b"null", "an object"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer, not the file itself"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 50_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b" " * (4 * 1024**2 + 1), "larger than"),
    ],
)
def test_a_bad_file_is_one_error_that_names_it(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_config_file(path)
    assert str(path) in caught.value.message


def test_a_missing_file_and_a_folder_without_one(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_config_file(path)
    with pytest.raises(DataError, match="not a path"):
        read_config_file(Path("a\0b"))


def test_a_folder_is_read_with_the_quantization_beside_its_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(GOOD | {"time_step_limit": [0.0, float("inf")]}))
    assert read_config_file(tmp_path).checkpoint_format == "bf16"
    beside = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "group_size": 16}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(beside))
    assert read_config_file(tmp_path / "config.json").checkpoint_format == "nvfp4"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.integers(-2, 70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    model_type=st.sampled_from(known_types()),
    changes=st.dictionaries(st.sampled_from(sorted(RICH)), JUNK, max_size=4),
    inner=st.dictionaries(st.sampled_from(["rope_scaling", "quantization_config", "text_config"]), JUNK, max_size=1),
    dropped=st.sets(st.sampled_from(sorted(RICH)), max_size=3),
)
def test_any_config_is_a_model_or_a_data_error(
    model_type: str, changes: dict[str, Any], inner: dict[str, Any], dropped: set[str]
) -> None:
    config = {key: value for key, value in RICH.items() if key not in dropped} | {"model_type": model_type} | changes
    for key, junk in inner.items():
        if isinstance(config.get(key), dict):
            config[key] = dict.fromkeys(config[key], junk)
    try:
        model = read_config(config, model_id="fuzz")
    except DataError as error:
        said = error.message
    else:
        said = "fuzz: "
        assert 0 < model.active_parameters <= model.total_parameters
        assert sum(len(group.indices) for group in model.layers) == model.layer_count
    assert said.startswith("fuzz: ")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | JUNK.map(lambda v: json.dumps(v).encode())
)
def test_any_bytes_are_a_data_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_config_file(path)

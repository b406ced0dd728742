"""The inventory itself: shapes by hand, shards, roles, groups, and the engine's context length."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from llmplan.catalogs.hf_config import families, known_types, read_config
from llmplan.catalogs.hf_config.registry import MODULES, TEXT_TYPES, families_of
from llmplan.catalogs.hf_config.wrappers import WRAPPERS, tower_reader
from llmplan.spec.model import DenseFeedForward, MlaAttention, ModelSpec, MoeFeedForward, Shard, TensorRole

TINY: dict[str, Any] = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16",
    "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 4, "num_attention_heads": 8,
    "num_key_value_heads": 2, "vocab_size": 1000, "max_position_embeddings": 2048,
}  # fmt: skip


def read(**changes: Any) -> ModelSpec:
    return read_config({key: value for key, value in (TINY | changes).items() if value != "drop"}, model_id="tiny")


def tensors(model: ModelSpec) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tensor.shape for _, tensor in model.tensors()}


def test_a_llama_by_hand() -> None:
    model = read()
    layer = 64 * 64 + 2 * 16 * 64 + 64 * 64 + 3 * 160 * 64 + 2 * 64
    assert model.total_parameters == 2 * 1000 * 64 + 64 + 4 * layer
    assert model.layer_count == 4
    assert [group.indices for group in model.layers] == [(0, 1, 2, 3)]
    assert tensors(model)["model.layers.{i}.self_attn.k_proj.weight"] == (16, 64)
    assert tensors(model)["lm_head.weight"] == (1000, 64)


def test_tied_embeddings_have_no_head() -> None:
    assert read(tie_word_embeddings=True).total_parameters == read().total_parameters - 1000 * 64
    assert read(tie_word_embeddings=True).tied_embeddings


def test_shards_follow_tensor_parallelism() -> None:
    shards = {tensor.name.split(".")[-2]: tensor.shard for _, tensor in read().tensors()}
    assert shards["q_proj"] is Shard.COLUMN
    assert shards["k_proj"] is Shard.KV_COLUMN
    assert shards["o_proj"] is Shard.ROW
    assert shards["down_proj"] is Shard.ROW
    assert shards["embed_tokens"] is Shard.VOCAB
    assert shards["input_layernorm"] is Shard.REPLICATED


def test_a_bias_is_added_where_its_key_says() -> None:
    extra = read(attention_bias=True).total_parameters - read().total_parameters
    assert extra == 4 * (64 + 16 + 16 + 64)
    assert read(mlp_bias=True).total_parameters - read().total_parameters == 4 * (160 + 160 + 64)


def test_experts_are_copies_and_only_the_chosen_ones_are_active() -> None:
    model = read(model_type="mixtral", num_local_experts=8, num_experts_per_tok=2, sliding_window=None)
    expert = 3 * 160 * 64
    assert model.total_parameters - model.active_parameters == 4 * 6 * expert
    experts = [tensor for _, tensor in model.tensors() if tensor.role is TensorRole.EXPERT]
    assert {tensor.copies for tensor in experts} == {8}
    assert isinstance(model.layers[0].feed_forward, MoeFeedForward)


def test_dense_layers_before_routed_ones_are_a_group_of_their_own() -> None:
    model = read(
        model_type="deepseek_v3", n_routed_experts=16, num_experts_per_tok=4, moe_intermediate_size=32,
        n_shared_experts=2, first_k_dense_replace=1, kv_lora_rank=24, q_lora_rank=None, qk_nope_head_dim=12,
        qk_rope_head_dim=4, v_head_dim=8,
    )  # fmt: skip
    dense, routed = model.layers
    assert (dense.indices, routed.indices) == ((0,), (1, 2, 3))
    assert isinstance(dense.feed_forward, DenseFeedForward)
    assert isinstance(routed.mixers[0], MlaAttention)
    assert routed.mixers[0].cache_elements_per_token == 24 + 4
    shapes = tensors(model)
    assert shapes["model.layers.{i}.self_attn.q_proj.weight"] == (8 * 16, 64)
    assert shapes["model.layers.{i}.self_attn.kv_b_proj.weight"] == (8 * (12 + 8), 24)
    assert shapes["model.layers.{i}.mlp.shared_experts.gate_proj.weight"] == (64, 64)
    assert "model.layers.{i}.self_attn.q_a_proj.weight" not in shapes


def test_absent_is_not_null() -> None:
    """`q_lora_rank: null` means uncompressed queries; a missing one means the class default of 1536."""
    sizes = {
        "model_type": "deepseek_v2", "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "kv_lora_rank": 24, "qk_nope_head_dim": 12, "qk_rope_head_dim": 4, "v_head_dim": 8,
    }  # fmt: skip
    assert tensors(read(**sizes))["model.layers.{i}.self_attn.q_a_proj.weight"] == (1536, 64)
    assert "model.layers.{i}.self_attn.q_a_proj.weight" not in tensors(read(**sizes, q_lora_rank=None))


@pytest.mark.parametrize(
    ("changes", "windows"),
    [
        ({"model_type": "mistral", "sliding_window": 512}, [(512, 4)]),
        ({"model_type": "mistral", "sliding_window": None}, [(None, 4)]),
        ({"model_type": "mistral", "sliding_window": 4096}, [(4096, 4)]),
        ({"model_type": "mistral", "sliding_window": 0}, [(None, 4)]),
        ({"model_type": "qwen2", "sliding_window": 512, "use_sliding_window": False}, [(None, 4)]),
        ({"model_type": "qwen2", "sliding_window": 512, "use_sliding_window": True, "max_window_layers": 3},
         [(None, 3), (512, 1)]),
        ({"model_type": "gemma2", "sliding_window": 512, "head_dim": 8}, [(512, 2), (None, 2)]),
        ({"model_type": "olmo3", "sliding_window": 512}, [(512, 3), (None, 1)]),
        ({"model_type": "exaone4", "sliding_window": 512, "sliding_window_pattern": "LG"}, [(512, 2), (None, 2)]),
        ({"model_type": "gemma3_text", "sliding_window": 512, "head_dim": 8,
          "layer_types": ["full_attention", "sliding_attention", "full_attention", "full_attention"]},
         [(None, 3), (512, 1)]),
    ],
)  # fmt: skip
def test_windows(changes: dict[str, Any], windows: list[tuple[int | None, int]]) -> None:
    assert [(group.mixers[0].window_tokens, group.count) for group in read(**changes).layers] == windows


@pytest.mark.parametrize(
    ("rope", "tokens"),
    [
        (None, 2048),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 512}, 2048),
        ({"type": "linear", "factor": 4}, 8192),
        ({"type": "dynamic", "factor": 2.0}, 4096),
        ({"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}, 2048),
        ({"type": "longrope", "short_factor": [1.0]}, 2048),
        ({"type": "mrope", "mrope_section": [16, 24, 24]}, 2048),
    ],
)
def test_context_as_vllm_derives_it(rope: dict[str, Any] | None, tokens: int) -> None:
    assert read(rope_scaling=rope).max_context_tokens == tokens


def test_the_smallest_stated_length_counts() -> None:
    assert read(seq_length=1024).max_context_tokens == 1024


def test_a_multimodal_config_is_read_with_its_encoder() -> None:
    text = {key: value for key, value in TINY.items() if key not in ("architectures", "model_type")}
    model = read_config(
        {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "text_config": text,
         "vision_config": {"hidden_size": 1152}, "torch_dtype": "bfloat16"},
        model_id="tiny",
    )  # fmt: skip
    assert model.architecture == "Gemma3ForConditionalGeneration"
    assert "language_model.model.layers.{i}.self_attn.q_proj.weight" in tensors(model)
    assert model.tower_parameters > 0
    assert not any("vision" in note for note in model.notes)


def test_a_multimodal_config_without_its_encoder_says_so() -> None:
    text = {key: value for key, value in TINY.items() if key not in ("architectures", "model_type")}
    model = read_config({"model_type": "gemma3", "text_config": text, "torch_dtype": "bfloat16"}, model_id="tiny")
    assert any("vision" in note for note in model.notes)
    assert not model.towers


def test_every_model_type_belongs_to_one_family() -> None:
    types = [name for _, names in MODULES for name in names]
    assert len(types) == len(set(types))
    assert {TEXT_TYPES.get(wrapper.text_type, wrapper.text_type) for wrapper in WRAPPERS} <= set(types)
    assert set(known_types()) == set(types) | {wrapper.model_type for wrapper in WRAPPERS}


@pytest.mark.parametrize(("model_type", "tokens"), [("gemma3", 4096), ("shieldgemma2", 4096), ("paligemma", 32768)])
def test_gemma_3_states_the_scaled_length_whatever_is_around_it(model_type: str, tokens: int) -> None:
    """vLLM looks at the decoder's type, which is `gemma3_text` in ShieldGemma 2, too."""
    text = {key: value for key, value in TINY.items() if key not in ("architectures", "model_type")}
    text |= {"max_position_embeddings": 4096, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}
    data = {"model_type": model_type, "text_config": text, "torch_dtype": "bfloat16"}
    assert read_config(data, model_id="tiny").max_context_tokens == tokens


def test_the_registry_says_what_the_modules_say() -> None:
    """It names types so that only one module is imported; module by module it must agree with the families."""
    modules = {path.stem for path in Path(str(families.__file__)).parent.glob("*.py")}
    with_families = {name for name in modules if hasattr(import_module(f"{families.__name__}.{name}"), "FAMILIES")}
    assert with_families == {module for module, _ in MODULES}
    for module, types in MODULES:
        assert types == tuple(name for family in families_of(module) for name in family.model_types), module


def test_every_encoder_that_a_wrapper_names_is_there() -> None:
    for wrapper in WRAPPERS:
        for name in wrapper.towers.values():
            assert callable(tower_reader(name)), (wrapper.model_type, name)


def test_one_model_imports_one_family_and_its_encoder() -> None:
    """Starting up does not pay for architectures that nobody asked for."""
    code = (
        "import sys; from llmplan.catalogs.hf_config import read_config\n"
        "read_config({'model_type': 'llama', 'torch_dtype': 'bfloat16', 'hidden_size': 64, 'num_hidden_layers': 2,"
        " 'num_attention_heads': 4, 'vocab_size': 100, 'intermediate_size': 128, 'max_position_embeddings': 256},"
        " model_id='tiny')\n"
        "print(*(name for name in sys.modules if '.families.' in name or '.towers.' in name))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["llmplan.catalogs.hf_config.families.llama"]


def test_a_32_bit_checkpoint_is_named_as_such() -> None:
    model = read(torch_dtype="float32")
    assert (model.checkpoint_format, model.dtype) == ("fp32", "fp32")

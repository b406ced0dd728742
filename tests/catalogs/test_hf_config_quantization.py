"""quantization_config: the format's id, its group size, and the modules that stay in 16 bit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan import memory
from llmplan.catalogs.hf_config import read_config
from llmplan.catalogs.hf_config.quantization import read_quantization
from llmplan.catalogs.hf_config.stored import resolve
from llmplan.errors import DataError
from llmplan.spec.formats import WEIGHT_FORMATS
from llmplan.spec.model import ModelSpec, Shard, Tensor, TensorRole, Tower

BASE: dict[str, Any] = {
    "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 64, "intermediate_size": 160,
    "num_hidden_layers": 4, "num_attention_heads": 8, "vocab_size": 1000, "max_position_embeddings": 2048,
}  # fmt: skip


def read(quantization: Any, **changes: Any) -> ModelSpec:
    return read_config(BASE | changes | {"quantization_config": quantization}, model_id="tiny")


def group(weights: dict[str, Any], inputs: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    return {
        "quant_method": "compressed-tensors",
        "config_groups": {"group_0": {"weights": weights, "input_activations": inputs, "targets": ["Linear"]}},
        **rest,
    }


FORMATS: list[tuple[dict[str, Any], str, int | None]] = [
    # format and inputs per scale; None: one scale per row, tile or tensor
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8-block", None),
    ({"quant_method": "fp8", "weight_block_size": None, "activation_scheme": "static"}, "fp8", None),
    ({"quant_method": "fbgemm_fp8"}, "fp8", None),
    ({"quant_method": "awq", "bits": 4, "group_size": 128}, "awq-int4", 128),
    ({"quant_method": "awq", "bits": 4, "group_size": 64}, "awq-int4", 64),
    ({"quant_method": "gptq", "bits": 4, "group_size": -1}, "gptq-int4", None),
    ({"quant_method": "gptq", "bits": 8, "group_size": 128}, "gptq-int8", 128),
    ({"quant_method": "mxfp4"}, "mxfp4", 32),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "nf4", 64),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True, "bnb_4bit_quant_type": "fp4"}, "bnb-int8", None),
    ({"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16}, "nvfp4", 16),
    ({"quant_algo": "FP8", "ignore": ["lm_head"]}, "fp8", None),
    ({"quantization": {"quant_algo": "NVFP4", "group_size": 16}, "producer": {}}, "nvfp4", 16),
    ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}}, "fp8", None),
    (group({"type": "float", "num_bits": 8, "strategy": "channel"}, {"num_bits": 8}), "fp8", None),
    (group({"type": "float", "num_bits": 8, "strategy": "block"}, {"num_bits": 8}), "fp8-block", None),
    (group({"type": "int", "num_bits": 8, "strategy": "channel"}, {"num_bits": 8}), "int8", None),
    (group({"type": "int", "num_bits": 8, "strategy": "channel"}), "w8a16", None),
    (group({"type": "int", "num_bits": 4, "strategy": "group", "group_size": 128}), "w4a16", 128),
    (group({"type": "int", "num_bits": 4, "strategy": "group", "group_size": 32}), "w4a16", 32),
    (group({"type": "int", "num_bits": 4, "strategy": "channel"}), "w4a16", None),
    (group({"type": "float", "num_bits": 4, "group_size": 16}, {"num_bits": 4}), "nvfp4", 16),
    (group({"type": "float", "num_bits": 8, "group_size": 32}), "mxfp8", 32),
    (group({"type": "float", "num_bits": 4, "group_size": 32}), "mxfp4", 32),
    ({"quant_method": "fp8", "weight_block_size": "128x128"}, "fp8-block", None),
    ({"quant_method": "gptq", "bits": 3, "group_size": 64}, "gptq-int3", 64),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "fp4"}, "bnb-fp4", 64),
    ({"quant_method": "auto-round", "bits": 4, "group_size": 128, "sym": True}, "gptq-int4", 128),
    (
        {"quant_method": "auto-round", "bits": 4, "group_size": 64, "packing_format": "auto_round:auto_awq"},
        "awq-int4",
        64,
    ),
    ({"quant_method": "auto-round", "bits": 4, "data_type": "nv_fp", "group_size": 16}, "nvfp4", 16),
    ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}}, "hqq-int4", 64),
    ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "w8a16", None),
    (
        {
            "quant_method": "torchao",
            "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 32}}},
        },
        "w4a16",
        32,
    ),
    ({"quant_method": "eetq"}, "w8a16", None),
    ({"group_size": 64, "bits": 6, "mode": "affine"}, "mlx-6bit", 64),
    ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, "mlx-mxfp4", 32),
    ({"quant_method": "modelopt", "quant_algo": "MXFP8"}, "mxfp8", 32),
    ({"quant_method": "modelopt", "quant_algo": "W4A16_AWQ", "group_size": 128}, "awq-int4", 128),
    ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4", "group_size": 32}}}, "mxfp4", 32),
]


@pytest.mark.parametrize(("quantization", "format_id", "group_size"), FORMATS)
def test_the_format(quantization: dict[str, Any], format_id: str, group_size: int | None) -> None:
    model = read(quantization)
    assert model.checkpoint_weights is not None
    assert model.checkpoint_weights.id == model.checkpoint_format
    assert (model.checkpoint_format, model.checkpoint_weights.group_size) == (format_id, group_size)
    assert format_id in {entry.id for entry in WEIGHT_FORMATS}
    assert model.dtype == "bf16"


@pytest.mark.parametrize(
    ("quantization", "method"),
    [
        ({"quant_method": "fbgemm_fp8"}, "fbgemm_fp8"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
        ({"quantization": {"quant_algo": "FP8"}}, "modelopt"),
        ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, "mlx"),
    ],
)
def test_the_method_by_which_engines_know_the_checkpoint(quantization: dict[str, Any], method: str) -> None:
    assert read(quantization).quantization_method == method
    assert read_config(BASE, model_id="tiny").quantization_method is None


@pytest.mark.parametrize(
    ("quantization", "named"),
    [
        ({"quant_method": "exl2", "bits": 4.0}, "exl2"),
        ({"quant_method": "aqlm"}, "codebooks"),
        ({"quant_method": "hqq"}, "quant_config"),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 5}}}, "5 bits"),
        ({"quant_method": "torchao", "quant_type": "autoquant"}, "autoquant"),
        ({"bits": 7, "group_size": 64}, "7 bits"),
        ({"quant_method": "gptq", "bits": 5}, "5 bits"),
        ({"quant_method": "gptq", "bits": 4, "dynamic": {"+:(a+)+": {"bits": 8}}}, "(a+)+"),
        ({"quant_method": "gptq", "bits": 4, "dynamic": ["x"]}, "dynamic"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": 1}},
         "quantized_layers"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION",
          "quantized_layers": {"a": {"quant_algo": "FP3"}}}, "FP3"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION",
          "quantized_layers": {"nowhere": {"quant_algo": "FP8"}}}, "names no module"),
        (group({"type": "int", "num_bits": 4, "group_size": 64}, sparsity_config={"format": "sparse-24-bitmask"}),
         "sparse-24-bitmask"),
        ({"bits": 4}, "quant_method"),
        ({"quant_method": ["fp8"]}, "fp8"),
        ({"quant_method": "awq", "bits": 3}, "3 bits"),
        ({"quant_method": "fp8", "weight_block_size": [64, 0]}, "[64, 0]"),
        ({"quant_method": "fp8", "weight_block_size": "9" * 400}, "block"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf3"}, "nf3"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "MIXED_PRECISION"),
        (group({"type": "int", "num_bits": 4}, {"num_bits": 8}), "8-bit activations"),
        (group({"type": "int", "num_bits": True}), "True"),
        ({"quant_method": "compressed-tensors", "config_groups": []}, "config_groups"),
        ("fp8", "quantization_config"),
        (group({"type": "int", "num_bits": 4, "group_size": 32}, ignore=["re:(a+)+$"]), "(a+)+$"),
        (group({"type": "int", "num_bits": 4, "group_size": 32}, ignore=["re:["]), "re:["),
        (group({"type": "int", "num_bits": 4, "group_size": 32}, ignore="lm_head"), "ignore"),
    ],
)  # fmt: skip
def test_what_has_no_single_format_is_refused_by_its_name(quantization: Any, named: str) -> None:
    with pytest.raises(DataError, match="tiny: ") as caught:
        read(quantization)
    assert named in caught.value.message


def test_two_schemes_of_the_same_modules_are_refused() -> None:
    first, second = {"type": "float", "num_bits": 8}, {"type": "float", "num_bits": 4, "group_size": 16}
    groups = {"a": {"weights": first, "input_activations": {}}, "b": {"weights": second, "input_activations": {}}}
    with pytest.raises(DataError, match="mix"):
        read({"quant_method": "compressed-tensors", "config_groups": groups})


def test_a_quantized_checkpoint_without_a_type_keeps_bf16_for_the_rest() -> None:
    assert read({"quant_method": "mxfp4"}, torch_dtype=None).dtype == "bf16"


@pytest.mark.parametrize(
    ("quantization", "kept"),
    [
        ({"quant_method": "fp8", "modules_to_not_convert": ["lm_head", "gate", "up_proj"]},
         {"model.layers.{i}.mlp.up_proj"}),
        ({"quant_method": "fbgemm_fp8", "modules_to_not_convert": ["model.layers.0.mlp.up_proj", "model.layers.3"]},
         {"model.layers.0.mlp.up_proj", "model.layers.3.mlp.up_proj", "model.layers.3.mlp.gate_proj",
          "model.layers.3.mlp.down_proj",
          *(f"model.layers.3.self_attn.{name}_proj" for name in "qkvo")}),
        ({"quant_algo": "FP8", "exclude_modules": ["lm_head", "model.layers.*.self_attn.q*"]},
         {"model.layers.{i}.self_attn.q_proj"}),
        ({"quant_algo": "FP8", "exclude_modules": ["model.layers.1.self_attn.q*"]},
         {"model.layers.1.self_attn.q_proj"}),
        (group({"type": "int", "num_bits": 4, "group_size": 32},
               ignore=["lm_head", r"re:.*mlp\.(gate|up)_proj.*", "self_attn.q_proj"]),
         {"model.layers.{i}.mlp.gate_proj", "model.layers.{i}.mlp.up_proj"}),
        (group({"type": "int", "num_bits": 4, "group_size": 32}, ignore=["model.layers.2.self_attn.q_proj"]),
         {"model.layers.2.self_attn.q_proj"}),
    ],
)  # fmt: skip
def test_ignore_lists_resolve_to_modules(quantization: dict[str, Any], kept: set[str]) -> None:
    assert set(read(quantization).unquantized_modules) == kept


def linear_names(*names: str) -> set[str]:
    return {f"model.layers.{{i}}.{name}" for name in names}


MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
ATTENTION = tuple(f"self_attn.{name}_proj" for name in "qkvo")
SIZES = {"mlp": 64 * 160, "attention": 64 * 64}
FP8, NVFP4 = {"quant_algo": "FP8"}, {"quant_algo": "NVFP4", "group_size": 16}


def others(model: ModelSpec) -> dict[str, set[str]]:
    return {each.weights.id: set(each.modules) for each in model.module_formats}


def test_a_mixed_checkpoint_has_the_format_of_most_weights_and_lists_the_rest() -> None:
    """ModelOpt's `quantized_layers`: what is not listed is not quantized."""
    layers: dict[str, Any] = {f"model.layers.{i}.{name}": NVFP4 for i in range(4) for name in MLP}
    layers |= {f"model.layers.{i}.self_attn": FP8 for i in range(4)} | {"lm_head": NVFP4}
    model = read({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers})
    assert model.checkpoint_format == "nvfp4"
    assert others(model) == {"fp8": linear_names(*ATTENTION), "nvfp4": {"lm_head"}}
    assert model.unquantized_modules == ()
    matrices = 4 * (3 * SIZES["mlp"] * 9 / 16 + 3 * 8 + 4 * (SIZES["attention"] + 8)) + 64000 * 9 / 16 + 8
    assert memory.checkpoint_bytes(model, memory.weight_format("auto", model)) == matrices + 2 * (64000 + 9 * 64)


def test_groups_with_targets_come_before_the_group_of_all_linear_layers() -> None:
    fine = {"weights": {"type": "int", "num_bits": 4, "group_size": 32}, "targets": [r"re:.*down_proj$"]}
    most = {"weights": {"type": "int", "num_bits": 4, "group_size": 64, "symmetric": False}, "targets": ["Linear"]}
    model = read({
        "quant_method": "compressed-tensors", "version": "0.17.1", "ignore": ["model.layers.1.self_attn.q_proj"],
        "config_groups": {"a": most, "b": fine},
    })  # fmt: skip
    assert model.checkpoint_weights is not None
    assert (model.checkpoint_weights.group_size, model.checkpoint_weights.zero_bits) == (64, 4)
    (other, head) = model.module_formats
    assert (other.weights.group_size, set(other.modules)) == (32, linear_names("mlp.down_proj"))
    assert (head.weights, set(head.modules)) == (model.checkpoint_weights, {"lm_head"}), "the list leaves it out"
    assert model.unquantized_modules == ("model.layers.1.self_attn.q_proj",)


def test_an_exact_name_covers_that_module_alone() -> None:
    """compressed-tensors lists what it met on its way, modules without weights of their own, too."""
    listed = group({"type": "int", "num_bits": 4, "group_size": 32}, ignore=["lm_head", "model.layers.0.mlp"])
    assert read(listed).unquantized_modules == ()


def test_the_head_goes_by_its_bare_name() -> None:
    vision = {"model_type": "mistral3", "text_config": BASE | {"model_type": "mistral"}, "torch_dtype": "bfloat16"}
    listed = group({"type": "int", "num_bits": 4, "group_size": 32}, ignore=["lm_head"])
    model = read_config(vision | {"quantization_config": listed}, model_id="tiny")
    assert others(model) == {}


def test_gptq_says_of_single_modules_what_is_different() -> None:
    model = read({
        "quant_method": "gptq", "bits": 4, "group_size": 32, "lm_head": True, "sym": True, "desc_act": True,
        "dynamic": {r"-:.*\.k_proj": {}, r"+:.*\.v_proj": {"bits": 8}},
    })  # fmt: skip
    assert model.unquantized_modules == tuple(linear_names("self_attn.k_proj"))
    assert others(model) == {"gptq-int8": linear_names("self_attn.v_proj"), "gptq-int4": {"lm_head"}}
    own = model.checkpoint_weights
    assert own is not None
    assert (own.loaded().zero_bits, own.loaded().index_bytes_per_input) == (0, 8)


def test_gptq_may_name_what_it_quantizes() -> None:
    inside = [["mlp.up_proj", "mlp.gate_proj"], ["mlp.down_proj"]]
    model = read({"quant_method": "gptq", "bits": 4, "group_size": 32, "modules_in_block_to_quantize": inside})
    assert set(model.unquantized_modules) == linear_names(*ATTENTION)


def test_auto_round_and_mlx_name_exceptions_by_what_follows_the_layers() -> None:
    names = {f"model.language_model.layers.{i}.self_attn.o_proj": {"bits": 16} for i in range(4)}
    model = read({"quant_method": "auto-round", "bits": 4, "group_size": 32, "sym": False, "extra_config": names})
    assert model.unquantized_modules == tuple(linear_names("self_attn.o_proj"))
    assert model.checkpoint_weights is not None
    assert (model.checkpoint_weights.index_bytes_per_input, model.checkpoint_weights.loaded().zero_bits) == (0, 4)
    stated = {"group_size": 32, "bits": 4, "language_model.lm_head": {"group_size": 32, "bits": 8}}
    model = read(stated | {"language_model.model.layers.0.mlp.up_proj": False})
    assert model.unquantized_modules == ("model.layers.0.mlp.up_proj",)
    assert others(model) == {"mlx-8bit": {"lm_head"}}


def test_experts_in_fp4_under_an_fp8_method() -> None:
    experts = {
        "model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
        "decoder_sparse_step": 1, "expert_dtype": "fp4",
    }  # fmt: skip
    model = read({"quant_method": "fp8", "weight_block_size": [128, 128], "scale_fmt": "ue8m0"}, **experts)
    assert model.checkpoint_format == "mxfp4"
    assert others(model) == {"fp8-block": linear_names(*ATTENTION)}


def test_cache_scales_are_stored_for_each_layer() -> None:
    plain = read({"quant_method": "modelopt", "quant_algo": "FP8", "exclude_modules": ["lm_head"]})
    scaled = read(
        {"quant_method": "modelopt", "quant_algo": "FP8", "exclude_modules": ["lm_head"], "kv_cache_quant_algo": "FP8"}
    )
    sizes = [memory.checkpoint_bytes(model, memory.weight_format("auto", model)) for model in (plain, scaled)]
    assert sizes[1] - sizes[0] == 4 * 8


def tower_formats(quantization: dict[str, Any]) -> set[str]:
    """Modules of an encoder that a checkpoint quantizes."""
    tensor = Tensor(
        name="visual.blocks.{i}.attn.proj.weight", shape=(64, 64), role=TensorRole.LINEAR, shard=Shard.ROW
    )  # fmt: skip
    tower = Tower(kind="vision", hidden_size=64, layer_count=2, tensors=((2, tensor),))
    model = read(quantization)
    found = resolve(
        read_quantization(quantization, "tiny"), model.layers, model.globals, "tiny", towers=(tower,)
    )  # fmt: skip
    return {name for each in found.others for name in each.modules if name.startswith("visual")}


def test_a_tower_stays_as_it_is_where_nothing_is_said_of_it() -> None:
    double = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    everything = {"visual.blocks.{i}.attn.proj"}
    assert tower_formats({"quant_method": "awq", "bits": 4, "group_size": 32}) == set()
    assert tower_formats(double) == everything, "bitsandbytes converts every linear layer"
    assert tower_formats(double | {"llm_int8_skip_modules": ["visual"]}) == set()
    listed = {"type": "int", "num_bits": 4, "group_size": 32}
    assert tower_formats(group(listed)) == set()
    assert tower_formats(group(listed, ignore=["lm_head"])) == set(), "moonshotai/Kimi-K2.6 is so, to the byte"
    named = {"weights": listed, "targets": [r"re:visual.*"]}
    both = {"quant_method": "compressed-tensors", "config_groups": {"a": named, "b": {"weights": listed}}}
    assert tower_formats(both) == everything


METHODS = [
    "fp8", "fbgemm_fp8", "compressed-tensors", "awq", "gptq", "auto-round", "mxfp4", "bitsandbytes", "modelopt",
    "quark", "hqq", "torchao", "eetq", "mlx", None,
]  # fmt: skip
KEYS = [
    "bits", "group_size", "sym", "desc_act", "dynamic", "lm_head", "modules_in_block_to_quantize", "extra_config",
    "packing_format", "data_type", "modules_to_not_convert", "ignored_layers", "weight_block_size", "config_groups",
    "ignore", "format", "weights", "input_activations", "targets", "num_bits", "type", "strategy", "quant_algo",
    "quantized_layers", "exclude_modules", "kv_cache_scheme", "global_quant_config", "layer_quant_config", "weight",
    "dtype", "quant_config", "weight_quant_params", "nbits", "quant_type", "default", "_type", "_data", "mode",
    "load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "sparsity_config", "block_structure", "actorder",
]  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2**70), st.floats(), st.sampled_from(["int", "float", "nf4", "Linear"]),
    st.sampled_from(["FP8", "MIXED_PRECISION", "re:(", "re:.*q_proj$", "*", "-:.*k_proj", "group", "128x128", ""]),
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "a.b"]), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(method=st.sampled_from(METHODS), rest=st.dictionaries(st.sampled_from(KEYS), anything, max_size=8))
def test_nothing_that_a_file_says_crashes(method: str | None, rest: dict[str, Any]) -> None:
    """Either a model of some size, or an error that names the file."""
    stated = rest if method is None else rest | {"quant_method": method}
    message, size = "", 0
    try:
        model = read(stated)
        size = memory.checkpoint_bytes(model, memory.weight_format("auto", model))
    except DataError as error:
        message = error.message
    assert size > 0 or message.startswith("tiny: ")


def test_a_list_may_call_a_module_by_its_former_name() -> None:
    """GLM 5 in FP8 lists `indexers_proj`; its checkpoint has `indexer.weights_proj`."""
    shape = {
        "model_type": "glm_moe_dsa", "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "kv_lora_rank": 32, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "q_lora_rank": 32,
        "index_n_heads": 4, "index_head_dim": 16, "first_k_dense_replace": 1,
    }  # fmt: skip
    listed = {"model.layers.*.self_attn.indexers_proj": {"quant_algo": "FP8"}}
    listed["model.layers.*.self_attn.o_proj"] = {"quant_algo": "NVFP4"}
    model = read({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": listed}, **shape)
    found = {name: each.weights.id for each in model.module_formats for name in each.modules}
    assert found == {"model.layers.{i}.self_attn.indexer.weights_proj": "fp8"}

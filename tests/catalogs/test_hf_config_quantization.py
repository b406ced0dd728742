"""quantization_config: the format's id, its group size, and the modules that stay in 16 bit."""

from __future__ import annotations

from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.errors import DataError
from llmplan.spec.formats import WEIGHT_FORMATS
from llmplan.spec.model import ModelSpec

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
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8-block", None),
    ({"quant_method": "fp8", "weight_block_size": None, "activation_scheme": "static"}, "fp8", None),
    ({"quant_method": "fbgemm_fp8"}, "fp8", None),
    ({"quant_method": "awq", "bits": 4, "group_size": 128}, "awq-int4", None),
    ({"quant_method": "awq", "bits": 4, "group_size": 64}, "awq-int4", 64),
    ({"quant_method": "gptq", "bits": 4, "group_size": -1}, "gptq-int4", 0),
    ({"quant_method": "gptq", "bits": 8, "group_size": 128}, "gptq-int8", None),
    ({"quant_method": "mxfp4"}, "mxfp4", None),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "nf4", None),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True, "bnb_4bit_quant_type": "fp4"}, "bnb-int8", None),
    ({"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16}, "nvfp4", None),
    ({"quant_algo": "FP8", "ignore": ["lm_head"]}, "fp8", None),
    ({"quantization": {"quant_algo": "NVFP4", "group_size": 16}, "producer": {}}, "nvfp4", None),
    ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}}, "fp8", None),
    (group({"type": "float", "num_bits": 8, "strategy": "channel"}, {"num_bits": 8}), "fp8", None),
    (group({"type": "float", "num_bits": 8, "strategy": "block"}, {"num_bits": 8}), "fp8-block", None),
    (group({"type": "int", "num_bits": 8, "strategy": "channel"}, {"num_bits": 8}), "int8", None),
    (group({"type": "int", "num_bits": 8, "strategy": "channel"}), "w8a16", None),
    (group({"type": "int", "num_bits": 4, "strategy": "group", "group_size": 128}), "w4a16", None),
    (group({"type": "int", "num_bits": 4, "strategy": "group", "group_size": 32}), "w4a16", 32),
    (group({"type": "int", "num_bits": 4, "strategy": "channel"}), "w4a16", 0),
    (group({"type": "float", "num_bits": 4, "group_size": 16}, {"num_bits": 4}), "nvfp4", None),
]


@pytest.mark.parametrize(("quantization", "format_id", "group_size"), FORMATS)
def test_the_format(quantization: dict[str, Any], format_id: str, group_size: int | None) -> None:
    model = read(quantization)
    assert (model.checkpoint_format, model.checkpoint_group_size) == (format_id, group_size)
    assert format_id in {entry.id for entry in WEIGHT_FORMATS}
    assert model.dtype == "bf16"


@pytest.mark.parametrize(
    ("quantization", "named"),
    [
        ({"quant_method": "hqq"}, "hqq"),
        ({"bits": 4}, "quant_method"),
        ({"quant_method": ["fp8"]}, "fp8"),
        ({"quant_method": "awq", "bits": 3}, "3 bits"),
        ({"quant_method": "fp8", "weight_block_size": [64, 64]}, "[64, 64]"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "fp4"}, "fp4"),
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


def test_two_schemes_are_a_mix() -> None:
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

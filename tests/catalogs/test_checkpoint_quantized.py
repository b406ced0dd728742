"""Quantized checkpoints: weight, scales and zeros count to one tensor, and the files show the format.

Layouts are those that the libraries write, with shapes worked out by hand for one linear layer [out, in].
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkpoint_files import SMALL, Shapes, llama, shapes_of, stored, stored_total, total, write_model
from llmplan.catalogs.checkpoint import read_checkpoint
from llmplan.catalogs.hf_config import read_config
from llmplan.errors import DataError
from llmplan.spec.formats import WEIGHT_FORMATS

CONFIG: dict[str, Any] = SMALL | {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2}
Layout = Callable[[int, int], Shapes]


def gptq(out: int, inputs: int) -> Shapes:
    """AutoGPTQ, 4 bit, groups of 128 with the order of inputs."""
    return {
        "qweight": ("I32", (inputs // 8, out)), "qzeros": ("I32", (inputs // 128, out // 8)),
        "scales": ("F16", (inputs // 128, out)), "g_idx": ("I32", (inputs,)),
    }  # fmt: skip


def awq(out: int, inputs: int) -> Shapes:
    return {
        "qweight": ("I32", (inputs, out // 8)), "qzeros": ("I32", (inputs // 128, out // 8)),
        "scales": ("F16", (inputs // 128, out)),
    }  # fmt: skip


def fp8_block(out: int, inputs: int) -> Shapes:
    """DeepSeek V3."""
    return {
        "weight": ("F8_E4M3", (out, inputs)), "weight_scale_inv": ("F32", (-(-out // 128), -(-inputs // 128))),
    }  # fmt: skip


def fp8_channel(out: int, inputs: int) -> Shapes:
    """compressed-tensors."""
    return {"weight": ("F8_E4M3", (out, inputs)), "weight_scale": ("BF16", (out, 1))}


def fp8_tensor(out: int, inputs: int) -> Shapes:
    """ModelOpt."""
    return {"weight": ("F8_E4M3", (out, inputs)), "weight_scale": ("F32", ()), "input_scale": ("F32", ())}


def packed_int4(out: int, inputs: int) -> Shapes:
    """compressed-tensors, symmetric."""
    return {
        "weight_packed": ("I32", (out, inputs // 8)), "weight_scale": ("BF16", (out, inputs // 128)),
        "weight_shape": ("I64", (2,)),
    }  # fmt: skip


def nvfp4(out: int, inputs: int) -> Shapes:
    """ModelOpt."""
    return {
        "weight": ("U8", (out, inputs // 2)), "weight_scale": ("F8_E4M3", (out, inputs // 16)),
        "weight_scale_2": ("F32", ()), "input_scale": ("F32", ()),
    }  # fmt: skip


def packed_fp4(out: int, inputs: int) -> Shapes:
    """compressed-tensors' NVFP4."""
    return {
        "weight_packed": ("U8", (out, inputs // 2)), "weight_scale": ("F8_E4M3", (out, inputs // 16)),
        "weight_global_scale": ("F32", (1,)), "input_global_scale": ("F32", (1,)),
    }  # fmt: skip


def nf4(out: int, inputs: int) -> Shapes:
    """bitsandbytes, doubly quantized."""
    blocks = out * inputs // 64
    return {
        "weight": ("U8", (out * inputs // 2, 1)), "weight.absmax": ("U8", (blocks,)),
        "weight.nested_absmax": ("F32", (-(-blocks // 256),)), "weight.quant_map": ("F32", (16,)),
        "weight.nested_quant_map": ("F32", (256,)), "weight.quant_state.bitsandbytes__nf4": ("U8", (170,)),
    }  # fmt: skip


def bnb_int8(out: int, inputs: int) -> Shapes:
    return {"weight": ("I8", (out, inputs)), "SCB": ("F32", (out,)), "weight_format": ("U8", ())}


def int8(out: int, inputs: int) -> Shapes:
    """compressed-tensors, 8-bit weights and activations."""
    return {"weight": ("I8", (out, inputs)), "weight_scale": ("BF16", (out, 1))}


def hqq(bits: int) -> Layout:
    """HQQ in groups of 64 along the rows: ten weights of 3 bits share 32, and settings are stored as tensors."""

    def layout(out: int, inputs: int) -> Shapes:
        groups = out * inputs // 64
        packed = ("I32", (-(-groups // 10), 64)) if bits == 3 else ("U8", (groups * bits // 8, 64))
        return {
            "W_q": packed, "scale": ("F16", (groups, 1)), "zero": ("F16", (groups, 1)), "nbits": ("I32", (1,)),
            "group_size": ("I32", (1,)), "shape": ("I32", (2,)), "axis": ("I32", (1,)), "packing": ("U8", (7,)),
            "unpack_view_dtype": ("I32", (1,)), "view_as_float": ("U8", (1,)), "compute_dtype": ("U8", (13,)),
            "quant_scale": ("U8", (1,)), "stores_quant_config": ("U8", (1,)),
        }  # fmt: skip

    return layout


def hqq_columns(out: int, inputs: int) -> Shapes:
    """HQQ with groups of 64 along the columns: 64 weights of 3 bits take seven times 32 bits."""
    groups = out * inputs // 64
    return {"W_q": ("I32", (7, groups)), "scale": ("F16", (1, groups)), "zero": ("F16", (1, groups))}


def quantized(layout: Layout) -> Shapes:
    """The Llama of `CONFIG` with its layers' matrices in a quantizer's layout."""
    shapes: Shapes = {}
    for name, (dtype, shape) in shapes_of(read_config(CONFIG, model_id="x")).items():
        if ".layers." in name and len(shape) == 2:
            module = name.removesuffix(".weight")
            shapes |= {f"{module}.{suffix}": tensor for suffix, tensor in layout(*shape).items()}
        else:
            shapes[name] = (dtype, shape)
    return shapes


LAYOUTS: tuple[tuple[Layout, str], ...] = (
    (gptq, "gptq-int4"), (awq, "awq-int4"), (fp8_block, "fp8-block"), (fp8_channel, "fp8"), (fp8_tensor, "fp8"),
    (packed_int4, "w4a16"), (nvfp4, "nvfp4"), (packed_fp4, "nvfp4"), (nf4, "nf4"), (bnb_int8, "bnb-int8"),
    (int8, "int8"),
)  # fmt: skip


@pytest.mark.parametrize(("layout", "format_id"), LAYOUTS, ids=[layout.__name__ for layout, _ in LAYOUTS])
def test_scales_count_to_their_weight(tmp_path: Path, layout: Layout, format_id: str) -> None:
    shapes = quantized(layout)
    read = read_checkpoint(write_model(tmp_path, CONFIG, shapes))
    assert (stored_total(read.model), read.unmatched, read.model.notes) == (total(shapes), (), ())
    assert stored(read.model, "model.layers.{i}.mlp.down_proj.weight") == total(layout(256, 512))
    assert stored(read.model, "model.layers.{i}.self_attn.k_proj.weight") == total(layout(64, 256))
    assert stored(read.model, "lm_head.weight") == 2 * 96 * 256
    assert read.model.checkpoint_format == format_id
    assert read.model.dtype in ("bf16", "fp16")


@pytest.mark.parametrize(("layout", "format_id"), LAYOUTS, ids=[layout.__name__ for layout, _ in LAYOUTS])
def test_a_first_layer_in_16_bit_hides_nothing(tmp_path: Path, layout: Layout, format_id: str) -> None:
    plain = shapes_of(read_config(CONFIG, model_id="x"))
    shapes = {name: tensor for name, tensor in quantized(layout).items() if ".layers.0." not in name}
    shapes |= {name: tensor for name, tensor in plain.items() if ".layers.0." in name}
    read = read_checkpoint(write_model(tmp_path, CONFIG, shapes))
    assert (read.model.checkpoint_format, stored_total(read.model)) == (format_id, total(shapes))


@pytest.mark.parametrize("layout", [gptq, awq, nvfp4, fp8_block], ids=lambda layout: layout.__name__)
def test_another_width_is_refused_though_weights_are_packed(tmp_path: Path, layout: Layout) -> None:
    folder = write_model(tmp_path, CONFIG | {"intermediate_size": 1024}, quantized(layout))
    with pytest.raises(DataError, match=r"mlp\.\w+_proj.*the config describes 262,144 weights"):
        read_checkpoint(folder)


def test_what_the_config_says_of_the_format_is_kept_where_the_files_agree(tmp_path: Path) -> None:
    method = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False}
    read = read_checkpoint(write_model(tmp_path, CONFIG | {"quantization_config": method}, quantized(gptq)))
    assert read.model.checkpoint_format == "gptq-int4"
    assert stored_total(read.model) == total(quantized(gptq))


def test_a_config_that_states_a_format_which_the_files_do_not_have(tmp_path: Path) -> None:
    """The weights were expanded again, and the config was kept."""
    method = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    shapes = shapes_of(read_config(CONFIG, model_id="x"))
    read = read_checkpoint(write_model(tmp_path, CONFIG | {"quantization_config": method}, shapes))
    assert (read.model.checkpoint_format, stored_total(read.model)) == ("bf16", total(shapes))


def test_layers_left_in_16_bit_are_averaged_with_the_rest(tmp_path: Path) -> None:
    shapes = quantized(nvfp4)
    down = "model.layers.0.mlp.down_proj"
    shapes = {name: tensor for name, tensor in shapes.items() if not name.startswith(down)}
    shapes[f"{down}.weight"] = ("BF16", (256, 512))
    read = read_checkpoint(write_model(tmp_path, CONFIG, shapes))
    mean = (2 * 256 * 512 + total(nvfp4(256, 512))) / 2
    assert stored(read.model, "model.layers.{i}.mlp.down_proj.weight") == mean
    assert (read.model.checkpoint_format, stored_total(read.model)) == ("nvfp4", total(shapes))


def test_a_quantized_checkpoint_that_is_mostly_in_16_bit(tmp_path: Path) -> None:
    """Lists of what to leave alone often hold most of a model: it is quantized all the same."""
    shapes = shapes_of(read_config(CONFIG, model_id="x"))
    for layer in range(2):
        module = f"model.layers.{layer}.self_attn.o_proj"
        del shapes[f"{module}.weight"]
        shapes |= {f"{module}.{suffix}": tensor for suffix, tensor in nvfp4(256, 256).items()}
    read = read_checkpoint(write_model(tmp_path, CONFIG, shapes))
    assert (read.model.checkpoint_format, stored_total(read.model)) == ("nvfp4", total(shapes))


def test_scales_of_the_cache_are_not_lost(tmp_path: Path) -> None:
    shapes = quantized(fp8_tensor) | {"model.layers.0.self_attn.k_proj.k_scale": ("F32", ())}
    read = read_checkpoint(write_model(tmp_path, CONFIG, shapes))
    assert (stored_total(read.model), read.unmatched) == (total(shapes), ())


def test_blocks_and_scales_of_fused_experts(tmp_path: Path) -> None:
    """gpt-oss: three-dimensional parameters without `.weight`, in MXFP4, with biases in 16 bit."""
    config = CONFIG | {
        "model_type": "gpt_oss", "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 32,
        "intermediate_size": 256, "sliding_window": 128, "quantization_config": {"quant_method": "mxfp4"},
    }  # fmt: skip
    plain = shapes_of(read_config(config, model_id="x"))
    shapes = {name: tensor for name, tensor in plain.items() if ".experts." not in name}
    for layer in range(2):
        path = f"model.layers.{layer}.mlp.experts"
        shapes |= {
            f"{path}.gate_up_proj_blocks": ("U8", (4, 512, 8, 16)), f"{path}.gate_up_proj_scales": ("U8", (4, 512, 8)),
            f"{path}.gate_up_proj_bias": ("BF16", (4, 512)), f"{path}.down_proj_blocks": ("U8", (4, 256, 8, 16)),
            f"{path}.down_proj_scales": ("U8", (4, 256, 8)), f"{path}.down_proj_bias": ("BF16", (4, 256)),
        }  # fmt: skip
    read = read_checkpoint(write_model(tmp_path, config, shapes))
    assert (stored_total(read.model), read.unmatched) == (total(shapes), ())
    weights = 4 * 512 * 256
    experts = "model.layers.{i}.mlp.experts"
    assert stored(read.model, f"{experts}.gate_up_proj.weight") == weights // 2 + weights // 32
    assert stored(read.model, f"{experts}.down_proj.bias") == 2 * 4 * 256
    assert read.model.checkpoint_format == "mxfp4"


@pytest.mark.parametrize(
    ("layout", "format_id"),
    [(hqq(4), "hqq-int4"), (hqq(3), "hqq-int3"), (hqq_columns, "hqq-int3"), (hqq(2), "hqq-int2")],
)
@pytest.mark.parametrize("stated", [True, False])
def test_an_hqq_checkpoint(tmp_path: Path, layout: Layout, format_id: str, stated: bool) -> None:
    """`W_q` is neither as long nor as wide as the matrix: its rows are groups."""
    settings = {"weight_quant_params": {"nbits": int(format_id[-1]), "group_size": 64}}
    method = {"quantization_config": {"quant_method": "hqq", "quant_config": settings}} if stated else {}
    shapes = quantized(layout)
    read = read_checkpoint(write_model(tmp_path, CONFIG | method, shapes))
    assert (stored_total(read.model), read.unmatched) == (total(shapes), ())
    assert stored(read.model, "model.layers.{i}.mlp.down_proj.weight") == total(layout(256, 512))
    assert read.model.checkpoint_format == format_id


def test_a_packing_that_nobody_knows_is_refused_by_name(tmp_path: Path) -> None:
    shapes = quantized(lambda out, inputs: {"weight": ("I32", (out, inputs * 3 // 32))})
    with pytest.raises(DataError, match="packed in a way that the config does not state"):
        read_checkpoint(write_model(tmp_path, CONFIG, shapes))


def test_formats_that_files_show_are_formats_of_the_registry() -> None:
    known = {each.id for each in WEIGHT_FORMATS}
    assert {format_id for _, format_id in LAYOUTS} <= known


def test_an_mlx_checkpoint(tmp_path: Path) -> None:
    """Everything with rows of a multiple of 64 is packed, embedding and head included; `.biases` are zero points."""
    method = {"group_size": 64, "bits": 4}
    config = CONFIG | {"quantization": method, "quantization_config": method}
    shapes: Shapes = {}
    for name, (dtype, shape) in shapes_of(read_config(CONFIG, model_id="x")).items():
        if len(shape) < 2:
            shapes[name] = (dtype, shape)
            continue
        module, (out, inputs) = name.removesuffix(".weight"), shape
        shapes |= {
            f"{module}.weight": ("U32", (out, inputs // 8)), f"{module}.scales": ("BF16", (out, inputs // 64)),
            f"{module}.biases": ("BF16", (out, inputs // 64)),
        }  # fmt: skip
    read = read_checkpoint(write_model(tmp_path, config, shapes))
    assert (stored_total(read.model), read.unmatched) == (total(shapes), ())
    assert stored(read.model, "lm_head.weight") == 96 * 256 / 2 + 2 * 2 * 96 * 4
    assert read.model.checkpoint_format.startswith("mlx")


def test_a_llama_stays_what_it_was(tmp_path: Path) -> None:
    read = read_checkpoint(write_model(tmp_path, SMALL, llama()))
    assert not read.model.unquantized_modules

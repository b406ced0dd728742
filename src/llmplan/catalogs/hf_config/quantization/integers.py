"""Methods that store integers: GPTQ, AWQ, AutoRound, bitsandbytes, HQQ, torchao, EETQ, MLX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.normalize import show
from llmplan.catalogs.hf_config.quantization.source import (
    Quantization,
    Rule,
    Source,
    by_format,
    in_groups,
    kept,
    known,
)
from llmplan.spec.formats import WeightFormat

SIXTEEN_BITS: Final = 16
ORDERED_INDEX_BYTES: Final = 8
"""per input: the order of reordered inputs, and its inverse that kernels make"""
NF4_MAP_BYTES: Final = 64
QUANT_STATE_BYTES: Final = 82
"""of JSON in a 4-bit linear: type, block size, dtype and shape, give or take the digits of the shape"""
_TORCHAO: Final = {
    "int4_weight_only": "w4a16", "Int4WeightOnlyConfig": "w4a16",
    "int8_weight_only": "w8a16", "Int8WeightOnlyConfig": "w8a16",
    "int8_dynamic_activation_int8_weight": "int8", "Int8DynamicActivationInt8WeightConfig": "int8",
    "float8_weight_only": "fp8", "Float8WeightOnlyConfig": "fp8",
    "float8_dynamic_activation_float8_weight": "fp8", "Float8DynamicActivationFloat8WeightConfig": "fp8",
}  # fmt: skip


def _gptq_format(source: Source, *, index: bool = True) -> WeightFormat:
    bits = source.integer("bits")
    if bits not in (2, 3, 4, 8):
        raise source.refuse(f"gptq with {show(bits)} bits")
    weights = in_groups(known(f"gptq-int{bits}"), source.group_size("group_size"))
    if source.data.get("sym") is False:
        weights = replace(weights, loaded_zero_bits=None)
    if not index:
        return replace(weights, index_bytes_per_input=0)
    if source.data.get("desc_act") is True:
        return replace(weights, loaded_index_bytes_per_input=ORDERED_INDEX_BYTES)
    return weights


def gptq(source: Source) -> Quantization:
    """GPTQ; `dynamic` maps regular expressions to other settings (`+:`) or to none (`-:`)."""
    weights = _gptq_format(source)
    rules: list[Rule] = []
    for pattern, changes in source.modules("dynamic").items():
        other = None if pattern.startswith("-:") else _gptq_format(source.within({**source.data, **changes}))
        rules.append(Rule(weights=other, names=(pattern.removeprefix("-:").removeprefix("+:"),), dialect="regex"))
    head = source.data.get("lm_head") is True
    inside = source.data.get("modules_in_block_to_quantize")
    if inside is None:
        return Quantization(weights=weights, rules=tuple(rules), head=head)
    flat = [name for part in inside for name in (part if isinstance(part, list) else [part])] if isinstance(
        inside, list
    ) else None  # fmt: skip
    names = source.within({"modules_in_block_to_quantize": flat}).names("modules_in_block_to_quantize")
    rules.append(Rule(weights=weights, names=names, dialect="parts"))
    return Quantization(weights=None, rules=tuple(rules), head=head)


def awq(source: Source) -> Quantization:
    """AWQ, under AutoAWQ's names or those of the method's own tool."""
    bits = source.integer("bits", source.integer("w_bit"))
    if bits != 4:
        raise source.refuse(f"awq with {show(bits)} bits")
    weights = in_groups(known("awq-int4"), source.group_size("group_size", "q_group_size"))
    return Quantization(weights=weights, rules=kept(source.names("modules_to_not_convert"), "parts"))


def _auto_round_format(source: Source) -> WeightFormat | None:
    bits, kind = source.integer("bits"), str(source.data.get("data_type", "int"))
    if bits is not None and bits >= SIXTEEN_BITS:
        return None
    if kind.startswith("nv_fp"):
        return known("nvfp4")
    if kind.startswith("mx_fp") and bits in (4, 8):
        return replace(known("mxfp4"), experts_only=False) if bits == 4 else known("mxfp8")
    packing = str(source.data.get("packing_format", "auto_round:auto_gptq"))
    if kind != "int" or "fp8" in packing:
        raise source.refuse(f"auto-round with data type {show(kind)}")
    if packing.endswith("auto_awq") and bits == 4:
        return in_groups(known("awq-int4"), source.group_size("group_size"))
    if packing.endswith("llm_compressor") and bits in (4, 8):
        return in_groups(known(f"w{bits}a16"), source.group_size("group_size"))
    return _gptq_format(source, index=packing == "auto_gptq")


def auto_round(source: Source) -> Quantization:
    """AutoRound: GPTQ's layout without the order of inputs, or AWQ's; `extra_config` names the exceptions."""
    named = {
        name: _auto_round_format(source.within({**source.data, **changes}))
        for name, changes in source.modules("extra_config").items()
    }
    return Quantization(weights=_auto_round_format(source), rules=by_format(named, "tail"))


def bitsandbytes(source: Source) -> Quantization:
    """LLM.int8, NF4 and FP4, whose scales may be quantized again."""
    rules = kept(source.names("llm_int8_skip_modules"), "parts")
    if source.data.get("load_in_8bit") is True:
        return Quantization(weights=known("bnb-int8"), rules=rules, towers=True)
    kind = source.data.get("bnb_4bit_quant_type")
    if source.data.get("load_in_4bit") is not True or kind not in ("nf4", "fp4"):
        raise source.refuse(f"bitsandbytes with 4-bit type {show(kind)}")
    double = source.data.get("bnb_4bit_use_double_quant") is True
    if kind == "nf4":
        single = replace(known("nf4"), scale_bytes=4, per_linear_bytes=NF4_MAP_BYTES + QUANT_STATE_BYTES)
        weights = known("nf4") if double else single
    else:
        weights = replace(known("nf4"), id="bnb-fp4", aliases=()) if double else known("bnb-fp4")
    return Quantization(weights=weights, rules=rules, towers=True)


def _hqq_format(source: Source, params: Any) -> WeightFormat:
    inner = params.get("weight_quant_params", params) if isinstance(params, Mapping) else None
    if not isinstance(inner, Mapping):
        raise source.refuse("key `quant_config`: states no weight_quant_params")
    stated = source.within(inner)
    bits = stated.integer("nbits")
    if bits not in (2, 3, 4, 8):
        raise source.refuse(f"hqq with {show(bits)} bits")
    return in_groups(known(f"hqq-int{bits}"), stated.group_size("group_size"))


def hqq(source: Source) -> Quantization:
    """HQQ: one setting for all, or one for each kind of module."""
    settings = source.mapping("quant_config")
    rules = kept(source.names("skip_modules") or ("lm_head",), "parts")
    if "weight_quant_params" in settings:
        return Quantization(weights=_hqq_format(source, settings), rules=rules)
    named: dict[str, WeightFormat | None] = {name: _hqq_format(source, each) for name, each in settings.items()}
    return Quantization(weights=None, rules=(*rules, *by_format(named, "parts")))


def torchao(source: Source) -> Quantization:
    """torchao: a configuration class by name, with its fields."""
    stated = source.data.get("quant_type")
    fields: Mapping[str, Any] = {}
    if isinstance(stated, Mapping):
        default = stated.get("default", stated)
        stated = default.get("_type") if isinstance(default, Mapping) else None
        fields = default.get("_data", {}) if isinstance(default, Mapping) else {}
    format_id = _TORCHAO.get(stated) if isinstance(stated, str) else None
    if format_id is None or not isinstance(fields, Mapping):
        raise source.refuse(f"torchao's {show(stated)} has no format of known bytes")
    weights = replace(known(format_id), per_linear_bytes=0)
    if format_id == "w4a16":
        weights = in_groups(replace(weights, zero_bits=16), source.within(fields).group_size("group_size"))
    if format_id == "fp8":
        rows = "PerRow" in str(fields.get("granularity"))
        weights = replace(weights, scale_bytes=4) if rows else replace(weights, per_linear_bytes=4)
    return Quantization(weights=weights, rules=kept(source.names("modules_to_not_convert"), "parts"))


def eetq(source: Source) -> Quantization:
    """EETQ: 8-bit weights with a 16-bit scale per output."""
    weights = replace(known("w8a16"), per_linear_bytes=0)
    return Quantization(weights=weights, rules=kept(source.names("modules_to_not_convert"), "parts"))


def _mlx_format(source: Source) -> WeightFormat:
    bits, mode = source.integer("bits"), source.data.get("mode", "affine")
    if mode in ("mxfp4", "nvfp4"):
        return replace(known(f"mlx-{mode}"), router_bits=None)
    if mode != "affine" or bits not in (2, 3, 4, 5, 6, 8):
        raise source.refuse(f"mlx with {show(bits)} bits and mode {show(mode)}")
    return in_groups(replace(known(f"mlx-{bits}bit"), router_bits=None), source.group_size("group_size"))


def mlx(source: Source) -> Quantization:
    """MLX, which names no method: bits and group size of all matrices, and of single modules by path."""
    named: dict[str, WeightFormat | None] = {}
    for name, changes in source.data.items():
        if isinstance(changes, Mapping):
            named[name] = _mlx_format(source.within({"mode": source.data.get("mode", "affine"), **changes}))
        elif changes is False and "." in name:
            named[name] = None
    return Quantization(weights=_mlx_format(source), rules=by_format(named, "tail"))

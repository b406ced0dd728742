"""Methods that store small floats: FP8, MXFP4, NVFP4 and mixes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.normalize import show
from llmplan.catalogs.hf_config.quantization.schemes import block, grouped
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

MIXED: Final = "MIXED_PRECISION"
KV_SCALE_BYTES: Final = 8
"""of one layer's cache: two 32-bit scales"""
SCALE_BYTES: Final = 4


def fp8(source: Source) -> Quantization:
    """`quant_method: fp8`: per tensor, or per block; experts may be FP4, and single modules NVFP4."""
    ignored = source.names("modules_to_not_convert") or source.names("ignored_layers")
    stated = source.data.get("weight_block_size")
    if stated is None:
        static = source.data.get("activation_scheme") == "static"
        weights = replace(known("fp8"), per_linear_bytes=SCALE_BYTES * (2 if static else 1))
    else:
        size = block(source, "weight_block_size", stated)
        weights = replace(known("fp8-block"), block=size, scale_bytes=1 if source.expert_dtype else SCALE_BYTES)
    rules = [*kept(ignored, "parts"), *by_format(_quantized_layers(source), "glob")]
    if source.expert_dtype == "fp4":
        rules.append(Rule(weights=known("mxfp4"), names=("experts",), dialect="parts"))
    return Quantization(weights=weights, rules=tuple(rules))


def fbgemm(source: Source) -> Quantization:
    """FBGEMM: a 32-bit scale per output, and a bound on activations."""
    weights = replace(known("fp8"), scale_bytes=SCALE_BYTES, per_linear_bytes=SCALE_BYTES)
    return Quantization(weights=weights, rules=kept(source.names("modules_to_not_convert"), "parts"))


def mxfp4(source: Source) -> Quantization:
    """OpenAI's MXFP4: experts alone."""
    return Quantization(weights=known("mxfp4"), rules=kept(source.names("modules_to_not_convert"), "glob"))


def algorithm_format(source: Source) -> WeightFormat:
    """The format of a ModelOpt algorithm, with the group size beside it."""
    stated = source.data.get("quant_algo")
    name = stated.upper() if isinstance(stated, str) else ""
    match name:
        case "FP8":
            return known("fp8")
        case "FP8_PER_CHANNEL_PER_TOKEN":
            return replace(known("fp8"), scale_bytes=SCALE_BYTES, per_linear_bytes=0)
        case "FP8_PB_WO" | "FP8_PB_REAL":
            return known("fp8-block")
        case "MXFP8":
            return known("mxfp8")
        case "NVFP4":
            return in_groups(known("nvfp4"), source.group_size("group_size"))
        case "W4A16_NVFP4":
            return replace(in_groups(known("nvfp4"), source.group_size("group_size")), per_linear_bytes=SCALE_BYTES)
        case "NVFP4_AWQ":
            return replace(in_groups(known("nvfp4"), source.group_size("group_size")), index_bytes_per_input=2)
        case "MXFP4" | "W4A8_MXFP4_FP8":
            return replace(known("mxfp4"), experts_only=False)
        case "W4A16_AWQ" | "W4A8_AWQ" | "INT4_AWQ":
            weights = in_groups(known("awq-int4"), source.group_size("group_size"))
            return replace(weights, zero_bits=0, index_bytes_per_input=2)
        case "W8A8_SQ_PER_CHANNEL":
            return known("int8")
        case "W8A16":
            return replace(known("w8a16"), per_linear_bytes=0)
        case _:
            raise source.refuse(f"modelopt algorithm {show(stated)} has no single weight format")


def modelopt(source: Source) -> Quantization:
    """ModelOpt: one algorithm, groups of modules, or a list of layers with an algorithm each."""
    ignored = source.names("exclude_modules") or source.names("ignore")
    stated = source.data.get("quant_algo")
    named = _quantized_layers(source)
    rules = (*kept(ignored, "glob"), *by_format(named, "glob"))
    if named:
        found = Quantization(weights=None, rules=rules)
    elif (stated is None or stated == MIXED) and "config_groups" in source.data:
        in_groups_of = grouped(source, "glob")
        found = replace(in_groups_of, rules=(*rules, *in_groups_of.rules))
    else:
        found = Quantization(weights=algorithm_format(source), rules=rules)
    if found.weights is None:
        return found
    return replace(found, weights=_with_kv_scales(source, found.weights), head=bool(ignored))


def _with_kv_scales(source: Source, weights: WeightFormat) -> WeightFormat:
    has = source.data.get("kv_cache_quant_algo") or source.data.get("kv_cache_scheme")
    return replace(weights, kv_scale_bytes=KV_SCALE_BYTES) if has else weights


def _quantized_layers(source: Source) -> dict[str, WeightFormat | None]:
    """The format of each module that a mixed checkpoint lists."""
    seen: dict[tuple[Any, Any], WeightFormat] = {}
    found: dict[str, WeightFormat | None] = {}
    for name, settings in source.modules("quantized_layers").items():
        key = (str(settings.get("quant_algo")), str(settings.get("group_size")))
        if key not in seen:
            seen[key] = algorithm_format(source.within(settings))
        found[name] = seen[key]
    return found


def _quark_format(source: Source, settings: Any) -> WeightFormat:
    scheme = settings.get("weight") if isinstance(settings, Mapping) else None
    stated: Mapping[str, Any] = scheme if isinstance(scheme, Mapping) else {}
    kind, scheme_name = stated.get("dtype"), stated.get("qscheme")
    rows = scheme_name == "per_channel"
    if kind == "fp8_e4m3":
        own = known("fp8")
        return replace(own, scale_bytes=SCALE_BYTES, per_linear_bytes=0) if rows else own
    if kind == "int8":
        return known("int8")
    if kind in ("fp4", "mxfp4") and stated.get("group_size", 32) == 32:
        return replace(known("mxfp4"), experts_only=False)
    if kind in ("int4", "uint4"):
        size = source.within(stated).group_size("group_size")
        return replace(in_groups(known("awq-int4"), size), zero_bits=4 if kind == "uint4" else 0)
    raise source.refuse(f"quark weights of type {show(kind)}")


def quark(source: Source) -> Quantization:
    """Quark: one setting for all, others by the layer's name, and an exclude list."""
    named: dict[str, WeightFormat | None] = {
        name: _quark_format(source, settings) for name, settings in source.modules("layer_quant_config").items()
    }
    rules = (*kept(source.names("exclude"), "glob"), *by_format(named, "glob"))
    return Quantization(weights=_quark_format(source, source.mapping("global_quant_config")), rules=rules)

"""compressed-tensors: groups of modules, each with a scheme of weights and activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.normalize import show
from llmplan.catalogs.hf_config.quantization.source import (
    MAX_GROUP,
    Dialect,
    Quantization,
    Rule,
    Source,
    in_groups,
    kept,
    known,
)
from llmplan.spec.formats import WeightFormat

LINEAR: Final = "Linear"
SCALE_BYTES: Final = {"float32": 4, "bfloat16": 2, "float16": 2, "uint8": 1, "float8_e4m3fn": 1}
"""of one scale by its dtype; the library's own default is that of the weights, 16 bit"""
DEFAULT_SCALE_BYTES: Final = 2
GLOBAL_SCALE_BYTES: Final = 4
SHAPE_BYTES: Final = 16
SHORT_SHAPE_BYTES: Final = 8
"""`weight_shape` is two 64-bit numbers where the library wrote the file, which then states its version"""
_WITHOUT_GROUPS: Final = ("channel", "tensor", "token", "block")
"""strategies that have no use for a group size"""
_DENSE: Final = ("", "dense", "pack-quantized", "int-quantized", "float-quantized", "naive-quantized")


def compressed(source: Source) -> Quantization:
    """The schemes of `config_groups`, and `ignore`."""
    _refuse_sparse(source)
    ignored = source.names("ignore")
    found = grouped(source, "exact_or_regex")
    if source.data.get("kv_cache_scheme") is not None and found.weights is not None:
        found = replace(found, weights=replace(found.weights, kv_scale_bytes=2 * DEFAULT_SCALE_BYTES))
    return replace(
        found,
        rules=(*kept(ignored, "exact_or_regex"), *found.rules),
        head=bool(ignored) and found.weights is not None,
    )


def grouped(source: Source, dialect: Dialect) -> Quantization:
    """What `config_groups` says: the group of all linear layers is the rule, groups with other targets come first."""
    groups = [group for group in source.mapping("config_groups").values() if isinstance(group, Mapping)]
    if not groups:
        raise source.refuse("key `config_groups`: no group states a scheme")
    common: WeightFormat | None = None
    rules: list[Rule] = []
    for group in groups:
        weights = scheme(source, group)
        targets = source.within(group).names("targets") or (LINEAR,)
        if LINEAR not in targets:
            rules.append(Rule(weights=weights, names=targets, dialect=dialect))
        elif common not in (None, weights):
            raise source.refuse(f"a mix of schemes ({weights.id}, {getattr(common, 'id', '')}) for the same modules")
        else:
            common = weights
    return Quantization(weights=common, rules=tuple(rules))


def scheme(source: Source, group: Mapping[str, Any]) -> WeightFormat:
    """The format of one group."""
    weights, inputs = group.get("weights"), group.get("input_activations")
    if not isinstance(weights, Mapping) or not isinstance(inputs, Mapping | None):
        raise source.refuse("key `config_groups`: a group states no weights")
    layout = group.get("format") or source.data.get("format")
    bits, size = weights.get("num_bits"), weights.get("group_size")
    if isinstance(size, bool) or not isinstance(size, int | None) or not -1 <= (size or 0) <= MAX_GROUP:
        raise source.refuse(f"key `group_size`: expected a whole number, got {show(size)}")
    if size == 0 and weights.get("strategy") not in _WITHOUT_GROUPS:
        raise source.refuse("key `group_size`: 0 inputs cannot share a scale; -1 is one scale for each row")
    if isinstance(bits, int) and not isinstance(bits, bool):
        if str(weights.get("type", "int")) == "float":
            found = _floats(source, weights, inputs)
        else:
            found = _integers(source, weights, inputs, layout)
        if found is not None:
            return found
    activation_bits = inputs.get("num_bits") if inputs else None
    kind = weights.get("type", "int")
    raise source.refuse(f"{show(bits)}-bit {kind} weights with {show(activation_bits)}-bit activations")


def _floats(source: Source, weights: Mapping[str, Any], inputs: Mapping[str, Any] | None) -> WeightFormat | None:
    bits, size, strategy = weights.get("num_bits"), weights.get("group_size"), weights.get("strategy")
    scale, static = _scale_bytes(weights), _is_static(inputs)
    if bits == 4 and size == 16:
        return replace(known("nvfp4"), per_linear_bytes=GLOBAL_SCALE_BYTES * (1 if inputs is None else 2))
    if bits == 4 and size == 32:
        return replace(known("mxfp4"), experts_only=False)
    if bits != 8:
        return None
    if size == 32:
        return known("mxfp8")
    if strategy == "block":
        return replace(known("fp8-block"), block=_block(source, weights.get("block_structure")), scale_bytes=scale)
    if strategy == "channel":
        return replace(known("fp8"), scale_bytes=scale, per_linear_bytes=static * DEFAULT_SCALE_BYTES)
    return replace(known("fp8"), per_linear_bytes=scale + static * DEFAULT_SCALE_BYTES)


def _integers(
    source: Source, weights: Mapping[str, Any], inputs: Mapping[str, Any] | None, layout: Any
) -> WeightFormat | None:  # fmt: skip
    bits, strategy = weights.get("num_bits"), weights.get("strategy")
    activation_bits = inputs.get("num_bits") if inputs else None
    zeros = float(bits or 0) if weights.get("symmetric") is False else 0.0
    scale = _scale_bytes(weights)
    if bits == 8 and activation_bits == 8:
        own = known("int8")
        return replace(
            own, scale_bytes=scale, zero_bits=zeros, per_linear_bytes=_is_static(inputs) * DEFAULT_SCALE_BYTES
        )  # fmt: skip
    packed = layout in (None, "pack-quantized")
    if bits not in (4, 8) or (inputs is not None and layout != "pack-quantized") or (bits == 4 and not packed):
        return None
    shape = (SHAPE_BYTES if "version" in source.data else SHORT_SHAPE_BYTES) if packed else 0
    reordered = weights.get("actorder") in ("group", "dynamic", True)
    size = -1 if strategy == "channel" else weights.get("group_size")
    return replace(
        in_groups(known(f"w{bits}a16"), size), scale_bytes=scale, zero_bits=zeros, per_linear_bytes=shape,
        index_bytes_per_input=4 if reordered else 0, loaded_index_bytes_per_input=8 if reordered else None,
    )  # fmt: skip


def _scale_bytes(weights: Mapping[str, Any]) -> int:
    stated = weights.get("scale_dtype")
    return SCALE_BYTES.get(stated.removeprefix("torch."), DEFAULT_SCALE_BYTES) if isinstance(stated, str) else (
        DEFAULT_SCALE_BYTES
    )  # fmt: skip


def _is_static(inputs: Mapping[str, Any] | None) -> bool:
    return inputs is not None and inputs.get("dynamic") is False


def _block(source: Source, stated: Any) -> tuple[int, int]:
    return (128, 128) if stated is None else block(source, "block_structure", stated)


def block(source: Source, key: str, stated: Any) -> tuple[int, int]:
    """The tile that has one scale, as a list of two numbers or as `128x128`."""
    sizes = stated.split("x") if isinstance(stated, str) else stated
    if isinstance(sizes, list) and len(sizes) == 2:
        rows, columns = (_size(size) for size in sizes)
        if rows and columns:
            return rows, columns
    raise source.refuse(f"key `{key}`: {show(stated)} is not a block of two sizes")


def _size(stated: Any) -> int:
    """A number of rows or columns; 0 where it is none."""
    if isinstance(stated, str) and stated.isascii() and stated.isdigit() and len(stated) < 9:
        stated = int(stated)
    if isinstance(stated, bool) or not isinstance(stated, int) or not 1 <= stated <= MAX_GROUP:
        return 0
    return stated


def _refuse_sparse(source: Source) -> None:
    """Formats whose bytes depend on which weights are zero."""
    sparsity, layout = source.data.get("sparsity_config"), source.data.get("format")
    kind = sparsity.get("format") if isinstance(sparsity, Mapping) else None
    if kind not in (None, "dense") or layout == "marlin-24":
        raise source.refuse(f"sparse weights ({show(kind or layout)}) have no size that follows from their shape")

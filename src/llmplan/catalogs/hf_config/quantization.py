"""What a checkpoint's `quantization_config` means: one weight format, its group size, and what stays in 16 bit.

Each method has a small reader. A method, or a mix of formats, that has no id here is refused by its name: a wrong
guess would be wrong by a factor of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from llmplan.catalogs.hf_config.normalize import show
from llmplan.errors import DataError
from llmplan.spec.formats import WEIGHT_FORMATS

Dialect: TypeAlias = Literal["exact_or_regex", "glob", "parts"]
"""how a method's ignore list names modules: see `ignored.py`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """A weight format id, inputs per scale if it differs from the format's own (0: one per row), and what is kept."""

    format: str
    group_size: int | None = None
    ignored: tuple[str, ...] = ()
    dialect: Dialect = "parts"


_OWN_GROUP: Final = {known.id: known.group_size for known in WEIGHT_FORMATS}
_MAX_IGNORED: Final = 200_000


def read_quantization(data: Mapping[str, Any], where: str) -> Quantization:
    """The format of a `quantization_config` (or of ModelOpt's own `hf_quant_config.json`, which nests it)."""
    nested = data.get("quantization")
    if isinstance(nested, Mapping):
        data = {**nested, "quant_method": "modelopt"}
    method = data.get("quant_method")
    if method is None:
        method = "modelopt" if "quant_algo" in data else None
    reader = _METHODS.get(method) if isinstance(method, str) else None
    if reader is None:
        raise DataError(
            f"{where}: key `quantization_config.quant_method`: {show(method)} is not a method that is read",
            hints=[f"known methods: {', '.join(_METHODS)}", "or name the weight format yourself: --weights"],
        )
    return reader(_Source(data=data, where=where))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The mapping of one method, with errors that name the key."""

    data: Mapping[str, Any]
    where: str

    def refuse(self, what: str) -> DataError:
        return DataError(
            f"{self.where}: quantization_config: {what}", hints=["name the weight format yourself: --weights"]
        )  # fmt: skip

    def names(self, key: str) -> tuple[str, ...]:
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise self.refuse(f"key `{key}`: expected a list of module names")
        if len(value) > _MAX_IGNORED:
            raise self.refuse(f"key `{key}`: {len(value)} names are more than a model has modules")
        return tuple(value)

    def integer(self, key: str, default: int | None = None) -> int | None:
        value = self.data.get(key, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value <= 2**24:
            raise self.refuse(f"key `{key}`: expected a whole number, got {show(value)}")
        return value

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.data.get(key)
        if not isinstance(value, Mapping):
            raise self.refuse(f"key `{key}`: expected an object, got {show(value)}")
        return value


def _group(format_id: str, size: int | None) -> int | None:
    """None where it is the format's own group; 0 for one scale per row (`-1` or a channel strategy)."""
    if size is None or size == _OWN_GROUP.get(format_id):
        return None
    return max(size, 0)


def _fp8(source: _Source) -> Quantization:
    ignored = source.names("modules_to_not_convert") or source.names("ignored_layers")
    block = source.data.get("weight_block_size")
    if block is None:
        return Quantization(format="fp8", ignored=ignored)
    if block != [128, 128]:
        raise source.refuse(f"key `weight_block_size`: {show(block)} is not [128, 128]")
    return Quantization(format="fp8-block", ignored=ignored)


def _mxfp4(source: _Source) -> Quantization:
    return Quantization(format="mxfp4", ignored=source.names("modules_to_not_convert"), dialect="glob")


def _awq(source: _Source) -> Quantization:
    bits = source.integer("bits", source.integer("w_bit"))
    if bits != 4:
        raise source.refuse(f"awq with {show(bits)} bits")
    size = source.integer("group_size", source.integer("q_group_size"))
    return Quantization(
        format="awq-int4", group_size=_group("awq-int4", size), ignored=source.names("modules_to_not_convert")
    )  # fmt: skip


def _gptq(source: _Source) -> Quantization:
    bits = source.integer("bits")
    size = source.integer("group_size")
    if bits == 4:
        return Quantization(format="gptq-int4", group_size=_group("gptq-int4", size))
    if bits == 8:
        return Quantization(format="gptq-int8", group_size=_group("gptq-int8", size))
    raise source.refuse(f"gptq with {show(bits)} bits")


def _bitsandbytes(source: _Source) -> Quantization:
    ignored = source.names("llm_int8_skip_modules")
    if source.data.get("load_in_8bit") is True:
        return Quantization(format="bnb-int8", ignored=ignored)
    kind = source.data.get("bnb_4bit_quant_type")
    if source.data.get("load_in_4bit") is True and kind == "nf4":
        return Quantization(format="nf4", ignored=ignored)
    raise source.refuse(f"bitsandbytes with 4-bit type {show(kind)}")


def _modelopt(source: _Source) -> Quantization:
    algorithm = source.data.get("quant_algo")
    known = {"FP8": "fp8", "NVFP4": "nvfp4"}
    if algorithm is None and "config_groups" in source.data:
        found = _scheme(source, _groups(source))
        return Quantization(format=found[0], group_size=found[1], ignored=_kept(source), dialect="glob")
    if not isinstance(algorithm, str) or algorithm.upper() not in known:
        raise source.refuse(f"modelopt algorithm {show(algorithm)} has no single weight format")
    format_id = known[algorithm.upper()]
    size = source.integer("group_size") if format_id == "nvfp4" else None
    return Quantization(format=format_id, group_size=_group(format_id, size), ignored=_kept(source), dialect="glob")


def _kept(source: _Source) -> tuple[str, ...]:
    return source.names("exclude_modules") or source.names("ignore")


def _compressed(source: _Source) -> Quantization:
    format_id, size = _scheme(source, _groups(source))
    return Quantization(format=format_id, group_size=size, ignored=source.names("ignore"), dialect="exact_or_regex")


def _groups(source: _Source) -> list[Mapping[str, Any]]:
    groups = [group for group in source.mapping("config_groups").values() if isinstance(group, Mapping)]
    if not groups:
        raise source.refuse("key `config_groups`: no group states a scheme")
    return groups


def _scheme(source: _Source, groups: Iterable[Mapping[str, Any]]) -> tuple[str, int | None]:
    """The one scheme of all groups."""
    found = set()
    for group in groups:
        weights, inputs = group.get("weights"), group.get("input_activations")
        if not isinstance(weights, Mapping) or not isinstance(inputs, Mapping | None):
            raise source.refuse("key `config_groups`: a group states no weights")
        found.add(_one_scheme(source, weights, inputs))
    if len(found) > 1:
        mix = ", ".join(sorted(format_id for format_id, _ in found))
        raise source.refuse(f"a mix of schemes ({mix}) is not one weight format")
    return found.pop()


def _one_scheme(
    source: _Source, weights: Mapping[str, Any], inputs: Mapping[str, Any] | None
) -> tuple[str, int | None]:  # fmt: skip
    kind, bits = str(weights.get("type", "int")), weights.get("num_bits")
    strategy, size = weights.get("strategy"), weights.get("group_size")
    if isinstance(size, bool) or not isinstance(size, int | None) or not -1 <= (size or 0) <= 2**24:
        raise source.refuse(f"key `group_size`: expected a whole number, got {show(size)}")
    activation_bits = inputs.get("num_bits") if inputs else None
    if kind == "float" and bits == 8:
        return ("fp8-block" if strategy == "block" else "fp8"), None
    if kind == "float" and bits == 4 and size in (16, 32):
        return ("nvfp4" if size == 16 else "mxfp4"), None
    if kind == "int" and bits == 8 and activation_bits == 8:
        return "int8", None
    if kind == "int" and bits == 8 and inputs is None:
        return "w8a16", _group("w8a16", size)
    if kind == "int" and bits == 4 and inputs is None:
        return "w4a16", _group("w4a16", 0 if strategy == "channel" else size)
    raise source.refuse(f"{show(bits)}-bit {kind} weights with {show(activation_bits)}-bit activations")


def _fbgemm(source: _Source) -> Quantization:
    return Quantization(format="fp8", ignored=source.names("modules_to_not_convert"))


def _quark(source: _Source) -> Quantization:
    scheme = source.mapping("global_quant_config").get("weight")
    kind = scheme.get("dtype") if isinstance(scheme, Mapping) else None
    known = {"fp8_e4m3": "fp8", "int8": "int8"}
    if not isinstance(kind, str) or kind not in known:
        raise source.refuse(f"quark weights of type {show(kind)}")
    return Quantization(format=known[kind], ignored=source.names("exclude"), dialect="glob")


_METHODS: Final[dict[str, Callable[[_Source], Quantization]]] = {
    "fp8": _fp8,
    "fbgemm_fp8": _fbgemm,
    "compressed-tensors": _compressed,
    "awq": _awq,
    "gptq": _gptq,
    "mxfp4": _mxfp4,
    "bitsandbytes": _bitsandbytes,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "quark": _quark,
}

"""What a checkpoint's `quantization_config` means: the format of most weights, of single modules, and what is kept.

Each method has a small reader. A method whose bytes do not follow from its configuration is refused by its name: a
wrong guess would be wrong by a factor of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llmplan.catalogs.hf_config.normalize import show
from llmplan.catalogs.hf_config.quantization import floats, integers, schemes
from llmplan.catalogs.hf_config.quantization.source import Quantization, Rule, Source
from llmplan.errors import DataError

__all__ = ["Quantization", "Rule", "quantization_method", "read_quantization"]

_METHODS: Final[dict[str, Callable[[Source], Quantization]]] = {
    "fp8": floats.fp8,
    "fbgemm_fp8": floats.fbgemm,
    "compressed-tensors": schemes.compressed,
    "awq": integers.awq,
    "gptq": integers.gptq,
    "auto-round": integers.auto_round,
    "intel/auto-round": integers.auto_round,
    "mxfp4": floats.mxfp4,
    "bitsandbytes": integers.bitsandbytes,
    "modelopt": floats.modelopt,
    "modelopt_fp4": floats.modelopt,
    "modelopt_mixed": floats.modelopt,
    "quark": floats.quark,
    "hqq": integers.hqq,
    "torchao": integers.torchao,
    "eetq": integers.eetq,
    "mlx": integers.mlx,
}

_UNSIZED: Final = {
    "exl2": "its bits are an average over tensors that the file alone lists",
    "exl3": "its bits are an average over tensors that the file alone lists",
    "aqlm": "its codebooks are not stated",
    "vptq": "its codebooks are not stated",
    "quip": "its codebooks are not stated",
    "spqr": "its outliers are not stated",
    "higgs": "its grids are not stated",
    "bitnet": "its packing differs from file to file",
}


def read_quantization(data: Mapping[str, Any], where: str, expert_dtype: str | None = None) -> Quantization:
    """The meaning of a `quantization_config` (or of ModelOpt's own `hf_quant_config.json`, which nests it).

    `expert_dtype` is what the config says of its experts' weights beside it.
    """
    nested = data.get("quantization")
    if isinstance(nested, Mapping):
        data = {**nested, "quant_method": "modelopt"}
    method = data.get("quant_method") or _method_by_keys(data)
    reader = _METHODS.get(method) if isinstance(method, str) else None
    if reader is not None:
        return reader(Source(data=data, where=where, expert_dtype=expert_dtype))
    reason = _UNSIZED.get(method) if isinstance(method, str) else None
    raise DataError(
        f"{where}: key `quantization_config.quant_method`: "
        + (f"{show(method)} cannot be sized: {reason}" if reason else f"{show(method)} is not a method that is read"),
        hints=[f"known methods: {', '.join(_METHODS)}", "or name the weight format yourself: --weights"],
    )


def quantization_method(data: Mapping[str, Any]) -> str | None:
    """What the method of a `quantization_config` is called, in lower case, as engines compare it.

    >>> quantization_method({"quant_method": "FP8"}), quantization_method({"quantization": {"quant_algo": "FP8"}})
    ('fp8', 'modelopt')
    """
    if isinstance(data.get("quantization"), Mapping):
        return "modelopt"
    method = data.get("quant_method") or _method_by_keys(data)
    return method.lower() if isinstance(method, str) else None


def _method_by_keys(data: Mapping[str, Any]) -> str | None:
    """ModelOpt and MLX name no method."""
    if "quant_algo" in data:
        return "modelopt"
    return "mlx" if "bits" in data and "group_size" in data else None

"""The KV cache that a quantized checkpoint asks for: engines take it where the user says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ALGORITHMS: Final = {"fp8": "fp8", "int8": "int8"}
_EIGHT_BITS: Final = 8


def kv_cache_format(data: Mapping[str, Any]) -> str | None:
    """The format id that `kv_cache_quant_algo` (ModelOpt) or `kv_cache_scheme` (compressed-tensors) states.

    None where neither does, or in a format that no engine here keeps a cache in.

    >>> kv_cache_format({"kv_cache_scheme": {"num_bits": 8, "type": "float"}}), kv_cache_format({})
    ('fp8', None)
    """
    nested = data.get("quantization")
    data = {**nested, **data} if isinstance(nested, Mapping) else data
    algorithm, scheme = data.get("kv_cache_quant_algo"), data.get("kv_cache_scheme")
    if isinstance(algorithm, str):
        return _ALGORITHMS.get(algorithm.casefold())
    if isinstance(scheme, str):
        return _ALGORITHMS.get(scheme.casefold())
    if isinstance(scheme, Mapping) and scheme.get("num_bits") == _EIGHT_BITS:
        return "fp8" if scheme.get("type", "float") == "float" else None
    return None

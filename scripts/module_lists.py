"""Lists of modules in a quantization config, with what is listed layer after layer stated once, as a pattern.

Published files list every matrix of every expert. A pattern replaces the names of one kind only where the reader makes
the same model of both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Same = Callable[[dict[str, Any]], bool]
"""whether a quantization config still reads as the published one"""
_LISTS = ("modules_to_not_convert", "ignore", "exclude_modules", "quantized_layers")
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def folded(quantization: dict[str, Any], same: Same) -> dict[str, Any]:
    """The config with patterns for names wherever `same` holds."""
    for key in _LISTS:
        named = quantization.get(key)
        if named:
            quantization = _fold(quantization, key, named, same)
    return quantization


def _fold(quantization: dict[str, Any], key: str, named: Any, same: Same) -> dict[str, Any]:
    """All kinds of names at once, or else each kind that can be."""
    patterns = _patterns(named, _pattern_of(quantization))
    at_once = {**quantization, key: _replaced(named, patterns)}
    if same(at_once):
        return at_once
    kept: dict[str, str] = {}
    for pattern in dict.fromkeys(patterns.values()):
        tried = kept | {name: to for name, to in patterns.items() if to == pattern}
        if same({**quantization, key: _replaced(named, tried)}):
            kept = tried
    return {**quantization, key: _replaced(named, kept)}


def _pattern_of(quantization: dict[str, Any]) -> Callable[[str], str]:
    """How the method writes a name with any number in it."""
    match quantization.get("quant_method"):
        case "compressed-tensors":
            return lambda name: "re:" + r"\d+".join(map(re.escape, _NUMBER.split(name))) + "$"
        case "fp8" | "fbgemm_fp8" | "bitsandbytes" | "awq":
            return lambda name: _NUMBER.split(name)[-1].strip(".")
        case _:
            return lambda name: _NUMBER.sub("*", name)


def _patterns(named: Any, pattern_of: Callable[[str], str]) -> dict[str, str]:
    """The pattern of each name that is one of several of its kind."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for name in named:
        if _NUMBER.search(name) and not name.startswith("re:"):
            settings = json.dumps(named[name], sort_keys=True) if isinstance(named, dict) else ""
            kinds.setdefault((pattern_of(name), settings), []).append(name)
    return {name: pattern for (pattern, _), names in kinds.items() if len(names) > 1 for name in names}


def _replaced(named: Any, patterns: dict[str, str]) -> Any:
    if isinstance(named, dict):
        return {patterns.get(name, name): settings for name, settings in named.items()}
    return list(dict.fromkeys(patterns.get(name, name) for name in named))

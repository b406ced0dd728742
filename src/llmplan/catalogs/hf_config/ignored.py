"""Ignore lists resolved against the inventory: which modules a quantized checkpoint keeps in 16 bit.

Three dialects exist. compressed-tensors lists exact module paths, or `re:` and a regular expression matched from the
start; ModelOpt and MXFP4 list paths with `*`; FP8 and bitsandbytes list names of modules at any depth (`gate` is any
module called gate, and what is below it). Only linear layers matter: routers, norms, embeddings and heads are never
quantized by these formats anyway.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from llmplan.catalogs.hf_config.quantization import Quantization
from llmplan.errors import DataError
from llmplan.spec.model import LayerGroup, TensorRole

_Matcher: TypeAlias = Callable[[str], bool]
_QUANTIZABLE: Final = frozenset({TensorRole.LINEAR, TensorRole.EXPERT})
_MAX_PATTERN: Final = 300
_MAX_REPEATS: Final = 6


def resolve(quantization: Quantization, layers: Sequence[LayerGroup], where: str) -> tuple[str, ...]:
    """Module paths that stay in 16 bit: with `{i}` if that holds in all layers, else one path per layer."""
    if not quantization.ignored:
        return ()
    matches = _matcher(quantization, where)
    return tuple(_resolved(_modules(layers), matches))


def _modules(layers: Sequence[LayerGroup]) -> dict[str, list[int]]:
    """Every linear module of the layers, by its path with `{i}`, and the layers that have it."""
    modules: dict[str, list[int]] = {}
    for group in layers:
        paths = {t.name.rpartition(".")[0] for t in group.tensors() if t.role in _QUANTIZABLE and len(t.shape) > 1}
        for path in sorted(paths):
            modules.setdefault(path, []).extend(group.indices)
    return modules


def _resolved(modules: dict[str, list[int]], matches: _Matcher) -> Iterator[str]:
    for path, indices in modules.items():
        kept = [index for index in indices if matches(path.replace("{i}", str(index)).replace("{e}", "0"))]
        if len(kept) == len(indices):
            yield path
        else:
            yield from (path.replace("{i}", str(index)) for index in kept)


def _matcher(quantization: Quantization, where: str) -> _Matcher:
    if quantization.dialect == "parts":
        return _by_parts(quantization.ignored)
    exact = {name for name in quantization.ignored if "*" not in name and not name.startswith("re:")}
    if quantization.dialect == "glob":
        patterns = [fnmatch.translate(name) for name in quantization.ignored if "*" in name]
    else:
        patterns = [_checked(name[3:], where) for name in quantization.ignored if name.startswith("re:")]
    compiled = [re.compile(pattern) for pattern in patterns]
    return lambda path: _has_prefix(path, exact) or any(pattern.match(path) for pattern in compiled)


def _has_prefix(path: str, names: set[str]) -> bool:
    """Whether the module or one that contains it is listed."""
    parts = path.split(".")
    return any(".".join(parts[:length]) in names for length in range(1, len(parts) + 1))


def _by_parts(names: Iterable[str]) -> _Matcher:
    wanted = {tuple(name.strip("*.").split(".")) for name in names}
    lengths = {len(name) for name in wanted}

    def matches(path: str) -> bool:
        parts = tuple(path.split("."))
        return any(
            parts[start : start + length] in wanted
            for length in lengths
            for start in range(len(parts) - length + 1)
        )  # fmt: skip

    return matches


def _checked(pattern: str, where: str) -> str:
    """A regular expression that cannot run away: no repeated groups, few repeats, not long."""
    simple = len(pattern) <= _MAX_PATTERN and not re.search(r"\)[*+{?]|\\[1-9]", pattern)
    if simple and sum(pattern.count(sign) for sign in "*+{") <= _MAX_REPEATS:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError):
            simple = False
        if simple:
            return pattern
    raise DataError(f"{where}: quantization_config: the ignore pattern `re:{pattern[:60]}` cannot be used")

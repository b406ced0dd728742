"""What is said of modules, resolved against the inventory: the format of most weights, and which modules differ.

Several dialects exist. compressed-tensors lists exact paths of linear layers, or `re:` and a regular expression
matched from the start; ModelOpt and MXFP4 list paths, which cover what is below them, with `*` or without; FP8 and
bitsandbytes list names of modules at any depth (`gate` is any module called gate, and what is below it); GPTQ lists
bare regular expressions; MLX and AutoRound list paths whose beginning depends on who loaded the model, so that only
what follows `layers` counts.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from llmplan.catalogs.hf_config.quantization.source import Quantization, Rule
from llmplan.errors import DataError
from llmplan.spec.model import Draft, LayerGroup, Tensor, TensorRole, Tower
from llmplan.spec.storage import is_quantizable
from llmplan.spec.weight_format import ModuleFormat, WeightFormat

_Matcher: TypeAlias = Callable[[str], bool]
_IN_LAYERS: Final = frozenset({TensorRole.LINEAR, TensorRole.EXPERT})
_FORMER_NAMES: Final = {".indexer.weights_proj": ".indexers_proj"}
"""names of modules in published checkpoints, and other names of the same in published lists (GLM 5 in FP8)"""
_NAME_IT: Final = "name the weight format yourself: --weights"
_MAX_PATTERN: Final = 300
_MAX_REPEATS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """How a checkpoint's modules are stored, as `ModelSpec` has it."""

    weights: WeightFormat
    unquantized: tuple[str, ...]
    others: tuple[ModuleFormat, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """One module of the layers that have it; no layers: outside them."""

    path: str
    tensor: Tensor
    indices: tuple[int, ...]
    copies: int
    in_tower: bool

    def paths(self) -> Iterator[str]:
        """Its path in each layer."""
        name = self.path.replace("{e}", "0")
        yield from (name.replace("{i}", str(index)) for index in self.indices) if self.indices else (name,)


def resolve(
    quantization: Quantization, layers: Sequence[LayerGroup], outside: Sequence[Tensor], where: str,
    *, draft: Draft | None = None, towers: Sequence[Tower] = (),
) -> Stored:  # fmt: skip
    """The main format, the modules that are not quantized though it would cover them, and those in another format."""
    matchers = [(rule.weights, _matcher(rule, where)) for rule in quantization.rules]
    decided: list[tuple[_Module, dict[WeightFormat | None, list[str]]]] = []
    sizes: dict[WeightFormat, int] = {}
    inputs: dict[WeightFormat, set[int]] = {}
    for module in _modules(layers, outside, draft, towers):
        found: dict[WeightFormat | None, list[str]] = {}
        for path in module.paths():
            found.setdefault(_decide(quantization, matchers, module, path), []).append(path)
        decided.append((module, found))
        for weights, paths in found.items():
            if weights is not None:
                inputs.setdefault(weights, set()).add(module.tensor.shape[1])
                sizes[weights] = sizes.get(weights, 0) + module.tensor.elements * module.copies * len(paths)
    if not inputs and quantization.weights is not None:
        inputs[quantization.weights] = {module.tensor.shape[1] for module, _ in decided}
    _demand_groups(inputs, where)
    main = max(sizes, key=lambda weights: sizes[weights]) if sizes else quantization.weights
    if main is None:
        raise DataError(f"{where}: quantization_config: names no module of the model", hints=[_NAME_IT])
    return _sorted(main, decided)


def _demand_groups(inputs: Mapping[WeightFormat, Iterable[int]], where: str) -> None:
    """Refuse groups that divide the inputs of no matrix; a group that is wider than a row is the row."""
    for weights, widths in inputs.items():
        size = weights.group_size
        if size is not None and all(size < width and width % size for width in widths):
            shown = ", ".join(map(str, sorted(widths)[:4]))
            raise DataError(
                f"{where}: quantization_config: key `group_size`: {size} divides the inputs of no matrix ({shown})",
                hints=[_NAME_IT],
            )


def _sorted(main: WeightFormat, decided: Iterable[tuple[_Module, dict[WeightFormat | None, list[str]]]]) -> Stored:
    unquantized: list[str] = []
    others: dict[WeightFormat, list[str]] = {}
    for module, found in decided:
        usual = is_quantizable(module.tensor, main) and not module.in_tower
        for weights, paths in found.items():
            names = [module.path] if len(found) == 1 else paths
            if weights is None and usual:
                unquantized += names
            elif weights is not None and not (usual and weights == main):
                others.setdefault(weights, []).extend(names)
    return Stored(
        weights=main,
        unquantized=tuple(unquantized),
        others=tuple(ModuleFormat(weights=weights, modules=frozenset(names)) for weights, names in others.items()),
    )


def _decide(
    quantization: Quantization, matchers: Sequence[tuple[WeightFormat | None, _Matcher]], module: _Module, path: str
) -> WeightFormat | None:  # fmt: skip
    """The first rule that names the module, else the rule of its kind. A head goes by its bare name, too."""
    names = {path, _under_former_name(path)}
    if module.tensor.role is TensorRole.HEAD:
        names.add(path.rpartition(".")[2])
    for weights, matches in matchers:
        if any(matches(name) for name in names):
            return weights
    usual = quantization.weights
    if usual is None or (module.in_tower and not quantization.towers):
        return None
    role = module.tensor.role
    if role is TensorRole.HEAD and quantization.head:
        return usual
    return usual if is_quantizable(module.tensor, usual) else None


def _under_former_name(path: str) -> str:
    """The path as a list may still call it."""
    for name, former in _FORMER_NAMES.items():
        if path.endswith(name):
            return path.removesuffix(name) + former
    return path


def _modules(
    layers: Sequence[LayerGroup], outside: Sequence[Tensor], draft: Draft | None, towers: Sequence[Tower]
) -> Iterator[_Module]:  # fmt: skip
    """Every module with a matrix, once for all layers that have it."""
    found: dict[str, tuple[Tensor, list[int]]] = {}
    for group in (*layers, *(draft.layers if draft else ())):
        for path, tensor in _matrices(group.tensors()):
            found.setdefault(path, (tensor, []))[1].extend(group.indices)
    for path, (tensor, indices) in found.items():
        yield _Module(path=path, tensor=tensor, indices=tuple(indices), copies=1, in_tower=False)
    for path, tensor in _matrices((*outside, *(draft.globals if draft else ()))):
        yield _Module(path=path, tensor=tensor, indices=(), copies=1, in_tower=False)
    for tower in towers:
        counts = {tensor.name.removesuffix(".weight"): count for count, tensor in tower.tensors}
        for path, tensor in _matrices(tensor for _, tensor in tower.tensors):
            if tensor.role not in _IN_LAYERS:
                continue
            layers_of = tuple(range(counts[path])) if "{i}" in path else ()
            yield _Module(
                path=path, tensor=tensor, indices=layers_of, copies=1 if layers_of else counts[path], in_tower=True
            )  # fmt: skip


def _matrices(tensors: Iterable[Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Module path and tensor of what a format could quantize, the largest part of a fused module."""
    found: dict[str, Tensor] = {}
    for tensor in tensors:
        path = tensor.name.removesuffix(".weight")
        if len(tensor.shape) != 2 or tensor.role in (TensorRole.NORM, TensorRole.CONV, TensorRole.OTHER):
            continue
        if path not in found or tensor.elements > found[path].elements:
            found[path] = tensor
    yield from found.items()


def _matcher(rule: Rule, where: str) -> _Matcher:
    match rule.dialect:
        case "parts":
            return _by_parts(rule.names)
        case "tail":
            return _by_tail(rule.names)
        case "regex":
            return _by_patterns(frozenset(), [_checked(name, where) for name in rule.names])
        case "glob":
            exact = frozenset(name for name in rule.names if "*" not in name)
            return _by_patterns(exact, [fnmatch.translate(name) for name in rule.names if "*" in name])
        case "exact_or_regex":
            marked = [_checked(name[3:], where) for name in rule.names if name.startswith("re:")]
            exact = frozenset(name for name in rule.names if not name.startswith("re:"))
            listed = _by_patterns(frozenset(), marked)
            return lambda path: path in exact or listed(path)


def _by_patterns(exact: frozenset[str], patterns: Sequence[str]) -> _Matcher:
    compiled = [re.compile(pattern) for pattern in patterns]
    return lambda path: _has_prefix(path, exact) or any(pattern.match(path) for pattern in compiled)


def _has_prefix(path: str, names: frozenset[str]) -> bool:
    """Whether the module or one that contains it is listed."""
    if not names:
        return False
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


def _by_tail(names: Iterable[str]) -> _Matcher:
    wanted = frozenset(_tail(name) for name in names)

    def matches(path: str) -> bool:
        tail = _tail(path)
        return _has_prefix(tail, wanted) or _has_prefix(tail.replace(".experts.0.", ".switch_mlp."), wanted)

    return matches


def _tail(path: str) -> str:
    """What follows the first `layers`, or the last name of a module outside them."""
    _, found, tail = path.partition("layers.")
    return f"layers.{tail}" if found else path.rpartition(".")[2]


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
    raise DataError(f"{where}: quantization_config: the pattern `re:{pattern[:60]}` cannot be used", hints=[_NAME_IT])

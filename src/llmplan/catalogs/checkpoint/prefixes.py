"""Paths of a file as the inventory's paths: multimodal and converted checkpoints put other prefixes before them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeAlias

from llmplan.catalogs.checkpoint.slots import Kind, readings

Key: TypeAlias = tuple[str, Kind]
_LAYER = "{i}"


def renaming(paths: Collection[str], known: Collection[Key]) -> Callable[[str], str]:
    """What turns a numbered path of the file into the inventory's.

    Before a layer's number the prefixes of file and inventory are paired by what follows the number. Outside of
    layers a path takes the prefix of its layers, else the one path that is missing and ends as it does.
    """
    modules = {module for module, _ in known}
    prefixes = dict(_prefixes(paths, modules))
    bases = {_base(theirs): _base(ours) for theirs, ours in prefixes.items()}

    def aligned(path: str) -> str:
        head, number, tail = path.partition(_LAYER)
        if _is_known(path, modules):
            return path
        if number:
            return f"{prefixes.get(head, head)}{number}{tail}"
        moved = (ours + path.removeprefix(theirs) for theirs, ours in bases.items() if path.startswith(theirs))
        return next((name for name in moved if _is_known(name, modules)), path)

    leaves = dict(_leaves([aligned(path) for path in paths], modules))

    def named(path: str) -> str:
        name = aligned(path)
        if _is_known(name, modules) or _LAYER in name:
            return name
        return next(
            (leaves[module] + name.removeprefix(module) for module, _ in readings(name) if module in leaves), name
        )  # fmt: skip

    return named


def _is_known(path: str, modules: Collection[str]) -> bool:
    return any(module in modules for module, _ in readings(path))


def _prefixes(paths: Iterable[str], modules: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of the file's and the inventory's path before the layer's number: by what is below, or the last two."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        head, number, tail = module.partition(_LAYER)
        if number:
            wanted[head].add(tail)
    held: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        head, number, tail = path.partition(_LAYER)
        if number:
            held[head] |= {module for module, _ in readings(tail)}
    free = {head for head in held if head not in wanted}
    alone = []
    for head, tails in sorted(wanted.items(), key=lambda pair: -len(pair[1])):
        if head in held or not free:
            continue
        best = max(sorted(free), key=lambda each: len(held[each] & tails))
        if 2 * len(held[best] & tails) >= len(tails):
            free.discard(best)
            yield best, head
        else:
            alone.append(head)
    if len(alone) == len(free) == 1:
        yield free.pop(), alone[0]


def _base(prefix: str) -> str:
    """What stands before the list of layers.

    >>> _base("model.layers."), _base("h.")
    ('model.', '')
    """
    return prefix.rstrip(".").rpartition(".")[0] + "." if "." in prefix.rstrip(".") else ""


def _leaves(paths: Iterable[str], modules: Collection[str]) -> Iterator[tuple[str, str]]:
    """Pairs of modules outside of layers that end alike, where only one of either side is left."""
    held = {module for path in paths for module, _ in readings(path) if _LAYER not in module}
    missing: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        if _LAYER not in module and module not in held:
            missing[module.rpartition(".")[2]].append(module)
    free: dict[str, list[str]] = defaultdict(list)
    for module in held - set(modules):
        free[module.rpartition(".")[2]].append(module)
    for leaf, ours in missing.items():
        if len(ours) == len(free[leaf]) == 1:
            yield free[leaf][0], ours[0]

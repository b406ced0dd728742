"""Which bytes of a checkpoint belong to which tensor of the inventory: by path where paths agree, else by size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from llmplan.catalogs.checkpoint.agreement import agrees, explained
from llmplan.catalogs.checkpoint.cells import by_module, placed
from llmplan.catalogs.checkpoint.entries import Entry, entries
from llmplan.catalogs.checkpoint.header import Checkpoint
from llmplan.catalogs.checkpoint.prefixes import Key
from llmplan.catalogs.checkpoint.slots import Kind, Placed
from llmplan.errors import DataError
from llmplan.spec.model import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Tensors of the inventory that share what some tensors of the files store."""

    entries: tuple[Entry, ...]
    stored: tuple[Placed, ...]

    @property
    def stored_bytes(self) -> int:
        """Bytes of all layers."""
        return sum(item.tensor.stored_bytes for item in self.stored)


@dataclass(slots=True, kw_only=True)
class Matching:
    """What was matched, what the files lack, and what they have beyond the inventory."""

    matches: list[Match] = field(default_factory=list)
    missing: list[Entry] = field(default_factory=list)
    unmatched: list[Placed] = field(default_factory=list)

    def bytes_per_layer(self) -> dict[tuple[int, int], float]:
        """Bytes of one layer by identity of group and tensor: the average where layers differ."""
        found = {}
        for match in self.matches:
            elements = sum(entry.elements for entry in match.entries)
            for entry in match.entries:
                share = entry.elements / elements if elements else 1 / len(match.entries)
                found[entry.group, id(entry.tensor)] = match.stored_bytes * share / entry.count
        return found


def match(model: ModelSpec, checkpoint: Checkpoint) -> Matching:
    """Every tensor of the files given to the tensors of the inventory; one of another size is refused."""
    every = list(entries(model))
    cells = by_module(placed(checkpoint, every))
    result = Matching()
    together: dict[tuple[str, Kind, int, tuple[int, ...] | None], list[Entry]] = defaultdict(list)
    for entry in every:
        together[entry.module, entry.kind, entry.group, entry.layers].append(entry)
    for group in together.values():
        stored = _taken(group, cells)
        if stored:
            _demand_agreement(group, stored, checkpoint.where)
            result.matches.append(Match(entries=tuple(group), stored=stored))
        else:
            result.missing += group
    left = [item for layers in cells.values() for items in layers.values() for item in items]
    _match_by_size(result, left)
    return result


def _taken(group: Sequence[Entry], cells: dict[Key, dict[int | None, list[Placed]]]) -> tuple[Placed, ...]:
    """What the files store of one module in the group's layers, scales included; nothing where a layer lacks it."""
    entry = group[0]
    held = cells.get((entry.module, entry.kind), {})
    layers = _layers(entry, held)
    if not layers or any(layer not in held for layer in layers):
        return ()
    found = [item for layer in layers for item in held.pop(layer)]
    if entry.kind is Kind.WEIGHT and (sides := cells.get((entry.module, Kind.SIDE))):
        found += [item for layer in layers for item in sides.pop(layer, ())]
    return tuple(found)


def _layers(entry: Entry, held: dict[int | None, list[Placed]]) -> Sequence[int | None]:
    if entry.layers is not None:
        return entry.layers
    known = [layer for layer in held if layer is not None]
    if "{i}" not in entry.module:
        return [None]
    return sorted(known)[: entry.count] if len(known) >= entry.count else []


def _demand_agreement(group: Sequence[Entry], stored: Iterable[Placed], where: str) -> None:
    """Refuse a module that the files store in another size than the config describes."""
    wanted = sum(entry.tensor.elements for entry in group)
    layers: dict[int | None, list[Placed]] = defaultdict(list)
    for item in stored:
        if item.kind is not Kind.SIDE:
            layers[item.layer].append(item)
    shape = group[0].tensor.shape if len(group) == 1 and group[0].tensor.copies == 1 else None
    for items in layers.values():
        if not agrees([item.tensor for item in items], wanted, shape):
            raise DataError(
                f"{where}: {explained([item.tensor for item in items], wanted)}",
                hints=["is the config that of this model? give the path of config.json to go by the config alone"],
            )


def _match_by_size(result: Matching, left: list[Placed]) -> None:
    """Give what is left to the inventory's tensors below the same path, the deepest first, where the sizes agree."""
    free = {id(item): item for item in left}
    held: dict[int | None, list[Placed]] = defaultdict(list)
    for item in left:
        held[item.layer].append(item)
    missing: list[Entry] = []
    for group in _by_layers(result.missing):
        stored = _stored_in(group[0], held)
        for path in _paths(group) if stored else ():
            for fit in _fits(
                [entry for entry in group if _below(entry.module, path)],
                [item for item in stored if id(item) in free and _below(item.module, path)],
            ):
                result.matches.append(fit)
                done = {id(entry) for entry in fit.entries}
                group = [entry for entry in group if id(entry) not in done]
                for item in fit.stored:
                    del free[id(item)]
        missing += group
    result.missing = missing
    result.unmatched = list(free.values())


def _fits(wanted: list[Entry], stored: list[Placed]) -> Iterator[Match]:
    """What agrees: tensors of one size, as many as wanted; else all matrices, all vectors, or all of both."""
    if not any(item.kind is Kind.SIDE for item in stored):
        for size in sorted({entry.tensor.elements for entry in wanted}, reverse=True):
            part = [entry for entry in wanted if entry.tensor.elements == size]
            held = [item for item in stored if item.tensor.elements == size]
            if held and len(held) == sum(entry.count for entry in part):
                wanted = [entry for entry in wanted if entry.tensor.elements != size]
                stored = [item for item in stored if item.tensor.elements != size]
                yield Match(entries=tuple(part), stored=tuple(held))
    for wide in (True, False, None):
        part = [entry for entry in wanted if wide is None or (len(entry.tensor.shape) > 1) is wide]
        held = [item for item in stored if wide is None or _is_wide(item) is wide]
        main = [item.tensor for item in held if item.kind is not Kind.SIDE]
        if part and main and agrees(main, sum(entry.elements for entry in part), None):
            wanted = [entry for entry in wanted if wide is not None and (len(entry.tensor.shape) > 1) is not wide]
            stored = [item for item in stored if wide is not None and _is_wide(item) is not wide]
            yield Match(entries=tuple(part), stored=tuple(held))


def _is_wide(item: Placed) -> bool:
    """Whether it is (the scale of) a matrix."""
    return item.kind is Kind.SIDE or len(item.tensor.shape) > 1


def _by_layers(missing: Iterable[Entry]) -> list[list[Entry]]:
    groups: dict[tuple[str, int, tuple[int, ...] | None], list[Entry]] = defaultdict(list)
    for entry in missing:
        groups[entry.part, entry.group, entry.layers].append(entry)
    return list(groups.values())


def _paths(group: Iterable[Entry]) -> list[str]:
    """The paths above the modules, the deepest first: within a layer, or the whole of what is outside of layers."""
    found = set()
    for entry in group:
        parts = entry.module.split(".")
        first = parts.index("{i}") + 1 if "{i}" in parts else 0
        found |= {".".join(parts[:length]) for length in range(first, len(parts) + 1)}
    return sorted(found, key=lambda path: (-path.count(".") - (path != ""), path))


def _below(module: str, path: str) -> bool:
    return not path or module == path or module.startswith(f"{path}.")


def _stored_in(entry: Entry, held: dict[int | None, list[Placed]]) -> list[Placed]:
    """What is left in the layers of an entry, or outside of layers."""
    if "{i}" not in entry.module:
        layers: Iterable[int | None] = (None,)
    else:
        layers = entry.layers if entry.layers is not None else [layer for layer in held if layer is not None]
    return [item for layer in layers for item in held.get(layer, ())]

"""The tensors of a checkpoint by module and layer, under the inventory's paths wherever its own paths differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from llmplan.catalogs.checkpoint.entries import DECODER, Entry
from llmplan.catalogs.checkpoint.gguf_names import gguf_names, gguf_place, stored_kinds
from llmplan.catalogs.checkpoint.header import Checkpoint
from llmplan.catalogs.checkpoint.slots import Kind, Placed, place

Key: TypeAlias = tuple[str, Kind]
_LAYER = "{i}"


def placed(checkpoint: Checkpoint, entries: Sequence[Entry]) -> Iterator[Placed]:
    """Every tensor with the module that it belongs to."""
    if checkpoint.layout == "gguf":
        return _gguf(checkpoint, entries)
    known = {(entry.module, entry.kind) for entry in entries}
    return iter(_aligned(list(place(checkpoint.tensors, known)), known))


def _gguf(checkpoint: Checkpoint, entries: Sequence[Entry]) -> Iterator[Placed]:
    prefix = next((entry.module.split(_LAYER)[0] for entry in entries if _LAYER in entry.module), "")
    claims = _claims(
        checkpoint, [each for each in entries if each.part == DECODER or each.module.startswith(f"{prefix}{_LAYER}")]
    )
    for tensor in checkpoint.tensors:
        name, kind, layer = gguf_place(tensor.name)
        owner = next(
            (e for e in claims.get((name, _main(kind)), ()) if e.layers is None or layer in e.layers), None
        )  # fmt: skip
        if owner is not None:
            yield Placed(
                tensor=tensor, layer=layer, module=owner.module, kind=kind if kind is Kind.SIDE else owner.kind
            )  # fmt: skip
        else:
            module = name if layer is None else f"{prefix}{_LAYER}.{name}"
            yield Placed(tensor=tensor, module=module, kind=kind, layer=layer)


def _main(kind: Kind) -> Kind:
    return Kind.WEIGHT if kind is Kind.SIDE else kind


def _claims(checkpoint: Checkpoint, entries: Sequence[Entry]) -> dict[Key, list[Entry]]:
    """Which module each GGUF name means; of several names that a module may have, the first that is there and free."""
    present = {gguf_place(tensor.name)[:2] for tensor in checkpoint.tensors}
    claims: dict[Key, list[Entry]] = defaultdict(list)
    taken: set[tuple[int, str, Kind]] = set()
    done: set[tuple[int, str, Kind]] = set()
    options = [(entry, gguf_names(entry.tensor, entry.module)) for entry in entries]
    for entry, names in sorted(options, key=lambda option: len(option[1])):
        if (entry.group, entry.module, entry.kind) in done:
            continue
        wanted = ((name, kind) for name in names for kind in stored_kinds(entry.kind, entry.module))
        free = (key for key in wanted if key in present and (entry.group, *key) not in taken)
        if (key := next(free, None)) is not None:
            done.add((entry.group, entry.module, entry.kind))
            taken.add((entry.group, *key))
            claims[key].append(entry)
    return claims


def _aligned(found: list[Placed], known: set[Key]) -> list[Placed]:
    """The same tensors with prefixes exchanged where a file puts another one before all paths than the config says."""
    prefixes = dict(_prefixes(found, known))
    modules = {module for module, _ in known}
    bases = {_base(theirs): _base(ours) for theirs, ours in prefixes.items()}
    return [_renamed(item, prefixes, bases, modules) for item in found]


def _prefixes(found: list[Placed], known: set[Key]) -> Iterator[tuple[str, str]]:
    """Pairs of the file's and the inventory's path before the layer's number: by what is below, or the last two."""
    tails: dict[str, set[str]] = defaultdict(set)
    for module, _ in known:
        if _LAYER in module:
            head, _, tail = module.partition(_LAYER)
            tails[head].add(tail)
    theirs: dict[str, set[str]] = defaultdict(set)
    for item in found:
        if _LAYER in item.module:
            head, _, tail = item.module.partition(_LAYER)
            theirs[head].add(tail)
    free = {head for head in theirs if head not in tails}
    alone = []
    for head, wanted in sorted(tails.items(), key=lambda pair: -len(pair[1])):
        if head in theirs or not free:
            continue
        hits = Counter({each: len(theirs[each] & wanted) for each in sorted(free)})
        best, count = hits.most_common(1)[0]
        if 2 * count >= len(wanted):
            free.discard(best)
            yield best, head
        else:
            alone.append(head)
    if len(alone) == len(free) == 1:
        yield free.pop(), alone[0]


def _base(prefix: str) -> str:
    """What stands before the list of layers: `model.` of `model.layers.`.

    >>> _base("model.layers."), _base("h.")
    ('model.', '')
    """
    return prefix.rstrip(".").rpartition(".")[0] + "." if "." in prefix.rstrip(".") else ""


def _renamed(item: Placed, prefixes: dict[str, str], bases: dict[str, str], modules: set[str]) -> Placed:
    if item.module in modules:
        return item
    head, _, tail = item.module.partition(_LAYER)
    if tail and head in prefixes:
        return replace(item, module=f"{prefixes[head]}{_LAYER}{tail}")
    for theirs, ours in bases.items():
        if item.module.startswith(theirs) and (name := ours + item.module.removeprefix(theirs)) in modules:
            return replace(item, module=name)
    return item


def by_module(items: Iterable[Placed]) -> dict[Key, dict[int | None, list[Placed]]]:
    """Module and kind, then layer, to what is stored there."""
    cells: dict[Key, dict[int | None, list[Placed]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        cells[item.module, item.kind][item.layer].append(item)
    return cells

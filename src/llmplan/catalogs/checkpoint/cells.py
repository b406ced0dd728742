"""The tensors of a checkpoint by module and layer, under the inventory's paths wherever its own paths differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from llmplan.catalogs.checkpoint.entries import DECODER, Entry
from llmplan.catalogs.checkpoint.gguf_names import gguf_names, gguf_place, stored_kinds
from llmplan.catalogs.checkpoint.header import Checkpoint
from llmplan.catalogs.checkpoint.prefixes import Key, renaming
from llmplan.catalogs.checkpoint.slots import Kind, Placed, meaning, numbered

_LAYER = "{i}"


def placed(checkpoint: Checkpoint, entries: Sequence[Entry]) -> Iterator[Placed]:
    """Every tensor with the module that it belongs to."""
    if checkpoint.layout == "gguf":
        return _gguf(checkpoint, entries)
    known = {(entry.module, entry.kind) for entry in entries}
    numbers = [numbered(tensor.name) for tensor in checkpoint.tensors]
    paths = {path for path, _ in numbers}
    rename = renaming(paths, known)
    meanings = {path: meaning(rename(path), known) for path in paths}
    return (
        Placed(tensor=tensor, module=meanings[path][0], kind=meanings[path][1], layer=layer)
        for tensor, (path, layer) in zip(checkpoint.tensors, numbers, strict=True)
    )


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


def by_module(items: Iterable[Placed]) -> dict[Key, dict[int | None, list[Placed]]]:
    """Module and kind, then layer, to what is stored there."""
    cells: dict[Key, dict[int | None, list[Placed]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        cells[item.module, item.kind][item.layer].append(item)
    return cells

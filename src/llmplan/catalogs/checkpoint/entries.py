"""The inventory's tensors one by one with the layers that hold them, and the inventory with bytes put in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from operator import is_
from typing import Any, TypeVar

from llmplan.catalogs.checkpoint.slots import Kind, slot_of
from llmplan.spec.model import LayerGroup, ModelSpec
from llmplan.spec.tensor import Tensor

T = TypeVar("T")
DECODER = "decoder"
DRAFT = "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tensor of the inventory. `layers` are the numbers of the layers that hold it, None where nobody stated them.

    `part` is what it belongs to: the decoder, the draft layers, or one of the towers.
    """

    tensor: Tensor
    group: int
    """identity of its layer group; 0 outside of layers"""
    part: str
    module: str
    kind: Kind
    layers: tuple[int, ...] | None
    count: int

    @property
    def elements(self) -> int:
        """Weights in all of its layers."""
        return self.count * self.tensor.elements


def entries(model: ModelSpec) -> Iterator[Entry]:
    """Every tensor of the decoder, of the towers and of the draft layers."""
    yield from _outside(model.globals, DECODER)
    yield from _inside(model.layers, DECODER)
    for number, tower in enumerate(model.towers):
        for count, tensor in tower.tensors:
            yield _entry(tensor, 0, f"{tower.kind} tower {number + 1}", None, count)
    if model.draft is not None:
        yield from _outside(model.draft.globals, DRAFT)
        yield from _inside(model.draft.layers, DRAFT)


def _outside(tensors: tuple[Tensor, ...], part: str) -> Iterator[Entry]:
    return (_entry(tensor, 0, part, None, 1) for tensor in tensors)


def _inside(groups: tuple[LayerGroup, ...], part: str) -> Iterator[Entry]:
    for group in groups:
        for tensor in group.tensors():
            yield _entry(tensor, id(group), part, group.indices or None, group.count)


def _entry(tensor: Tensor, group: int, part: str, layers: tuple[int, ...] | None, count: int) -> Entry:
    module, kind, stated = slot_of(tensor)
    if stated is not None:
        layers = (stated,)
    return Entry(tensor=tensor, group=group, part=part, module=module, kind=kind, layers=layers, count=count)


def with_bytes(model: ModelSpec, stored: Mapping[tuple[int, int], float]) -> ModelSpec:
    """The model with the bytes of each tensor, by identity of its group (0: none) and of itself."""
    return _rebuilt(model, stored, 0)


def _rebuilt(node: T, stored: Mapping[tuple[int, int], float], group: int) -> T:
    """A copy of a frozen value in which tensors have their bytes; parts without any are the same objects."""
    changed: Any = node
    if isinstance(node, Tensor):
        found = stored.get((group, id(node)))
        return node if found is None else replace(node, stored_bytes=found)
    if isinstance(node, tuple):
        items = [_rebuilt(item, stored, group) for item in node]
        return changed if all(map(is_, items, node)) else tuple(items)  # type: ignore[return-value]
    if is_dataclass(node) and not isinstance(node, type):
        inside = id(node) if isinstance(node, LayerGroup) else group
        values = {field.name: getattr(node, field.name) for field in fields(node) if field.init}
        new = {name: _rebuilt(value, stored, inside) for name, value in values.items()}
        new = {name: value for name, value in new.items() if value is not values[name]}
        return replace(changed, **new) if new else node
    return node

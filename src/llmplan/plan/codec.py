"""Dataclasses to plain data and back, driven by their type hints alone.

A union of dataclasses says which one it holds under `type`. Dataclasses named in `interned` are stored
once in a table and referred to by key, so that a GPU with its provenance is not repeated in every row.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Union

from llmplan.plan.plain import Plain, decode_scalar, encode_scalar, expect, fail

TYPE_KEY = "type"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Interned:
    """A dataclass that is stored once: under `table`, by what `key` makes of it."""

    cls: type
    table: str
    key: Callable[[Any], str]


@cache
def _fields(cls: type) -> tuple[tuple[str, Any, bool], ...]:
    """Name, resolved type hint and whether it may be absent, for every field in order."""
    hints = typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    return tuple(
        (f.name, hints[f.name], f.default is not missing or f.default_factory is not missing)
        for f in dataclasses.fields(cls)
    )


@cache
def _shape(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Origin and arguments of a hint, both kinds of union as `Union`."""
    origin = typing.get_origin(hint)
    return (Union if origin is types.UnionType else origin), typing.get_args(hint)


def _is_dataclass(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


class Encoder:
    """Turns values into plain data, collecting interned ones in `tables`."""

    def __init__(self, interned: Sequence[Interned] = ()) -> None:
        self._interned = {entry.cls: entry for entry in interned}
        self._known: dict[int, tuple[Any, str]] = {}
        self._values: dict[str, dict[str, Any]] = {entry.table: {} for entry in interned}
        self.tables: dict[str, dict[str, Plain]] = {entry.table: {} for entry in interned}

    def encode(self, value: Any, hint: Any, path: str = "") -> Plain:
        """`value`, which has the type `hint`, as plain data."""
        if value is None:
            return None
        if _is_dataclass(hint):
            entry = self._interned.get(hint)
            return self._fields_of(value, hint, path) if entry is None else self._reference(value, entry)
        origin, args = _shape(hint)
        if origin is Union:
            return self._encode_union(value, args, path)
        if origin is frozenset:
            return [self.encode(item, args[0], f"{path}[]") for item in sorted(value)]
        if origin is tuple:
            of = args[:1] * len(value) if args[1:] == (...,) else args
            return [self.encode(item, of[i], f"{path}[{i}]") for i, item in enumerate(value)]
        if origin is not None and is_mapping(origin):
            return {str(key): self.encode(item, args[1], f"{path}.{key}") for key, item in value.items()}
        return encode_scalar(value, origin, hint, path)

    def _encode_union(self, value: Any, args: tuple[Any, ...], path: str) -> Plain:
        options = [arg for arg in args if arg is not type(None)]
        if len(options) == 1:
            return self.encode(value, options[0], path)
        chosen = type(value)
        if chosen not in options:
            raise fail(path, f"cannot store a {chosen.__name__} here")
        return {TYPE_KEY: chosen.__name__, **self._fields_of(value, chosen, path)}

    def _fields_of(self, value: Any, cls: type, path: str) -> dict[str, Plain]:
        return {name: self.encode(getattr(value, name), hint, f"{path}.{name}") for name, hint, _ in _fields(cls)}

    def _reference(self, value: Any, entry: Interned) -> str:
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        values = self._values[entry.table]
        base = key = entry.key(value)
        number = 1
        while key in values and values[key] != value:
            number += 1
            key = f"{base}#{number}"
        self._known[id(value)] = (value, key)
        if key not in values:
            values[key] = value
            self.tables[entry.table][key] = self._fields_of(value, entry.cls, f"entities.{entry.table}.{key}")
        return key


def is_mapping(origin: Any) -> bool:
    """Whether a generic's origin is a mapping."""
    return isinstance(origin, type) and issubclass(origin, Mapping)


class Decoder:
    """Turns plain data into values, refusing whatever the type hints do not allow."""

    def __init__(self, interned: Sequence[Interned] = (), tables: Mapping[str, Plain] | None = None) -> None:
        self._interned = {entry.cls: entry for entry in interned}
        self._tables = tables or {}
        self._values: dict[tuple[str, str], Any] = {}

    def decode(self, data: Plain, hint: Any, path: str = "") -> Any:
        """The value of type `hint` that `data` stands for."""
        if _is_dataclass(hint):
            entry = self._interned.get(hint)
            return self._dataclass(data, hint, path) if entry is None else self._entity(data, entry, path)
        origin, args = _shape(hint)
        if origin is Union:
            return self._union(data, args, path)
        if origin is frozenset:
            return frozenset(self.decode(item, args[0], f"{path}[]") for item in expect(data, list, path))
        if origin is tuple:
            return self._tuple(data, args, path)
        if origin is not None and is_mapping(origin):
            items = expect(data, dict, path)
            key = self.decode
            return {key(k, args[0], f"{path} key"): self.decode(v, args[1], f"{path}.{k}") for k, v in items.items()}
        return decode_scalar(data, origin, args, hint, path)

    def _union(self, data: Plain, args: tuple[Any, ...], path: str) -> Any:
        if data is None and type(None) in args:
            return None
        options = {arg.__name__: arg for arg in args if arg is not type(None)}
        if len(options) == 1:
            return self.decode(data, next(iter(options.values())), path)
        content = dict(expect(data, dict, path))
        name = content.pop(TYPE_KEY, None)
        if name not in options:
            raise fail(f"{path}.{TYPE_KEY}", f"expected one of {', '.join(options)}, found {name!r}")
        return self._dataclass(content, options[name], path)

    def _tuple(self, data: Plain, args: tuple[Any, ...], path: str) -> tuple[Any, ...]:
        items = expect(data, list, path)
        of = args[:1] * len(items) if args[1:] == (...,) else args
        if len(of) != len(items):
            raise fail(path, f"expected {len(of)} values, found {len(items)}")
        return tuple([self.decode(item, of[i], f"{path}[{i}]") for i, item in enumerate(items)])

    def _dataclass(self, data: Plain, cls: type, path: str) -> Any:
        content = expect(data, dict, path)
        known = _fields(cls)
        unknown = content.keys() - {name for name, _, _ in known}
        if unknown:
            raise fail(path, f"unknown key {sorted(map(str, unknown))[0]!r}")
        values = {}
        for name, hint, optional in known:
            if name in content:
                values[name] = self.decode(content[name], hint, f"{path}.{name}" if path else name)
            elif not optional:
                raise fail(f"{path}.{name}" if path else name, "is missing")
        try:
            return cls(**values)
        except ValueError as error:
            raise fail(path, str(error)) from error

    def _entity(self, data: Plain, entry: Interned, path: str) -> Any:
        key = (entry.table, expect(data, str, path))
        if key not in self._values:
            table = expect(self._tables.get(entry.table, {}), dict, f"entities.{entry.table}")
            if data not in table:
                raise fail(path, f"refers to {data!r}, which is not in entities.{entry.table}")
            self._values[key] = self._dataclass(table[data], entry.cls, f"entities.{entry.table}.{data}")
        return self._values[key]

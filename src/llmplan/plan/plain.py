"""Plain data: str, int, float, bool, None, list and dict with string keys, which is what JSON and YAML hold.

Dates become ISO strings and an infinite number the string `infinite`; a NaN is refused.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any, Literal, TypeAlias

from llmplan.errors import DataError

Plain: TypeAlias = Any
"""str | int | float | bool | None | list[Plain] | dict[str, Plain]"""

MAX_DEPTH = 64
MAX_NODES = 2_000_000
INFINITE = "infinite"
LARGEST = sys.float_info.max


def fail(path: str, problem: str) -> DataError:
    """The error that names the key."""
    return DataError(f"{path or 'document'}: {problem}")


def check_bounds(document: Plain) -> None:
    """Refuse data that is nested too deeply or has too many nodes before anything else walks over it."""
    level, nodes = [document], 0
    for _depth in range(MAX_DEPTH):
        below: list[Plain] = []
        for node in level:
            children = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else ()
            nodes += len(children)
            if nodes > MAX_NODES:
                raise fail("", f"more than {MAX_NODES:,} values")
            below.extend(child for child in children if isinstance(child, dict | list))
        if not below:
            return
        level = below
    raise fail("", f"nested more than {MAX_DEPTH} levels deep")


_NAMES: Mapping[type, str] = {dict: "a mapping", list: "a list", str: "a text"}


def expect(data: Plain, kind: type, path: str) -> Any:
    """`data` if it is of this plain kind."""
    if not isinstance(data, kind):
        raise fail(path, f"expected {_NAMES[kind]}, found {_found(data)}")
    return data


def _found(data: Plain) -> str:
    text = repr(data)
    return text if len(text) <= 40 else f"{text[:37]}..."


def encode_scalar(value: Any, origin: Any, hint: Any, path: str) -> Plain:
    """A text, number, date, literal or enumeration member as plain data."""
    if origin is Literal or hint is str:
        return str(value)
    if hint is bool:
        return bool(value)
    if hint is int:
        return operator.index(value)
    if hint is float:
        number = float(value)
        if math.isnan(number):
            raise fail(path, "is not a number")
        return number if math.isfinite(number) else INFINITE if number > 0 else f"-{INFINITE}"
    if hint is date:
        return str(value.isoformat())
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{path}: no plain form for {hint}")


def decode_scalar(data: Plain, origin: Any, args: tuple[Any, ...], hint: Any, path: str) -> Any:
    """The value of a scalar type that `data` stands for."""
    if origin is Literal:
        if data not in args:
            raise fail(path, f"expected one of {', '.join(map(str, args))}, found {_found(data)}")
        return data
    if hint is str:
        return expect(data, str, path)
    if hint is bool and isinstance(data, bool):
        return data
    if hint is int and isinstance(data, int) and not isinstance(data, bool):
        return data
    if hint is float and isinstance(data, int | float) and not isinstance(data, bool) and abs(data) <= LARGEST:
        return float(data)
    if hint is float and data in (INFINITE, f"-{INFINITE}"):
        return math.inf if data == INFINITE else -math.inf
    if isinstance(data, str) and isinstance(hint, type) and issubclass(hint, date | Enum):
        try:
            return date.fromisoformat(data) if issubclass(hint, date) else hint(data)
        except ValueError as error:
            raise fail(path, str(error)) from error
    raise fail(path, f"expected {getattr(hint, '__name__', hint)}, found {_found(data)}")

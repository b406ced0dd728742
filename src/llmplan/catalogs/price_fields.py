"""Hand-written checks of price files: as strict as a schema, and fast enough to read every seller at every start.

A check that fails raises `MisfitError` with the keys that lead to the value; `prices.py` turns them into file, line and
column.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, TypeAlias

Keys: TypeAlias = tuple[str | int, ...]


class MisfitError(Exception):
    """A value that a price file may not have, and the keys that lead to it."""

    def __init__(self, keys: Keys, message: str) -> None:
        super().__init__(message)
        self.keys = keys
        self.message = message


def check_keys(mapping: Any, required: Collection[str], optional: Collection[str], keys: Keys) -> None:
    """A mapping with all of `required` and nothing beyond `optional`."""
    if not isinstance(mapping, dict):
        raise MisfitError(keys, "a mapping is expected")
    for key in mapping:
        if key not in required and key not in optional:
            raise MisfitError((*keys, key), f"unknown key; known are {', '.join((*required, *optional))}")
    for key in required:
        if key not in mapping:
            raise MisfitError((*keys, key), "is missing")


def items_of(mapping: Mapping[str, Any], key: str) -> list[Any]:
    """The list under `key`, empty if there is none."""
    value = mapping.get(key, [])
    if not isinstance(value, list):
        raise MisfitError((key,), "a list is expected")
    return value


def positive(mapping: Mapping[str, Any], key: str, keys: Keys) -> float:
    """A finite number above zero."""
    value = mapping[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise MisfitError((*keys, key), f"a number above 0 is expected, not {value!r}")
    return float(value)


def maybe(mapping: Mapping[str, Any], key: str, keys: Keys) -> float | None:
    """A finite number, zero or more, or None if the key is absent."""
    value = mapping.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise MisfitError((*keys, key), f"a number of 0 or more is expected, not {value!r}")
    return float(value)


def maybe_count(mapping: Mapping[str, Any], key: str, keys: Keys) -> int | None:
    """A whole number above zero, or None if the key is absent."""
    value = mapping.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise MisfitError((*keys, key), f"a whole number above 0 is expected, not {value!r}")
    return value


def text(mapping: Mapping[str, Any], key: str, keys: Keys) -> str:
    """Text that is not empty."""
    value = mapping[key]
    if not isinstance(value, str) or not value.strip():
        raise MisfitError((*keys, key), f"text is expected, not {value!r}")
    return value


def maybe_text(mapping: Mapping[str, Any], key: str, keys: Keys) -> str | None:
    """Text, or None if the key is absent."""
    return text(mapping, key, keys) if mapping.get(key) is not None else None


def one_of(mapping: Mapping[str, Any], key: str, allowed: Collection[str], keys: Keys, default: str = "") -> str:
    """One of the `allowed` words."""
    value = mapping.get(key, default)
    if value not in allowed:
        raise MisfitError((*keys, key), f"one of {', '.join(allowed)} is expected, not {value!r}")
    return str(value)


def flag(mapping: Mapping[str, Any], key: str, keys: Keys, *, default: bool) -> bool:
    """true or false."""
    value = mapping.get(key, default)
    if not isinstance(value, bool):
        raise MisfitError((*keys, key), f"true or false is expected, not {value!r}")
    return value


def maybe_date(mapping: Mapping[str, Any], key: str, keys: Keys) -> date | None:
    """A day, or None: an undated row says `from: null`."""
    value = mapping.get(key)
    if value is not None and type(value) is not date:
        raise MisfitError((*keys, key), f"a date (2026-11-20) or null is expected, not {value!r}")
    return value

"""Hand-written checks of price files: as strict as a schema, and fast enough to read every seller at every start.

A check that fails raises `MisfitError` with the keys that lead to the value; `prices.py` turns them into file, line and
column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, Final, TypeAlias

Keys: TypeAlias = tuple[str | int, ...]
DOLLARS_HINT: Final = "prices are in USD: convert them, and say the rate and its day in the entry's `note:`"
PRICE_HINT: Final = "what costs nothing is no offer: leave the entry out, or state it as a fact"
_IN_MONEY = re.compile(r"([a-z]{3})_per_[a-z_]+|.*_([a-z]{3})_per_[a-z_]+")
_UNITS: Final = frozenset({"usd", "gpu", "day"})


class MisfitError(Exception):
    """A value that a price file may not have, the keys that lead to it and what to do about it."""

    def __init__(self, keys: Keys, message: str, *, hints: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.keys = keys
        self.message = message
        self.hints = tuple(hints)


def is_currency(key: object) -> bool:
    """Whether a key names money other than dollars.

    >>> is_currency("eur_per_hour"), is_currency("usd_per_hour"), is_currency("color")
    (True, False, False)
    """
    found = _IN_MONEY.fullmatch(str(key))
    return found is not None and (found[1] or found[2]) not in _UNITS


def check_keys(mapping: Any, required: Collection[str], optional: Collection[str], keys: Keys) -> None:
    """A mapping with all of `required` and nothing beyond `optional`."""
    if not isinstance(mapping, dict):
        raise MisfitError(keys, "a mapping is expected")
    for key in mapping:
        if key not in required and key not in optional:
            hints = (DOLLARS_HINT,) if is_currency(key) else ()
            raise MisfitError((*keys, key), f"unknown key; known are {', '.join((*required, *optional))}", hints=hints)
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
        hints = (PRICE_HINT,) if value == 0 and any("usd_" in str(each) for each in (*keys, key)) else ()
        raise MisfitError((*keys, key), f"a number above 0 is expected, not {value!r}", hints=hints)
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


def one_of(
    mapping: Mapping[str, Any],
    key: str,
    allowed: Collection[str],
    keys: Keys,
    default: str = "",
    hints: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """One of the `allowed` words; `hints` tell what to write for words that people take instead."""
    value = mapping.get(key, default)
    if value not in allowed:
        hint = hints.get(value) if isinstance(value, str) else None
        raise MisfitError(
            (*keys, key), f"one of {', '.join(allowed)} is expected, not {value!r}", hints=(hint,) if hint else ()
        )
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

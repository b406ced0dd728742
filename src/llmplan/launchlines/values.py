"""Option values as the engines' parsers read them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_SUFFIXED = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT])")
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
MAX_DIGITS = 30


def integer(text: str) -> int | None:
    """A whole number, or None.

    >>> integer("8"), integer("eight"), integer("-1")
    (8, None, -1)
    """
    return int(text) if len(text) <= MAX_DIGITS and re.fullmatch(r"\s*[+-]?\d+\s*", text, re.ASCII) else None


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text) if len(text) <= MAX_DIGITS else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < float("inf") else None


def count(text: str) -> int | None:
    """A number of tokens or bytes with an optional suffix: small letters are decimal, capitals binary.

    >>> count("32k"), count("32K"), count("25.6k"), count("1.5K"), count("x")
    (32000, 32768, 25600, None, None)
    """
    match = _SUFFIXED.fullmatch(text.strip()) if len(text) <= MAX_DIGITS else None
    if match is None:
        return integer(text)
    if match[2] in _DECIMAL:
        return int(float(match[1]) * _DECIMAL[match[2]])
    return int(match[1]) * _BINARY[match[2]] if match[1].isdecimal() else None


def next_larger(value: str, choices: Sequence[str]) -> list[str]:
    """Of numbers, the next one that is large enough, else the largest; nothing of words.

    >>> next_larger("48", ("8", "16", "64")), next_larger("x", ("8", "16"))
    (['64'], [])
    """
    numbers = [number for choice in choices if (number := integer(choice)) is not None]
    wanted = integer(value)
    if wanted is None or len(numbers) < len(choices):
        return []
    return [str(min((each for each in numbers if each >= wanted), default=max(numbers)))]


def is_count_or_auto(text: str) -> bool:
    """Whether it is a number of tokens, or asks the engine to choose."""
    return text.strip().lower() == "auto" or count(text) is not None


def json_value(text: str) -> Any:
    """What strict JSON holds, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

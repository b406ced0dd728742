"""JSON that a stranger wrote and that may be large: bounded in length, in number of values and in depth."""

from __future__ import annotations

import json
from typing import Any, Final

from llmplan.errors import DataError

MAX_JSON_BYTES: Final = 100_000_000
"""the safetensors library's own limit of a header"""
MAX_MARKS: Final = 2_000_000
"""brackets, braces and commas: 250,000 tensors of a header, and a few hundred megabytes once parsed at worst"""


class _DuplicateKeyError(ValueError):
    pass


def parse_object(raw: bytes, where: str, *, is_config: bool = False) -> dict[str, Any]:
    """One JSON object in which no key is stated twice; `NaN` and `Infinity` are refused.

    A config is read as leniently as its own library reads it: real ones state `Infinity`.
    """
    if len(raw) > MAX_JSON_BYTES:
        raise DataError(f"{where}: {len(raw):,} bytes of JSON are more than the {MAX_JSON_BYTES:,} that are read")
    if sum(raw.count(mark) for mark in (b"[", b"{", b",")) > MAX_MARKS:
        raise DataError(f"{where}: more values than the header of a checkpoint has")
    try:
        data = json.loads(raw.decode("utf-8-sig")) if is_config else json.loads(
            raw.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        )  # fmt: skip
    except UnicodeDecodeError:
        raise DataError(f"{where}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise DataError(f"{where}: nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise DataError(f"{where}: expected an object, got {type(data).__name__}")
    return data


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(f"key {key[:120]!r} is stated twice")
            seen.add(key)
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")

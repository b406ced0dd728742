"""One JSON object out of bytes that a stranger wrote: whatever is wrong with them is one error that says where."""

from __future__ import annotations

import json
from typing import Any, Final

from llmplan.errors import DataError

_AGAIN: Final = "download the file again, and see that it is the one that you mean"


class _DuplicateKeyError(ValueError):
    pass


def parse_object(raw: bytes, where: str, *, is_strict: bool = False) -> dict[str, Any]:
    """The object of a file's bytes.

    `is_strict`: no byte order mark, no key twice, no `NaN` and no `Infinity`. A config is read as leniently as its own
    library reads it: real ones state `Infinity`.
    """
    try:
        data = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        ) if is_strict else json.loads(raw.decode("utf-8-sig"))  # fmt: skip
    except UnicodeDecodeError:
        raise DataError(f"{where}: not UTF-8 text", hints=[_AGAIN]) from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}:{error.lineno}:{error.colno}: not JSON: {error.msg}", hints=[_AGAIN]) from None
    except RecursionError:
        raise DataError(f"{where}: nested too deeply", hints=[_AGAIN]) from None
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}", hints=[_AGAIN]) from None
    if not isinstance(data, dict):
        raise DataError(f"{where}: expected an object, got {type(data).__name__}", hints=[_AGAIN])
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

"""One JSON object out of a file that a stranger wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from llmplan.catalogs.json_object import parse_object
from llmplan.catalogs.lfs_pointer import demand_no_pointer
from llmplan.errors import DataError

MAX_FILE_BYTES: Final = 4 * 1024**2
_CONFIG: Final = "give the path of a config.json, or of the folder that holds it"


def read_object(path: Path) -> dict[str, Any]:
    """The object, or one error that names the file. `Infinity` is let through: real configs state it."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}", hints=[_CONFIG]) from None
    except ValueError as error:
        raise DataError(f"{str(path)!r}: not a path: {error}", hints=[_CONFIG]) from None
    if len(raw) > MAX_FILE_BYTES:
        raise DataError(f"{path}: larger than {MAX_FILE_BYTES} bytes; a config.json is not", hints=[_CONFIG])
    demand_no_pointer(raw, str(path), f"or download {path.name} by itself")
    return parse_object(raw, str(path))

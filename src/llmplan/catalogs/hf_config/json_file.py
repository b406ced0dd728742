"""One JSON object out of a file that a stranger wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from llmplan.catalogs.hf_config.normalize import show
from llmplan.errors import DataError

MAX_FILE_BYTES: Final = 4 * 1024**2


def read_object(path: Path) -> dict[str, Any]:
    """The object, or one error that names the file. `Infinity` is let through: real configs state it."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(f"{str(path)!r}: not a path: {error}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise DataError(f"{path}: larger than {MAX_FILE_BYTES} bytes; a config.json is not")
    try:
        data = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise DataError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise DataError(f"{path}: expected an object with a model's configuration, got {show(data)}")
    return data

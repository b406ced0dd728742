"""Where the files of a checkpoint lie: a folder on disk, or a repository. Only files of that one place are read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from llmplan.catalogs.checkpoint.bounded_json import MAX_JSON_BYTES, parse_bounded
from llmplan.catalogs.checkpoint.header import clip, damaged, demand_real_file
from llmplan.catalogs.hf_config.json_file import MAX_FILE_BYTES
from llmplan.catalogs.lfs_pointer import demand_no_pointer
from llmplan.errors import DataError

MAX_NAMES: Final = 100_000
_OWN_FOLDER: Final = "put the model's files into a folder of their own"
_LOOK: Final = "look at it with `ls -lL`: it must be there, readable, and a file or a folder of files"


class Folder(Protocol):
    """Files by name. `path(name)` is what messages call one of them."""

    def names(self) -> tuple[str, ...]:
        """Names of the files, sorted; folders within are not looked into."""

    def path(self, name: str) -> str:
        """The file as a user would name it."""

    def open(self, name: str) -> AbstractContextManager[tuple[BinaryIO, int]]:
        """The file, opened for reading, and its size in bytes."""


class LocalFolder:
    """A folder on disk. Links to files are followed, as caches of models have them; anything but a file is refused."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> tuple[str, ...]:
        """Names of its files."""
        found: list[str] = []
        try:
            with os.scandir(self._folder) as listing:
                for entry in listing:
                    if len(found) >= MAX_NAMES:
                        raise DataError(f"{self._folder}: more than {MAX_NAMES:,} files", hints=[_OWN_FOLDER])
                    if not entry.is_dir():
                        found.append(entry.name)
        except OSError as error:
            raise DataError(f"{self._folder}: cannot be read: {error.strerror or error}", hints=[_LOOK]) from None
        return tuple(sorted(found))

    def path(self, name: str) -> str:
        """Folder and name."""
        return str(self._folder / name)

    @contextmanager
    def open(self, name: str) -> Iterator[tuple[BinaryIO, int]]:
        """The file and its size."""
        path = self._folder / name
        try:
            found = os.stat(path)
            if not stat.S_ISREG(found.st_mode):
                raise DataError(f"{path}: not a regular file", hints=[_LOOK])
            with path.open("rb") as raw:
                yield raw, found.st_size
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}", hints=[_LOOK]) from None
        except ValueError as error:
            raise DataError(f"{str(path)!r}: not a path: {error}", hints=[_LOOK]) from None


def read_json(folder: Folder, name: str, *, is_config: bool = False) -> dict[str, Any]:
    """One JSON object of the folder."""
    most = MAX_FILE_BYTES if is_config else MAX_JSON_BYTES
    where = folder.path(name)
    with folder.open(name) as (file, size):
        if size > most:
            raise damaged(f"{where}: {size:,} bytes of JSON are more than the {most:,} that are read")
        raw = file.read(size)
    if is_config:
        demand_no_pointer(raw, where, f"or download {name} by itself")
    demand_real_file(raw[:32], where, len(raw))
    return parse_bounded(raw, where, is_config=is_config)


def plain_name(name: object, where: str) -> str:
    """A name that a file states, if it means a file of the same folder."""
    if not isinstance(name, str):
        raise damaged(f"{where}: expected the name of a file, got {clip(repr(name), 60)}")
    if not name or name in (".", "..") or any(sign in name for sign in "/\\\0:"):
        raise DataError(
            f"{where}: {clip(name)!r} is not the name of a file beside it",
            hints=["an index may only name files of its own folder"],
        )
    return name

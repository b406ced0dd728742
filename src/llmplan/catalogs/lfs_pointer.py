"""What a clone without Git LFS has in a large file's place."""

from __future__ import annotations

from typing import Final

from llmplan.errors import DataError

LFS_MARK: Final = b"version https://git-lfs"


def demand_no_pointer(start: bytes, where: str, instead: str) -> None:
    """Refuse the pointer of a large file; `instead` is the hint beside fetching the file itself."""
    if start.startswith(LFS_MARK):
        raise DataError(f"{where}: a Git LFS pointer, not the file itself", hints=["git lfs pull", instead])

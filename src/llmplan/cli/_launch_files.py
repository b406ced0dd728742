"""Launch files onto disk: all of them or none."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from llmplan.cli._launch_text import render
from llmplan.emit import LaunchFile
from llmplan.errors import LlmplanError
from llmplan.planfile import cannot_write


def write_all(files: Sequence[LaunchFile], folder: Path, *, force: bool) -> list[Path]:
    """Write every file into `folder` (made if absent); none of them when one cannot be written."""
    paths = [folder / file.path for file in files]
    try:
        _demand_free(folder, paths, force=force)
        return _stage_and_move(files, folder, paths)
    except (OSError, UnicodeEncodeError) as error:
        raise cannot_write(folder, error) from error


def _demand_free(folder: Path, paths: Sequence[Path], *, force: bool) -> None:
    if os.path.lexists(folder) and not folder.is_dir():
        raise LlmplanError(f"{folder} is a file, not a folder", hints=["-o FOLDER"])
    if not folder.parent.is_dir():
        raise LlmplanError(f"there is no folder {folder.parent}", hints=[f"mkdir -p {shlex.quote(str(folder.parent))}"])
    taken = [path for path in paths if os.path.lexists(path)]
    for path in taken:
        if path.is_dir():
            raise LlmplanError(f"{path} is a folder", hints=["-o another folder"])
    if taken and not force:
        names = ", ".join(map(str, taken))
        raise LlmplanError(
            f"{names} {'is' if len(taken) == 1 else 'are'} there already", hints=["add --force to replace"]
        )


def _stage_and_move(files: Sequence[LaunchFile], folder: Path, paths: Sequence[Path]) -> list[Path]:
    """What can run out of space happens in a folder of its own on the same disk; the rest are renames."""
    beside = folder if folder.is_dir() else folder.parent
    stage = Path(tempfile.mkdtemp(prefix=".llmplan.", suffix=".tmp", dir=beside))
    try:
        for file in files:
            staged = stage / file.path
            staged.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("wb") as stream:
                stream.write(render(file).encode())
                stream.flush()
                os.fsync(stream.fileno())
            if file.executable:
                staged.chmod(0o755)
        folder.mkdir(exist_ok=True)
        for file, path in zip(files, paths, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(stage / file.path, path)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return list(paths)

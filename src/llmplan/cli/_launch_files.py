"""Launch files from data to text, and onto disk: all of them or none."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from llmplan.emit import Command, Env, LaunchFile, Word
from llmplan.errors import LlmplanError
from llmplan.planfile import cannot_write, dump_yaml

COMMENT_WIDTH = 200


def render(file: LaunchFile) -> str:
    """The text of a launch file. Values are quoted by the writer of their format, never pasted."""
    comments = [f"# {line}" for line in map(comment, file.header)]
    match file.kind:
        case "shell":
            head = ["#!/usr/bin/env bash", *comments, "set -euo pipefail", ""]
            return "\n".join([*head, *shell_lines(file.content), ""])
        case "yaml":
            return "\n".join([*comments, dump_yaml(file.content, width=2**16)])
        case "json":
            return json.dumps(file.content, indent=2, allow_nan=False) + "\n"
        case "text":
            return "\n".join([*comments, *file.content, ""])


def render_markdown(file: LaunchFile) -> str:
    """The file under its name, fenced with more backticks than it holds in a row."""
    text = render(file)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"### {file.path}\n\n{fence}{'bash' if file.kind == 'shell' else file.kind}\n{text}{fence}"


def comment(text: str) -> str:
    """One line that cannot end early: anything but a printable character is escaped."""
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return line if len(line) <= COMMENT_WIDTH else f"{line[: COMMENT_WIDTH - 1]}…"


def shell_lines(command: Command) -> list[str]:
    """The command with one option a line."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in command.env.items()]
    parts = [" ".join(map(_shell_word, ("exec", *command.program)))]
    parts += [f"  {' '.join(map(_shell_word, option))}" for option in command.options]
    return [*lines, *[f"{part} \\" for part in parts[:-1]], parts[-1]]


def _shell_word(word: Word) -> str:
    if not isinstance(word, Env):
        return shlex.quote(word)
    after = f":?{word.message}" if word.default is None else f":-{word.default}"
    return f'"${{{word.name}{after}}}"'


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
            with staged.open("wb") as stream:
                stream.write(render(file).encode())
                stream.flush()
                os.fsync(stream.fileno())
            if file.executable:
                staged.chmod(0o755)
        folder.mkdir(exist_ok=True)
        for file, path in zip(files, paths, strict=True):
            os.replace(stage / file.path, path)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return list(paths)

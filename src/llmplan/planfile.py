"""`plan.yaml`: a plan on disk with a digest of its content, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from llmplan.errors import DataError, LlmplanError
from llmplan.plan.document import check_schema, from_document, to_document
from llmplan.plan.plain import check_bounds
from llmplan.plan.plan import Plan

MAX_BYTES = 16 * 1024**2
DIGEST_KEY = "digest"
FILE_MODE = 0o666
HEADER = """\
# A deployment plan made by llmplan: the question, five answers and every figure behind them, with its source.
#   llmplan cost FILE                         prices it
#   llmplan emit-config FILE --target TARGET  writes launch files, where the plan has something to launch
# The digest at the end tells when the content was changed by hand.
"""


class _Dumper(yaml.CSafeDumper):
    """Writes equal lists twice instead of pointing from one to the other, and quotes what a reader could take for a
    line break."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(data: Any, *, width: int = 120) -> str:
    """Plain data as YAML, in its own order."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)
    return text


def digest(document: Any) -> str:
    """`sha256:...` over the content, independent of key order, spacing and comments."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def render_plan_text(plan: Plan) -> str:
    """The content of a plan file."""
    document = to_document(plan)
    document[DIGEST_KEY] = digest(document)
    return f"{HEADER}{dump_yaml(document)}"


def write_plan(plan: Plan, path: Path | str, *, force: bool = False) -> None:
    """Write the plan. An existing file is kept unless `force`; after an error nothing half-written remains."""
    write_text(Path(path), render_plan_text(plan), force=force)


def read_plan(path: Path | str, *, allow_edited: bool = False) -> Plan:
    """The plan in a file (YAML as written here, or the JSON of `recommend --json`).

    `allow_edited` accepts content that no longer matches its digest.
    """
    file = Path(path)
    return plan_in(_load(file, _read(file)), file, allow_edited=allow_edited)


def plan_in(document: Any, file: Path, *, allow_edited: bool = False) -> Plan:
    """The plan in what was read from a file: a pipe can be read only once."""
    try:
        check_bounds(document)
        check_schema(document)
        stated = document.pop(DIGEST_KEY, None)
        if not allow_edited:
            _check_digest(document, stated, is_yaml=file.suffix.lower() != ".json")
        return from_document(document)
    except DataError as error:
        raise DataError(f"{file}: {error.message}", hints=error.hints) from error


def read_document(path: Path | str) -> Any:
    """The plain data in a file of YAML or JSON, within the bounds of a plan's; a plan or not."""
    file = Path(path)
    document = _load(file, _read(file))
    check_bounds(document)
    return document


def write_text(path: Path, text: str, *, force: bool = False) -> None:
    """Write a text file atomically."""
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise cannot_write(path, error) from error
    write_bytes(path, content, force=force)


def write_bytes(path: Path, content: bytes, *, force: bool = False) -> None:
    """Write a file atomically: into a neighbour first, then renamed. A link keeps pointing, a device stays one."""
    temporary = ""
    try:
        check_target(path, force=force)
        if is_device(path):
            path.write_bytes(content)
            return
        path = path.resolve()
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, FILE_MODE & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def check_target(path: Path, *, force: bool) -> None:
    """Refuse a folder, a file that is there already (without `force`) and a place that does not exist."""
    if path.is_dir():
        raise LlmplanError(f"{path} is a folder", hints=[f"-o {path / 'plan.yaml'}"])
    if not path.parent.is_dir():
        raise LlmplanError(f"cannot write {path}: there is no folder {path.parent}", hints=[f"mkdir -p {path.parent}"])
    if os.path.lexists(path) and not force and not is_device(path):
        raise LlmplanError(f"{path} is there already", hints=["add --force to replace it, or name another file"])


def is_device(path: Path) -> bool:
    """Whether it is a device or a pipe, which is written to and never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def cannot_write(path: Path, error: OSError | UnicodeEncodeError) -> LlmplanError:
    """The error for a write that failed, with what can be done."""
    if isinstance(error, UnicodeEncodeError):
        return LlmplanError(f"cannot write {path}: it holds text that is not valid Unicode")
    hints: Sequence[str] = ()
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hints = [f"df -h {path.parent}    # free some space, or write elsewhere"]
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hints = ["name a file in a folder that you may write to"]
    return LlmplanError(f"cannot write {path}: {error.strerror or error}", hints=hints)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        hint = f"llmplan recommend MODEL ... -o {path} makes one"
        raise LlmplanError(f"there is no plan file {path}", hints=[hint]) from error
    except OSError as error:
        raise LlmplanError(f"cannot read {path}: {error.strerror or error}", hints=[_MAKES_ONE]) from error
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES // 1024**2} MiB, which no plan is", hints=[_MAKES_ONE])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a plan: it is not text in UTF-8", hints=[_MAKES_ONE]) from error


def _load(path: Path, text: str) -> Any:
    try:
        if path.suffix.lower() == ".json":
            return json.loads(text)
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise DataError(f"{path}{where}: not valid YAML: {error.problem}", hints=[_MAKE_AGAIN]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid: {str(error).splitlines()[0]}", hints=[_MAKE_AGAIN]) from error


_MAKES_ONE = "llmplan recommend MODEL ... -o plan.yaml makes one"
_MAKE_AGAIN = "the file may be cut off: make it again with llmplan recommend ... -o FILE --force"


def _check_digest(document: Any, stated: Any, *, is_yaml: bool) -> None:
    if stated is None:
        if is_yaml:
            raise DataError("the plan ends before its digest: the file is cut off", hints=[_MAKE_AGAIN])
        return
    try:
        actual = digest(document)
    except (TypeError, ValueError) as error:
        raise DataError(f"holds a value that no plan has: {error}", hints=[_MAKES_ONE]) from error
    if stated != actual:
        raise DataError(
            "the content does not match its digest: it was changed by hand after it was planned",
            hints=["add --force to use it all the same", "llmplan recommend ... -o FILE --force plans again"],
        )

"""`--cases FILE.jsonl`: one question per line in, one answer per line out, in order; a bad line stops nothing."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._case_lines import LineReader, parse_object
from llmplan.errors import DataError, LlmplanError, UsageError

CasesOption = Annotated[
    Path | None,
    typer.Option(
        "--cases",
        metavar="FILE",
        help="JSON lines, one question each: keys are the flags with underscores, plus model and id; - reads stdin. "
        "Flags given beside it are defaults of every line.",
    ),
]


@dataclass(frozen=True, slots=True)
class Reply:
    """One line's answer. `more` is the JSON text of an object whose keys follow: what many answers have in common."""

    record: dict[str, Any]
    more: str = ""


Answer = Callable[[str, dict[str, Any]], Reply]


def run(path: Path, answer: Answer, *, model: str | None, groups: Mapping[str, Any]) -> int:
    """Answer each line of the file; `groups` holds the flags that apply where a line says nothing."""
    reader = LineReader(model, groups)
    with _opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                reply = _answered(line, number, reader, answer)
                _console.print_json_line(reply.record, reply.more)
    return 0


def _answered(line: str, number: int, reader: LineReader, answer: Answer) -> Reply:
    case_id: Any = number
    try:
        data, odd = parse_object(line)
        case_id = _id(data.pop("id", None), number)
        if odd is not None:
            raise DataError(f"not JSON: {odd} is not a JSON number")
        found = answer(*reader.read(data))
        return Reply({"id": case_id, "ok": True, **found.record}, found.more)
    except LlmplanError as error:
        return _failed(case_id, error.code, error.message, error.hints)
    except Exception as error:
        return _failed(case_id, "internal", f"{type(error).__name__}: {error}")


def _id(stated: Any, number: int) -> Any:
    """What the line calls itself, if that is a text or a number; else its number."""
    named = isinstance(stated, str) or (isinstance(stated, int | float) and not isinstance(stated, bool))
    return stated if named and not (isinstance(stated, float) and not math.isfinite(stated)) else number


def _failed(case_id: Any, code: str, message: str, hints: Iterable[str] = ()) -> Reply:
    return Reply({"id": case_id, "ok": False, "error": {"code": code, "message": message, "hints": list(hints)}})


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[str]]:
    if str(path) == "-":
        yield iter(sys.stdin)
        return
    try:
        file = path.open(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    with file:
        yield iter(file)

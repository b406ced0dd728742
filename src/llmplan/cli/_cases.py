"""`--cases FILE.jsonl`: one question per line in, one answer per line out, in order; a bad line stops nothing."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._flags import field_types
from llmplan.errors import DataError, LlmplanError, UsageError, nearest

CasesOption = Annotated[
    Path | None,
    typer.Option(
        "--cases",
        metavar="FILE",
        help="JSON lines, one question each: keys are the flags with underscores, plus model and id; - reads stdin. "
        "Flags given beside it are defaults of every line.",
    ),
]
Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


def run(path: Path, answer: Answer, *, model: str | None, groups: Mapping[str, Any]) -> int:
    """Answer each line of the file; `groups` holds the flags that apply where a line says nothing."""
    reader = LineReader(model, groups)
    with _opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                _console.print_json_line(_answered(line, number, reader, answer))
    return 0


def _answered(line: str, number: int, reader: LineReader, answer: Answer) -> dict[str, Any]:
    case_id: Any = number
    try:
        case_id = id_of(line, number)
        data = parse_object(line)
        data.pop("id", None)
        name, flags = reader.read(data)
        return {"id": case_id, "ok": True, **answer(name, flags)}
    except LlmplanError as error:
        failure = {"code": error.code, "message": error.message, "hints": list(error.hints)}
        return {"id": case_id, "ok": False, "error": failure}
    except Exception as error:
        failure = {"code": "internal", "message": f"{type(error).__name__}: {error}", "hints": []}
        return {"id": case_id, "ok": False, "error": failure}


def id_of(line: str, number: int) -> Any:
    """The id that a line gives, even where another of its values cannot be used; else its number."""
    try:
        data = json.loads(line)
    except ValueError:
        return number
    found = data.get("id", number) if isinstance(data, dict) else number
    return number if isinstance(found, float) and not math.isfinite(found) else found


def parse_object(line: str) -> dict[str, Any]:
    """One JSON object; NaN and Infinity, which Python would read, are refused."""
    try:
        data = json.loads(line, parse_constant=_no_constant)
    except ValueError as error:
        raise DataError(f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise DataError(f"a case is a JSON object, not {type(data).__name__}")
    return data


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


class LineReader:
    """Turns a line's keys into flag groups, with the same parsers that the command line uses."""

    def __init__(self, model: str | None, groups: Mapping[str, Any]) -> None:
        self._model = model
        self._groups = dict(groups)
        self._owner = {field.name: name for name, group in groups.items() for field in dataclasses.fields(group)}
        self._types = {
            field: described for group in groups.values() for field, described in field_types(type(group)).items()
        }

    def read(self, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The model's name and the flag groups of one line."""
        model = data.pop("model", None) or self._model
        if not isinstance(model, str):
            raise UsageError("a case needs a model", hints=['"model": "meta-llama/Llama-3.1-8B-Instruct"'])
        changes: dict[str, dict[str, Any]] = {}
        for key, value in data.items():
            if key not in self._owner:
                near = nearest(key, [*self._owner, "id", "model"])
                raise UsageError(f"unknown key {key!r}", hints=[f"did you mean {', '.join(near)}?"] if near else [])
            if value is not None:
                changes.setdefault(self._owner[key], {})[key] = self._value(key, value)
        return model, {
            name: dataclasses.replace(group, **changes[name]) if name in changes else group
            for name, group in self._groups.items()
        }

    def _value(self, key: str, value: Any) -> Any:
        plain, option = self._types[key]
        wanted = {each for each in (typing.get_args(plain) or (plain,)) if each is not type(None)}
        if wanted == {bool}:
            if not isinstance(value, bool):
                raise UsageError(f"{key} must be true or false, not {value!r}")
            return value
        if wanted == {str}:
            if not isinstance(value, str):
                raise UsageError(f"{key} must be a text, not {value!r}")
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{key} must be a number, not {value!r}")
        return option.parser(value)


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[str]]:
    if str(path) == "-":
        yield iter(sys.stdin)
        return
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    with file:
        yield iter(file)

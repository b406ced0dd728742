"""A result file before anybody knows what it is, and its numbers, none of which can be trusted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmplan.errors import DataError
from llmplan.spec.workload import Lengths
from llmplan.units import MIB

MAX_RESULT_BYTES = 256 * MIB
MAX_RECORDS = 10_000
MAX_VALUE = 1e9
"""no length, count, rate or time of a benchmark is larger"""
NAME_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A file: its text, and as JSON the one value in it, or one a line; None where it is not JSON."""

    name: str
    text: str
    values: tuple[Any, ...] | None

    @property
    def records(self) -> tuple[Mapping[str, Any], ...]:
        """The JSON objects in it: those of a list one by one."""
        values = self.values or ()
        if len(values) == 1 and isinstance(values[0], list):
            values = tuple(values[0])
        return tuple(value for value in values if isinstance(value, dict))


def open_result(path: Path) -> Result:
    """Read a file, however broken its contents are; only one that cannot be read or is far too long is refused."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_RESULT_BYTES:
            raise DataError(f"{path}: {size_bytes:,} bytes is too long for a result (limit {MAX_RESULT_BYTES:,})")
        if path.is_dir():
            raise DataError(f"{path}: a folder; name the result files in it", hints=[f"llmplan calibrate {path}/*"])
        text = path.read_text(encoding="utf-8", errors="replace").removeprefix("\ufeff")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return result_of(path.name, text)


def result_of(name: str, text: str) -> Result:
    """A result whose text is at hand."""
    return Result(name=name, text=text, values=_json(name, text))


def _json(name: str, text: str) -> tuple[Any, ...] | None:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return (json.loads(text),)
    except RecursionError:
        raise DataError(f"{name}: JSON nested far too deeply for a result") from None
    except ValueError as whole:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > MAX_RECORDS:
            raise DataError(f"{name}: {len(lines):,} lines are too many (limit {MAX_RECORDS:,})") from None
        try:
            return tuple(json.loads(line) for line in lines)
        except (ValueError, RecursionError):
            if text.lstrip().startswith("["):
                return None  # a log may begin so
            raise DataError(f"{name}: not JSON: {whole}", hints=["was the benchmark interrupted?"]) from None


@dataclass(slots=True)
class Fields:
    """One record, read by path; `complaints` collects what was there and could not be used."""

    record: Any
    complaints: list[str] = field(default_factory=list)

    def get(self, *path: str | int) -> Any:
        """What stands at a path, or None."""
        found = self.record
        for key in path:
            if isinstance(key, int):
                found = found[key] if isinstance(found, list) and -len(found) <= key < len(found) else None
            else:
                found = found.get(key) if isinstance(found, dict) else None
        return found

    def number(self, *path: str | int, most: float = MAX_VALUE) -> float | None:
        """A number above 0; absent is None, and anything else is None with a complaint."""
        found = self.get(*path)
        if found is None:
            return None
        value = as_number(found)
        if value is None or not 0.0 < value <= most:
            complaint = f"{'.'.join(map(str, path))} is {shown(found)}"
            if complaint not in self.complaints:
                self.complaints.append(complaint)
            return None
        return value

    def count(self, *path: str | int) -> int | None:
        """A number of things; 0 is one."""
        value = as_number(self.get(*path))
        return int(value) if value is not None and 0.0 <= value <= MAX_VALUE else None

    def text(self, *path: str | int) -> str | None:
        """A name, cut to a sensible length."""
        found = self.get(*path)
        return clean(found) if isinstance(found, str) and found.strip() else None

    def first(self, paths: Iterable[Sequence[str | int]]) -> float | None:
        """The first of several numbers that is there."""
        return next((value for path in paths if (value := self.number(*path)) is not None), None)


def as_number(value: Any) -> float | None:
    """A finite number, or None; `true` is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def ms(value: float | None) -> float | None:
    """Milliseconds as seconds."""
    return None if value is None else value / 1e3


def shown(value: Any) -> str:
    """A value that was refused, short."""
    text = clean(json.dumps(value, default=str) if not isinstance(value, float) else str(value))
    return text if len(text) <= 40 else f"{text[:37]}..."


def clean(text: str) -> str:
    """What a file says of itself, without control characters."""
    return "".join(filter(str.isprintable, text))[:NAME_LENGTH].strip()


def lengths(mean: float | None, tokens: Any = None) -> Lengths | None:
    """Lengths from their mean, or from every request's where a list of them is given."""
    found = sorted(filter(None, map(as_number, tokens))) if isinstance(tokens, list) else []
    if len(found) >= 10 and found[0] >= 1.0:
        p50, p90, p99 = (found[min(len(found) - 1, int(share * len(found)))] for share in (0.5, 0.9, 0.99))
        return Lengths(mean=sum(found) / len(found), p50=p50, p90=p90, p99=p99)
    return Lengths.fixed(mean) if mean is not None and mean >= 1.0 else None


def passed_over(origin: str, reason: str, fields: Fields) -> str:
    """The line that says why a result is not used."""
    detail = f" ({'; '.join(fields.complaints[:3])})" if fields.complaints else ""
    return f"{origin}: {reason}{detail}"

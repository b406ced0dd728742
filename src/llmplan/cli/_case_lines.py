"""One line of a case file: JSON from strangers to the flags that the command line would have given."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from llmplan.cli._flags import field_types
from llmplan.errors import DataError, UsageError, nearest

MOST_SEEN = 8192
"""flag groups that are kept because further lines may say the same"""
MOST_SHOWN = 60
"""characters of a wrong value that an error repeats"""


def parse_object(line: str) -> tuple[dict[str, Any], str | None]:
    """One JSON object, and the first of its values that only Python takes for a number: NaN, Infinity."""
    odd: list[str] = []
    try:
        data = json.loads(line, parse_constant=odd.append)
    except ValueError as error:
        raise DataError(f"not JSON: {error}") from None
    except RecursionError:
        raise DataError("not a case: nested too deeply") from None
    if not isinstance(data, dict):
        raise DataError(f"a case is a JSON object, not {type(data).__name__}")
    return data, odd[0] if odd else None


class LineReader:
    """Turns a line's keys into flag groups, with the same parsers that the command line uses."""

    def __init__(self, model: str | None, groups: Mapping[str, Any]) -> None:
        self._model = model
        self._groups = dict(groups)
        self._owner = {field.name: name for name, group in groups.items() for field in dataclasses.fields(group)}
        self._types = {
            field: (_plain(stated), option.parser)
            for group in groups.values()
            for field, (stated, option) in field_types(type(group)).items()
        }
        self._seen: dict[tuple[Any, ...], Any] = {}

    def read(self, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The model's name and the flag groups of one line."""
        model = data.pop("model", None) or self._model
        if not isinstance(model, str):
            raise UsageError("a case needs a model", hints=['"model": "meta-llama/Llama-3.1-8B-Instruct"'])
        said: dict[str, list[tuple[str, Any]]] = {}
        for key, value in data.items():
            if key not in self._owner:
                near = nearest(key[:MOST_SHOWN], [*self._owner, "id", "model"])
                raise UsageError(f"unknown key {_shown(key)}", hints=[f"did you mean {', '.join(near)}?"] * bool(near))
            if value is not None:
                said.setdefault(self._owner[key], []).append((key, value))
        return model, {
            name: self._with(name, said[name]) if name in said else group for name, group in self._groups.items()
        }

    def _with(self, name: str, said: Sequence[tuple[str, Any]]) -> Any:
        """A flag group with what the line says in place of its defaults; lines that say the same share it."""
        key = (name, *((field, value.__class__, value) for field, value in said))
        try:
            return self._seen[key]
        except KeyError:
            pass
        except TypeError:
            pass  # a list or an object, which no flag takes: refused below
        made = dataclasses.replace(self._groups[name], **{field: self._value(field, value) for field, value in said})
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen[key] = made
        return made

    def _value(self, key: str, value: Any) -> Any:
        plain, parser = self._types[key]
        if plain is bool:
            if not isinstance(value, bool):
                raise UsageError(f"{key} must be true or false, not {_shown(value)}")
            return value
        if plain is str:
            if not isinstance(value, str):
                raise UsageError(f"{key} must be a text, not {_shown(value)}")
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{key} must be a number, not {_shown(value)}")
        if isinstance(value, int) and abs(value) > 10**18:
            raise UsageError(f"{key} must be a number of at most 18 digits, not {_shown(value)}")
        return parser(value)


def _plain(stated: Any) -> Any:
    """The type beside None."""
    return next(each for each in (typing.get_args(stated) or (stated,)) if each is not type(None))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"

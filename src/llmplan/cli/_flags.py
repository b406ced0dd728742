"""Flags as frozen dataclasses: a group of options is defined once and used by several commands, by JSON lines and
by tests.

A field is `name: Annotated[type, typer.Option(...)] = default`, exactly as a typer parameter would be.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, TypeVar

Command = Callable[..., int | None]
Flags = TypeVar("Flags")


def takes_flags(function: Command) -> Command:
    """Let a command take flag dataclasses as parameters: each of their fields becomes an option of the command.

    The wrapped function is what typer sees: one flat signature with the annotations evaluated.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    groups: dict[str, type[Any]] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        annotation = hints[parameter.name]
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            groups[parameter.name] = annotation
            parameters += _field_parameters(annotation)
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(kind=kind, annotation=annotation))

    @functools.wraps(function)
    def command(**values: Any) -> int | None:
        grouped = {
            name: group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        return function(**values, **grouped)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def field_types(group: type[Any]) -> dict[str, tuple[Any, Any]]:
    """For each field of a group: its plain type and the typer option that describes it."""
    hints = typing.get_type_hints(group, include_extras=True)
    return {field.name: typing.get_args(hints[field.name])[:2] for field in dataclasses.fields(group)}


def _field_parameters(group: type[Any]) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(group)
    ]

"""Compose files, as text: the engines that their services start."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llmplan.errors import DataError
from llmplan.launchlines.config_file import read_settings
from llmplan.launchlines.shell import expanded
from llmplan.launchlines.start import Start, in_image


def starts_in_compose(text: str, where: str) -> tuple[Start, ...]:
    """Every service that starts an engine."""
    services = read_settings(text, where).get("services")
    if not isinstance(services, dict):
        raise DataError(f"{where}: no `services` in it", hints=["a Compose file is expected"])
    found = []
    for name, service in services.items():
        if not isinstance(service, dict):
            continue
        image = str(service.get("image") or "")
        start = in_image(image, _words(service.get("entrypoint")), _words(service.get("command")), _variables(service))
        if start is not None:
            found.append(replace(start, where=str(name)))
    return tuple(found)


def _words(value: Any) -> list[str]:
    """A command as text, or as a list of words. `$$` is a dollar sign."""
    if isinstance(value, str):
        try:
            words = shlex.split(value, comments=True)
        except ValueError:
            words = value.split()
    else:
        words = [str(word) for word in value] if isinstance(value, Sequence) else []
    return [expanded(word, {}).replace("$$", "$") for word in words]


def _variables(service: Mapping[str, Any]) -> dict[str, str]:
    stated = service.get("environment")
    if isinstance(stated, dict):
        return {str(name): "" if value is None else str(value) for name, value in stated.items()}
    lines = [str(line) for line in stated] if isinstance(stated, list) else []
    return {name: value for name, _, value in (line.partition("=") for line in lines)}

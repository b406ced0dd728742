"""Settings files of engines, as text: vLLM's and SGLang's `--config`, and TensorRT-LLM's options file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from llmplan.errors import DataError, nearest
from llmplan.launchlines.options import Reading, shown
from llmplan.plan.engine_rule import Severity
from llmplan.spec.engine_flags import FlagTable

MAX_CHARS, MAX_NODES = 1_000_000, 100_000
ON_BY_DEFAULT = ("--enable-prefix-caching", "--enable-chunked-prefill", "--async-scheduling")
"""switches that vLLM turns on itself where nothing is said"""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_settings(text: str, where: str) -> Mapping[str, Any]:
    """The mapping that a YAML text holds."""
    if len(text) > MAX_CHARS:
        raise DataError(f"{where} is too large for a settings file")
    try:
        data = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(
            f"{where}: not YAML: {str(error).splitlines()[0] if str(error) else 'it cannot be read'}"
        ) from error
    if data is None:
        return {}
    if not _is_small(data):
        raise DataError(f"{where}: its aliases unfold to more than {MAX_NODES:,} values: no settings do")
    if not isinstance(data, dict):
        raise DataError(f"{where}: a mapping (`key: value` lines) is expected")
    return {str(key): value for key, value in data.items()}


def _is_small(data: Any) -> bool:
    """Whether what aliases (`*name`) stand for, written out, stays within reason."""
    waiting, seen = [data], 0
    while waiting and seen <= MAX_NODES:
        value = waiting.pop()
        seen += 1
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return seen <= MAX_NODES


def words_of(settings: Mapping[str, Any], table: FlagTable, reading: Reading, where: str) -> list[str]:
    """The settings as the words that vLLM makes of them, with a finding for each that it drops or misreads."""
    words: list[str] = []
    for key, value in settings.items():
        name = f"--{key.replace('_', '-')}"
        if value is None:
            _complain_of_null(name, table, reading, where)
        elif value is True:
            words.append(name)
        elif value is False:
            _complain_of_false(name, table, reading, where)
        elif isinstance(value, list):
            words += [name, *map(str, value)] if value else []
        elif isinstance(value, dict):
            words += [name, json.dumps(value, default=str)]
        else:
            words += [name, str(value)]
    return words


def _complain_of_false(name: str, table: FlagTable, reading: Reading, where: str) -> None:
    flag = table.flags.get(name)
    if flag is None:
        reading.complain(
            "F-1", "warning", f"{where}: {shown(name[2:])} is no option, and its false is dropped", "leave it out"
        )
        return
    negative = next((other for other in flag.names if other.startswith(("--no-", "--disable-"))), None)
    fix = f"{negative[2:]}: true" if negative else f"leave {name[2:]} out"
    severity: Severity = "error" if name in ON_BY_DEFAULT else "warning"
    effect = "it stays on" if name in ON_BY_DEFAULT else "the default stays"
    reading.complain("F-5", severity, f"{where}: `{name[2:]}: false` is dropped without a word: {effect}.", fix)


def _complain_of_null(name: str, table: FlagTable, reading: Reading, where: str) -> None:
    flag = table.flags.get(name)
    number = flag is not None and flag.kind in ("int", "float", "count")
    message = f'{where}: `{shown(name[2:])}: null` becomes the text "None"'
    if number:
        message = f"argument {name}: invalid int value: 'None' ({where}: `{name[2:]}: null`)"
    reading.complain("F-6", "error" if number else "warning", message, f"leave {name[2:]} out")


def check_keys(settings: Mapping[str, Any], table: FlagTable, reading: Reading, where: str) -> None:
    """TensorRT-LLM refuses keys that it does not have."""
    for key in settings:
        if table.keys and key not in table.keys:
            near = nearest(key, table.keys, 2)
            reading.complain(
                "F-14", "error", f"{where}: {shown(key)}: Extra inputs are not permitted",
                f"did you mean {' or '.join(near)}?" if near else f"leave {shown(key)} out",
            )  # fmt: skip

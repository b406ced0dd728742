"""What the readers of launch files make of them: Compose's variables, systemd's words, an engine's argument vector.

Written from the specifications, not from what the package writes: Compose specification (interpolation),
systemd.unit(5) and systemd.service(5) (quoting, specifiers, variables).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<sign>:?[-?])(?P<rest>[^}]*))?\})")


def interpolated(value: Any, environment: Mapping[str, str]) -> Any:
    """A loaded Compose file after Compose has put variables in."""
    if isinstance(value, dict):
        return {key: interpolated(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, environment) for each in value]
    if not isinstance(value, str):
        return value
    if re.search(r"\$(?![\${])", _VARIABLE.sub("", value)):
        raise ValueError(f"invalid interpolation: {value!r}")
    return _VARIABLE.sub(lambda match: _put_in(match, environment), value)


def _put_in(match: re.Match[str], environment: Mapping[str, str]) -> str:
    name, sign, rest = match["name"], match["sign"], match["rest"]
    if name is None:
        return "$"
    if environment.get(name):
        return environment[name]
    if sign and sign.endswith("?"):
        raise ValueError(f"required variable {name} is missing a value: {rest}")
    return rest or ""


def unit_entries(text: str) -> list[tuple[str, str]]:
    """Keys and values of a unit: continued lines joined, comment lines between them dropped."""
    lines: list[str] = []
    continued = False
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        part = line.removesuffix("\\")
        lines[-1:] = [f"{lines[-1]} {part}"] if continued else [*lines[-1:], part]
        continued = line.endswith("\\")
    return [(key, value) for key, sign, value in (line.partition("=") for line in lines) if sign]


def exec_words(value: str, environment: Mapping[str, str]) -> list[str]:
    """An `ExecStart=` line as the argument vector that the program gets."""
    words = unit_words(value)
    found = []
    for word in words:
        whole = re.fullmatch(r"\$\{(\w+)\}", word)
        if whole:
            found.append(environment.get(whole[1], ""))
        elif re.search(r"\$(?!\$)", word.replace("$$", "")):
            raise ValueError(f"a variable: {word!r}")
        else:
            found.append(word.replace("$$", "$"))
    return found


def unit_words(value: str) -> list[str]:
    """Words of a setting that is split by systemd: quotes, C escapes, `%%`."""
    words: list[bytearray] = []
    quote, inside, at = "", False, 0
    while at < len(value):
        char = value[at]
        at += 1
        if not quote and char.isspace():
            inside = False
            continue
        if not inside:
            words.append(bytearray())
            inside = True
            if char in "\"'":
                quote = char
                continue
        if char == quote:
            quote = ""
        elif char == "\\":
            at, raw = _escaped(value, at)
            words[-1] += raw
        else:
            words[-1] += char.encode()
    if quote:
        raise ValueError(f"unbalanced quotes: {value!r}")
    texts = [word.decode() for word in words]
    if any(re.search(r"%(?!%)", text.replace("%%", "")) for text in texts):
        raise ValueError(f"a specifier: {value!r}")
    return [text.replace("%%", "%") for text in texts]


_SIMPLE = {"n": b"\n", "t": b"\t", "r": b"\r", "\\": b"\\", '"': b'"', "'": b"'", "s": b" "}


def _escaped(value: str, at: int) -> tuple[int, bytes]:
    kind = value[at]
    if kind == "x":
        return at + 3, bytes([int(value[at + 1 : at + 3], 16)])
    return at + 1, _SIMPLE[kind]

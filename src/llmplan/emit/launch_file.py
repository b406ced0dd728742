"""What an emitter returns: files as data. Nothing here is text yet, so nothing can be quoted wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """A value that only the machine knows: `$name` at launch. Without a `default` the launch stops with `message`."""

    name: str
    message: str = ""
    default: str | None = None

    def __post_init__(self) -> None:
        for text in (self.name, self.message, self.default or ""):
            if text != plain(text):
                raise ValueError(f"not safe inside ${{...}}: {text!r}")


def plain(text: str) -> str:
    """`text` with only characters that are safe inside `${NAME:?message}`, in a shell and in a Compose file.

    >>> plain("it's $5")
    'it_s _5'
    """
    return "".join(char if (char.isascii() and char.isalnum()) or char in SAFE else "_" for char in text)


SAFE = " ._/,:()+-"
Word: TypeAlias = str | Env
Value: TypeAlias = int | float | str | bool | Env | tuple[str, ...]
"""of a setting; True is a switch, a tuple the words of an option that takes several"""
Path: TypeAlias = tuple[str | int, ...]
"""keys and list positions from the top of a YAML document to one of its values"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One option of an engine as it is written, and why it has this value in one line. `default` is what the engine
    would do without it, in the same notation; None where it has no default or none is known."""

    name: str
    value: Value
    why: str = ""
    default: str | None = None

    @property
    def text(self) -> Word:
        """The value as one word: `on` and `off` for a switch, several words with spaces between them."""
        match self.value:
            case Env():
                return self.value
            case bool():
                return "on" if self.value else "off"
            case float():
                return f"{self.value:.9g}"
            case tuple():
                return " ".join(self.value)
        return str(self.value)

    @property
    def words(self) -> tuple[Word, ...]:
        """`--name value`, or the name alone for a switch."""
        if self.value is True:
            return (self.name,)
        return (self.name, *self.value) if isinstance(self.value, tuple) else (self.name, self.text)

    @property
    def is_default(self) -> bool:
        """Whether the engine would do the same without it: written all the same, so that no default can move it."""
        return self.default is not None and self.default == self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: the program with its first arguments, then settings."""

    program: tuple[Word, ...]
    settings: tuple[Setting, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    """files in the folder of the script, which finds them from wherever it is run; `@` may come before their names"""

    @property
    def words(self) -> tuple[Word, ...]:
        """The whole argument vector, program first."""
        return self.program + tuple(word for setting in self.settings for word in setting.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFile:
    """A systemd unit: sections of (key, value); a value is a text, or a command line that is quoted as systemd
    reads it."""

    sections: Mapping[str, tuple[tuple[str, str | Command], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonModule:
    """A Python file: constants, written as literals, then lines of code which are the same for every plan and refer to
    the constants by name."""

    docstring: str
    constants: Mapping[str, Any]
    code: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFile:
    """One file to write. `content` by kind: `shell` a `Command`; `yaml` and `json` plain data; `yaml-documents` a tuple
    of plain data; `text` lines; `unit` a `UnitFile`; `python` a `PythonModule`. `header` are comment lines that say
    what the file is for and what it was planned from; `comments` go above the YAML values at these paths (for
    `yaml-documents` the first element is the document's number). `settings` are the engine's options that the file
    holds, for `--explain`."""

    path: str
    kind: Literal["shell", "yaml", "yaml-documents", "text", "json", "unit", "python"]
    content: Any
    executable: bool = False
    header: tuple[str, ...] = ()
    comments: Mapping[Path, str] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()


def reasons_of(settings: Sequence[Setting], *above: str | int) -> dict[Path, str]:
    """Comments above the values of these settings in a YAML mapping at path `above`: why, where they are not what the
    engine would do by itself."""
    stated = (setting for setting in settings if setting.why and not setting.is_default)
    return {(*above, setting.name.removeprefix("--")): setting.why for setting in stated}

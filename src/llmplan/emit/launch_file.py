"""What an emitter returns: files as data. Nothing here is text yet, so nothing can be quoted wrongly."""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command. `options` are groups of words that stay on one line: `("--max-num-seqs", "256")`."""

    program: tuple[Word, ...]
    options: tuple[tuple[Word, ...], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> tuple[Word, ...]:
        """The whole argument vector, program first."""
        return self.program + tuple(word for option in self.options for word in option)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFile:
    """One file to write. `content` is a `Command` for a shell script, plain data for YAML and JSON, and lines for
    text. `header` are comment lines that say what the file is for and what it was planned from."""

    path: str
    kind: Literal["shell", "yaml", "text", "json"]
    content: Any
    executable: bool = False
    header: tuple[str, ...] = ()

"""Shell text as the commands it would start: words, settings and arrays, read and never run.

Quotes, backslashes, comments, line continuations, `NAME=value`, `export`, arrays (`args=( ... )`, `"${args[@]}"`) and
`${NAME:-default}` are understood. What only a running shell knows (`$(...)`, variables that nobody set) stays in the
word as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmplan.errors import DataError

MAX_CHARS = 1_000_000
MAX_WORDS = 20_000
MAX_EXPANDED = 100_000
MAX_DEPTH = 4

Token: TypeAlias = tuple[Literal["word", "end", "open", "close", "here", "unclosed"], str]
_HERE = re.compile(r"<<-?[ \t]*(?:'([^'\n]+)'|\"([^\"\n]+)\"|\\?([\w.+-]+))")
"""a here-document begins: its lines come after this one"""
_NAME = re.compile(r"[A-Za-z_]\w*")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::?[-=]([^}]*))?\}|([A-Za-z_]\w*))")
_ARRAY = re.compile(r"\$\{([A-Za-z_]\w*)\[[@*]\]\}")
_OWN_FOLDER = re.compile(r"\$\(.*(?:\bdirname\b|BASH_SOURCE).*\)/", re.DOTALL)
UNKNOWN = re.compile(r"\$(?:\{|\(|[A-Za-z_@*#?0-9])|`")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """One simple command, and the variables that were set for it."""

    words: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


def is_unknown(word: str) -> bool:
    """Whether a word holds something that only a running shell knows.

    >>> is_unknown("${TP}"), is_unknown("8"), is_unknown("$(nproc)")
    (True, False, True)
    """
    return UNKNOWN.search(word) is not None


def expanded(word: str, variables: Mapping[str, str]) -> str:
    """The word with the variables that are known, and the defaults of the others.

    >>> expanded("${TP:-8}", {}), expanded("${TP:-8}", {"TP": "4"}), expanded("$TP", {})
    ('8', '4', '$TP')
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name in variables:
            return variables[name]
        return match[0] if match[2] is None else match[2]

    filled = _VARIABLE.sub(value, word)
    return filled if len(filled) <= max(MAX_EXPANDED, len(word)) else word


def from_own_folder(path: str) -> str:
    """A path as seen from the script's folder, where the script works that folder out by itself.

    >>> from_own_folder('$(cd "$(dirname "$0")" && pwd)/serve.yaml'), from_own_folder("serve.yaml")
    ('serve.yaml', 'serve.yaml')
    """
    return _OWN_FOLDER.sub("", path, count=1)


def commands(text: str) -> tuple[ShellCommand, ...]:
    """The simple commands of a script, in order; those that only set variables are not among them. What a here-document
    holds is read on its own: it may be a script that is written or run elsewhere."""
    return tuple(_read(text).found)


def unclosed_line(text: str) -> int | None:
    """The line on which a quotation begins that never ends, or None."""
    return _read(text).unclosed


def _read(text: str, variables: Mapping[str, str] | None = None, depth: int = 0) -> _Reader:
    reader = _Reader(variables or {}, depth)
    for kind, word in _tokens(text[:MAX_CHARS].replace("\r\n", "\n")):
        reader.take(kind, word)
    reader.take("end", "")
    return reader


class _Reader:
    """Collects words into commands, and assignments into variables and arrays."""

    def __init__(self, variables: Mapping[str, str], depth: int) -> None:
        self.found: list[ShellCommand] = []
        self.variables: dict[str, str] = dict(variables)
        self.arrays: dict[str, list[str]] = {}
        self.words: list[str] = []
        self.array: str | None = None
        self.depth = depth
        self.unclosed: int | None = None

    def take(self, kind: str, word: str) -> None:
        if kind == "here":
            if self.depth < MAX_DEPTH:
                self.found += _read(word, self.variables, self.depth + 1).found
        elif kind == "unclosed":
            self.unclosed = int(word)
        elif kind == "open":
            self._open()
        elif self.array is not None:
            self._in_array(kind, word)
        elif kind == "word":
            if len(self.words) >= MAX_WORDS:
                raise DataError(f"a command of more than {MAX_WORDS:,} words: no launch has so many")
            self.words += self._expanded(word)
        else:
            self._end()

    def _open(self) -> None:
        """`(` after `NAME=` begins an array; elsewhere a group, which ends a command."""
        match = re.fullmatch(r"([A-Za-z_]\w*)(\+?)=", self.words[-1]) if self.words else None
        if match is None:
            self._end()
            return
        self.words.pop()
        self.array = match[1]
        if not match[2]:
            self.arrays[match[1]] = []

    def _in_array(self, kind: str, word: str) -> None:
        assert self.array is not None
        if kind == "close":
            self.array = None
        elif kind == "word":
            items = self.arrays.setdefault(self.array, [])
            if len(items) < MAX_WORDS:
                items += self._expanded(word)

    def _end(self) -> None:
        words, self.words = self.words, []
        own: dict[str, str] = {}
        while words and (match := _ASSIGNMENT.fullmatch(words[0])):
            own[match[1]] = match[3]
            words = words[1:]
        if words and words[0] in ("export", "declare", "local", "readonly"):
            pairs = [match for word in words[1:] if (match := _ASSIGNMENT.fullmatch(word))]
            own |= {match[1]: match[3] for match in pairs}
            words = []
        if not words:
            self.variables |= own
        else:
            self.found.append(ShellCommand(words=tuple(words), variables={**self.variables, **own}))

    def _expanded(self, word: str) -> list[str]:
        if (match := _ARRAY.fullmatch(word)) and match[1] in self.arrays:
            return list(self.arrays[match[1]])

        return [expanded(word, self.variables)]


def _tokens(text: str) -> Iterator[Token]:
    """Words and what separates commands."""
    at, end, word, started = 0, len(text), list[str](), False
    waiting: list[str] = []
    while at < end:
        char = text[at]
        if char == "\\":
            if text[at + 1 : at + 2] != "\n":
                word.append(text[at + 1 : at + 2])
                started = True
            at += 2
        elif char in "'\"":
            opened = at
            piece, at = _quoted(text, at)
            word.append(piece)
            started = True
            if at > end:
                yield "unclosed", str(text.count("\n", 0, opened) + 1)
        elif char == "#" and not started:
            line_end = text.find("\n", at)
            at = line_end if line_end >= 0 else end
        elif char == "<" and (here := _HERE.match(text, at)) and text[at : at + 3] != "<<<":
            if started:
                yield "word", "".join(word)
            word, started = [], False
            waiting.append(here[1] or here[2] or here[3])
            at = here.end()
        elif char == "$" and text[at + 1 : at + 2] in ("{", "("):
            piece, at = _bracketed(text, at)
            word.append(piece)
            started = True
        elif char in " \t\n;&|()<>":
            stream = char in "<>" and "".join(word).isdecimal()  # 2> log
            if started and not stream:
                yield "word", "".join(word)
            word, started = [], False
            if char not in " \t":
                yield ("open" if char == "(" else "close" if char == ")" else "end"), char
            at += 1
            while char == "\n" and waiting:
                body, at = _here_document(text, at, waiting.pop(0))
                yield "here", body
        else:
            word.append(char)
            started = True
            at += 1
    if started:
        yield "word", "".join(word)


def _quoted(text: str, at: int) -> tuple[str, int]:
    """The content of a quotation and where it ends; one that is never closed ends with the text."""
    quote, at, kept = text[at], at + 1, []
    while at < len(text) and text[at] != quote:
        if quote == '"' and text[at] == "\\" and text[at + 1 : at + 2] in ('"', "\\", "$", "`", "\n"):
            kept.append("" if text[at + 1] == "\n" else text[at + 1])
            at += 2
            continue
        kept.append(text[at])
        at += 1
    return "".join(kept), at + 1


def _here_document(text: str, at: int, delimiter: str) -> tuple[str, int]:
    """The lines up to the delimiter, and where the script goes on."""
    start = at
    while at < len(text):
        line_end = text.find("\n", at)
        line_end = line_end if line_end >= 0 else len(text)
        if text[at:line_end].strip() == delimiter:
            return text[start:at], line_end
        at = line_end + 1
    return text[start:], len(text)


def _bracketed(text: str, at: int) -> tuple[str, int]:
    """`${...}` or `$(...)` as it is written."""
    opening = text[at + 1]
    closing, depth, end = {"{": "}", "(": ")"}[opening], 0, at + 1
    while end < len(text):
        depth += (text[end] == opening) - (text[end] == closing)
        end += 1
        if depth == 0:
            break
    return text[at:end], end

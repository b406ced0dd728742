"""Text in lines of so many columns: a character of East Asian scripts takes two of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator


def columns(text: str) -> int:
    """How wide a text is in a terminal.

    >>> columns("abc"), columns("モデル")
    (3, 6)
    """
    return sum(_columns(char) for char in text)


def wrapped(text: str, width: int, lead: str = "") -> list[str]:
    """Lines of at most `width` columns; the first starts with `lead`, the others are indented as far.

    >>> wrapped("one two three", 9, "1 ")
    ['1 one two', '  three']
    """
    indent = " " * columns(lead)
    lines: list[str] = []
    current, empty = lead, True
    for word in _pieces(text, width - len(indent)):
        if not empty and columns(current) + 1 + columns(word) > width:
            lines.append(current)
            current, empty = indent, True
        current += word if empty else f" {word}"
        empty = False
    return [*lines, current.rstrip()]


def cut(text: str, width: int) -> str:
    """The text, or as much as fits with an ellipsis behind it; with `~` where the text is ASCII."""
    if columns(text) <= width:
        return text
    kept = ""
    for char in text:
        if columns(kept) + _columns(char) > width - 1:
            break
        kept += char
    return kept + ("~" if text.isascii() else "…")


BREAKS = "-/_"
"""after which a word that is wider than a line is cut, if one of them is in its second half"""


def _pieces(text: str, width: int) -> Iterator[str]:
    """Words, cut where one is wider than a line."""
    for word in text.split(" "):
        piece = ""
        for char in word:
            if columns(piece) + _columns(char) > width:
                at = max(piece.rfind(mark) for mark in BREAKS) + 1
                at = at if at > len(piece) / 2 else len(piece)
                yield piece[:at]
                piece = piece[at:]
            piece += char
        yield piece


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1

"""What an answer is made of, before anybody decides how it is drawn: paragraphs, facts, tables and lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Tone: TypeAlias = Literal["plain", "strong", "good", "bad", "dim", "warn"]
"""What a text means; a renderer without colour draws them all alike, so that no content hangs on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. Columns with a `share` divide the width that the others leave; numbers stand on the right."""

    title: str
    align: Literal["left", "right"] = "left"
    share: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Cells may have several lines."""

    cells: tuple[str, ...]
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a header; `spaced` puts air between rows whose cells have several lines."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    footer: tuple[str, ...] = ()
    spaced: bool = False

    def __post_init__(self) -> None:
        for row in (*(row.cells for row in self.rows), *((self.footer,) if self.footer else ())):
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells under {len(self.columns)} columns: {row}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names and values."""

    pairs: tuple[tuple[str, str], ...]
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Sentences, numbered where something refers to them."""

    items: tuple[str, ...]
    title: str = ""
    numbered: bool = False
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """One sentence or more; `heading` is 0 for plain text, 1 for the answer's title, 2 for a part of it."""

    text: str
    heading: Literal[0, 1, 2] = 0
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Lines that keep their spaces, in characters of one width."""

    lines: tuple[str, ...]


Block: TypeAlias = Table | Facts | Items | Paragraph | Drawing
Document: TypeAlias = tuple[Block, ...]

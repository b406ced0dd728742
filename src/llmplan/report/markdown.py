"""Blocks as GitHub-flavoured Markdown, for a pull request or a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from llmplan.report.blocks import Block, Document, Drawing, Facts, Items, Paragraph, Table

ALIGNMENT = {"left": ":--", "right": "--:"}
_LINK = re.compile(r"\](?=[(\[])")
_MENTION = re.compile(r"(?<![\w.])@(?=\w)")


def escaped(text: str) -> str:
    """A text that stays what it is: no tag, no entity, no link or picture, nobody mentioned, on one line.

    >>> escaped("<b>&amp; ![x](y)")
    '&lt;b&gt;&amp;amp; ![x]\\\\(y)'
    """
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub("@\u200b", _LINK.sub(r"]\\", " ".join(plain.splitlines())))


def render(document: Document) -> str:
    """The whole document, ending in a newline."""
    return "\n\n".join("\n".join(lines(block)) for block in document) + "\n"


def lines(block: Block) -> Iterator[str]:
    """The lines of one block."""
    match block:
        case Paragraph(text=text, heading=heading):
            yield f"{'#' * heading} {escaped(text)}" if heading else escaped(text)
        case Items(title=title, items=items, numbered=numbered):
            yield from _heading(title)
            for number, item in enumerate(items, start=1):
                yield f"{number}. {escaped(item)}" if numbered else f"- {escaped(item)}"
        case Facts(title=title, pairs=pairs):
            yield from _heading(title)
            for name, value in pairs:
                yield f"- {escaped(name)}: {escaped(value)}"
        case Table():
            yield from _heading(block.title)
            yield _row(tuple(column.title for column in block.columns))
            yield _row(tuple(ALIGNMENT[column.align] for column in block.columns))
            for row in block.rows:
                yield _row(row.cells)
            if block.footer:
                yield _row(tuple(f"**{cell}**" if cell else "" for cell in block.footer))
        case Drawing(lines=drawn):
            fence = "`" * max(3, *(len(run) + 1 for line in drawn for run in re.findall("`+", line)), 0)
            yield from (f"{fence}text", *drawn, fence)
        case _:
            assert_never(block)


def _heading(title: str) -> Iterator[str]:
    if title:
        yield f"### {escaped(title)}"
        yield ""


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return "<br>".join(escaped(line.strip()).replace("|", "\\|") for line in text.splitlines())

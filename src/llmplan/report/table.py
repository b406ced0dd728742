"""Blocks drawn for a terminal with rich. Colour only repeats what the words say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import assert_never

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from llmplan.report.blocks import Block, Column, Document, Drawing, Facts, Items, Paragraph, Row, Table, Tone

LEAST_TEXT_WIDTH = 9
"""columns of text are not squeezed below this"""
GAP = "  "

STYLES: dict[Tone, str] = {
    "plain": "",
    "strong": "bold",
    "good": "bold green",
    "bad": "red",
    "dim": "dim",
    "warn": "yellow",
}


def render(document: Document) -> Iterator[RenderableType]:
    """One drawable for each block, with a blank line before each but the first."""
    for position, block in enumerate(document):
        if position:
            yield ""
        yield from draw(block)


def draw(block: Block) -> Iterator[RenderableType]:
    """The drawables of one block."""
    match block:
        case Paragraph():
            style = "bold" if block.heading else STYLES[block.tone]
            yield Text(block.text, style=style)
        case Items():
            yield from _heading(block.title)
            yield _list(block)
        case Facts():
            yield from _heading(block.title)
            yield _facts(block)
        case Table():
            yield from _heading(block.title)
            yield SideBySide(block) if _all_share(block) else _table(block)
        case Drawing():
            yield Text("\n".join(block.lines), no_wrap=True, overflow="ignore")
        case _:
            assert_never(block)


def _heading(title: str) -> Iterator[RenderableType]:
    if title:
        yield Text(title, style="bold")


def _list(block: Items) -> RenderableType:
    grid = RichTable.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for number, item in enumerate(block.items, start=1):
        marker = f"[{number}]" if block.numbered else "-"
        grid.add_row(Text(marker, style=STYLES[block.tone]), Text(item, style=STYLES[block.tone]))
    return Padding(grid, (0, 0, 0, 2))


def _facts(block: Facts) -> RenderableType:
    grid = RichTable.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in block.pairs:
        grid.add_row(Text(name, style="dim"), Text(value))
    return Padding(grid, (0, 0, 0, 2))


def _all_share(block: Table) -> bool:
    """Whether things of one kind stand side by side: a column each, after that of the names."""
    return len(block.columns) > 2 and all(column.share for column in block.columns[1:])


class SideBySide:
    """A table of equal columns, in as many parts as it takes for no word or number to be broken."""

    def __init__(self, block: Table) -> None:
        self._block = block

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """The parts, equally wide, with a blank line between."""
        names = max(len(row.cells[0]) for row in self._block.rows)
        texts = [column.title for column in self._block.columns[1:]]
        texts += [cell for row in self._block.rows for cell in row.cells[1:]]
        longest = max((len(word) for text in texts for word in text.split()), default=0)
        columns = len(self._block.columns) - 1
        fitting = max(1, (options.max_width - names - len(GAP)) // (longest + len(GAP)))
        wide = math.ceil(columns / math.ceil(columns / fitting))
        for first in range(1, columns + 1, wide):
            if first > 1:
                yield ""
            yield _table(_columns_of(self._block, (0, *range(first, min(first + wide, columns + 1)))))


def _columns_of(block: Table, positions: Sequence[int]) -> Table:
    return replace(
        block,
        columns=tuple(block.columns[position] for position in positions),
        rows=tuple(replace(row, cells=tuple(row.cells[position] for position in positions)) for row in block.rows),
        footer=tuple(block.footer[position] for position in positions) if block.footer else (),
    )


def _table(block: Table) -> RenderableType:
    table = RichTable(
        box=None,
        pad_edge=False,
        padding=(0, 2, 1 if block.spaced else 0, 0),
        header_style="bold",
        show_footer=bool(block.footer),
        footer_style="bold",
        collapse_padding=False,
        expand=any(column.share for column in block.columns),
    )
    footers = block.footer or ("",) * len(block.columns)
    flexible = any(column.share for column in block.columns)
    for position, (column, footer) in enumerate(zip(block.columns, footers, strict=True)):
        whole = column.align == "right" or (flexible and position == 0)
        cells = [line for row in block.rows for line in row.cells[position].split("\n")]
        _add_column(table, column, footer, whole=whole, widest=max(map(len, [*cells, footer]), default=0))
    for row in block.rows:
        table.add_row(*_cells(row))
    return table


def _add_column(table: RichTable, column: Column, footer: str, *, whole: bool, widest: int) -> None:
    """Names and numbers stay whole, texts give way where the line is too narrow, and titles where they are wider."""
    table.add_column(
        Text(_stacked(column.title, widest)),
        min_width=None if whole else min(widest, LEAST_TEXT_WIDTH),
        footer=Text(footer),
        justify=column.align,
        ratio=column.share,
        no_wrap=whole and column.share is None,
        overflow="fold",
    )


def _stacked(title: str, widest: int) -> str:
    """A title of several words over a narrow column, one word below the other."""
    lines: list[str] = []
    for word in title.split(" ") if title.strip() == title and "\n" not in title else [title]:
        if lines and len(lines[-1]) + 1 + len(word) <= widest:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def _cells(row: Row) -> list[RenderableType]:
    return [_cell(cell, STYLES[row.tone]) for cell in row.cells]


def _cell(text: str, style: str) -> RenderableType:
    """A line that is indented stays so where it wraps."""
    if "\n " not in text:
        return Text(text, style=style)
    lines = ((line, len(line) - len(line.lstrip(" "))) for line in text.split("\n"))
    return Group(*(Padding(Text(line.lstrip(" "), style=style), (0, 0, 0, indent)) for line, indent in lines))

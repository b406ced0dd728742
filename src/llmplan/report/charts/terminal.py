"""A picture as lines of text, within a width: marks tell series apart, so that no colour is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llmplan.report.charts import tornado
from llmplan.report.charts.canvas import Canvas, x_axis
from llmplan.report.charts.geometry import place, runs
from llmplan.report.charts.picture import Axis, Picture, Point, Rule, Series, lettered
from llmplan.report.charts.words import wrapped

HEIGHTS = ((110, 20), (0, 16))
"""rows of the plot from so many columns on"""
STRIDE = 12
"""columns between two marks on a line"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The characters of a plot."""

    marks: str
    hollow: str
    across: str
    down: str
    frame: str
    """vertical, corner, horizontal, tick below, tick at the left"""
    ascii_only: bool


UNICODE = Glyphs(marks="●▲■◆✚✖★▼", hollow="○△□◇✛×☆▽", across="╌", down="┊", frame="│└─┴┤", ascii_only=False)
ASCII = Glyphs(marks="o*#@+x%&", hollow="uasdtyeq", across="-", down=":", frame="|+-++", ascii_only=True)


def render(picture: Picture, width: int, *, ascii_only: bool = False) -> list[str]:
    """The lines of the picture: title, plot, legend, notes, caption; none wider than `width`."""
    glyphs = ASCII if ascii_only else UNICODE
    picture = _in_ascii(picture) if ascii_only else picture
    lines = [*wrapped(picture.title, width)]
    if picture.empty or picture.x is None:
        lines += wrapped(f"nothing to draw: {picture.empty}", width, "  ")
    elif picture.bars:
        lines += tornado.lines(picture, width, ascii_only=ascii_only)
    elif picture.y is not None:
        lines += _plot(picture, picture.x, picture.y, width, glyphs)
    lines += _legend(picture, width, glyphs)
    for text in picture.caption:
        lines += wrapped(text, width, "  ")
    return lines


def _plot(picture: Picture, x: Axis, y: Axis, width: int, glyphs: Glyphs) -> Iterator[str]:
    gutter = max((len(tick.text) for tick in y.ticks), default=0)
    height = next(rows for columns, rows in HEIGHTS if width >= columns)
    canvas = Canvas(width=width - gutter - 2, height=height, ascii_only=glyphs.ascii_only)
    _draw(picture, x, y, canvas, glyphs)
    ticks = {canvas.cell((0.0, y.share(tick.value)))[0]: tick.text for tick in y.ticks}
    yield y.title
    for row, drawn in enumerate(canvas.lines()):
        edge = glyphs.frame[4 if row in ticks else 0]
        yield f"{ticks.get(row, ''):>{gutter}} {edge}{drawn}".rstrip()
    yield from x_axis(x, canvas.width, gutter + 1, glyphs.frame)


def _draw(picture: Picture, x: Axis, y: Axis, canvas: Canvas, glyphs: Glyphs) -> None:
    """Reference lines first, then series, then numbers, which win."""
    for letter, rule in lettered(picture.rules):
        _draw_rule(rule, letter, x, y, canvas, glyphs)
    for number, series in enumerate(picture.series):
        _draw_series(series, number, x, y, canvas, glyphs)
    for note in picture.notes:
        where = None if note.x is None or note.y is None else place(Point(x=note.x, y=note.y), x, y)
        if where is not None:
            _number(canvas, canvas.cell(where), str(note.number), glyphs.marks + glyphs.hollow)


def _draw_rule(rule: Rule, letter: str, x: Axis, y: Axis, canvas: Canvas, glyphs: Glyphs) -> None:
    share = (x if rule.of == "x" else y).share(rule.value)
    if not 0 <= share <= 1:
        return
    if rule.of == "y":
        row, _ = canvas.cell((0.0, share))
        canvas.put(row, 0, glyphs.across * (canvas.width - 1) + letter)
        return
    _, column = canvas.cell((share, 0.0))
    for row in range(canvas.height):
        canvas.put(row, column, glyphs.down)


def _draw_series(series: Series, number: int, x: Axis, y: Axis, canvas: Canvas, glyphs: Glyphs) -> None:
    mark = glyphs.marks[number % len(glyphs.marks)]
    if series.joined:
        for run in runs(series.points, x, y):
            passed = canvas.line(run)
            _mark_along(passed, mark if series.marked else "", number, canvas)
        return
    for point in series.points:
        where = place(point, x, y)
        if where is not None:
            hollow = glyphs.hollow[number % len(glyphs.hollow)]
            row, column = canvas.cell(where)
            canvas.put(row, column, hollow if point.hollow else mark)


def _mark_along(cells: list[tuple[int, int]], mark: str, number: int, canvas: Canvas) -> None:
    """A mark every so many columns, each series in columns of its own; at least one."""
    if not mark or not cells:
        return
    due = {column: row for row, column in cells if (column + number * 5) % STRIDE == 0}
    for column, row in due.items() or [cells[len(cells) // 2][::-1]]:
        canvas.put(row, column, mark)


def _number(canvas: Canvas, cell: tuple[int, int], text: str, marks: str) -> None:
    """On its place; beside a mark that is there, and above or below another number."""
    row, column = cell
    for step in (0, -1, 1, -2, 2, -3, 3):
        beside = column
        while canvas.at(row + step, beside) in marks and beside < column + 2:
            beside += 1
        digits = "".join(canvas.at(row + step, beside + offset) for offset in range(-1, len(text) + 1))
        if 0 <= row + step < canvas.height and not any(char.isdigit() for char in digits):
            canvas.put(row + step, beside, text)
            return


def _legend(picture: Picture, width: int, glyphs: Glyphs) -> Iterator[str]:
    """What the marks, lines and numbers stand for."""
    for number, series in enumerate(picture.series):
        mark = glyphs.marks[number % len(glyphs.marks)] if series.marked else ""
        if series.joined:
            mark = f".{mark or '.'}." if glyphs.ascii_only else f"⠒{mark or '⠒'}⠒"
        elif any(point.hollow for point in series.points):
            mark += glyphs.hollow[number % len(glyphs.hollow)]
        yield from wrapped(series.label, width, f"  {mark:3} ")
    for letter, rule in lettered(picture.rules):
        line = glyphs.down if rule.of == "x" else glyphs.across * 2 + letter
        yield from wrapped(rule.label, width, f"  {line:3} ")
    for note in picture.notes:
        yield from wrapped(note.text, width, f"  {note.number:<3} ")


REPLACED = str.maketrans({"≥": ">=", "≤": "<=", "×": "x", "–": "-", "—": "-", "µ": "u", "·": ",", "∞": "inf"})


def _ascii(text: str) -> str:
    """Words in ASCII; what has no replacement becomes a question mark."""
    return text.translate(REPLACED).encode("ascii", "replace").decode("ascii")


def _in_ascii(value: Any) -> Any:
    """A picture, or a part of it, with all its words in ASCII."""
    if isinstance(value, str):
        return _ascii(value)
    if isinstance(value, tuple):
        return tuple(_in_ascii(each) for each in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        words = {field.name: _in_ascii(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **words)
    return value

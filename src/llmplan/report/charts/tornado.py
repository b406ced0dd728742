"""The bars of a tornado as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.report.charts.canvas import x_axis
from llmplan.report.charts.picture import Axis, Bar, Picture
from llmplan.report.charts.words import columns, cut

LABEL_SHARE = 0.3
"""of the width, at most, for the names of the inputs"""
UNICODE = ("░", "█", "┊", "✗", "└─┴")
ASCII = ("-", "#", ":", "x", "+-+")


def lines(picture: Picture, width: int, *, ascii_only: bool) -> Iterator[str]:
    """One line for each bar: its name, the end that costs less at the left, the end that costs more at the right."""
    assert picture.x is not None
    glyphs = ASCII if ascii_only else UNICODE
    names = min(max(columns(bar.label) for bar in picture.bars), int(width * LABEL_SHARE))
    sides = max(len(text) + 3 for bar in picture.bars for text in (bar.low_text, bar.high_text))
    sides = min(sides, int(width * 0.2))
    across = width - names - 1 - 2 * sides
    base = next((rule.value for rule in picture.rules if rule.of == "x"), picture.x.low)
    for bar in picture.bars:
        drawn = _bar(bar, picture.x, base, across, glyphs)
        left, right = _texts(bar, glyphs[3])
        begin = len(drawn) - len(drawn.lstrip(" "))
        text = f"{' ' * sides}{drawn.rstrip(' ')} {cut(right, sides - 1)}"
        at = sides + begin - len(cut(left, sides - 1)) - 1
        text = text[:at] + cut(left, sides - 1) + text[at + len(cut(left, sides - 1)) :]
        name = cut(bar.label, names)
        yield f"{name}{' ' * (names - columns(name))} {text}".rstrip()
    indent, frame = names + sides, glyphs[4]
    yield from x_axis(picture.x, across, indent, f" {frame}")
    yield f"  {glyphs[0]} low end of the input, {glyphs[1]} high end" + (
        f", {glyphs[3]} cannot be done" if any(None in (bar.low, bar.high) for bar in picture.bars) else ""
    )


def _bar(bar: Bar, x: Axis, base: float, across: int, glyphs: tuple[str, ...]) -> str:
    """From the bill as asked to both ends, the longer part first where both lie on one side."""
    cells = [" "] * across
    middle = _column(x, base, across)
    parts = [(value, glyph) for value, glyph in ((bar.low, glyphs[0]), (bar.high, glyphs[1])) if value is not None]
    for value, glyph in sorted(parts, key=lambda part: -abs(_column(x, part[0], across) - middle)):
        low, high = sorted((middle, _column(x, value, across)))
        cells[low : high + 1] = [glyph] * (high + 1 - low)
    cells[middle] = glyphs[2]
    return "".join(cells)


def _column(x: Axis, value: float, across: int) -> int:
    return round(min(1.0, max(0.0, x.share(value))) * (across - 1))


def _texts(bar: Bar, cannot: str) -> tuple[str, str]:
    """What stands left and right of a bar: the end that costs less, and the other one."""
    low = bar.low_text if bar.low is not None else f"{bar.low_text} {cannot}"
    high = bar.high_text if bar.high is not None else f"{bar.high_text} {cannot}"
    if bar.low is not None and bar.high is not None and bar.low > bar.high:
        return high, low
    return low, high

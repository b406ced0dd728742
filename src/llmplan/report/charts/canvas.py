"""A grid of characters to draw on: lines of braille dots, or of full stops where only ASCII can be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from llmplan.report.charts.geometry import Place
from llmplan.report.charts.picture import Axis

DOTS_ACROSS, DOTS_DOWN = 2, 4
"""of a character of braille"""
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""of the dot in each row and column of it (Unicode 16, 2800-28FF)"""
BLANK = 0x2800


@dataclass(slots=True)
class Canvas:
    """`width` x `height` characters. Places are shares from the lower left corner. Characters put later win over
    those put before, and all of them over lines."""

    width: int
    height: int
    ascii_only: bool
    _dots: dict[tuple[int, int], int] = field(default_factory=dict)
    _chars: dict[tuple[int, int], str] = field(default_factory=dict)

    def cell(self, place: Place) -> tuple[int, int]:
        """Row and column of a place."""
        column, row = self._dot(place)
        return row // DOTS_DOWN, column // DOTS_ACROSS

    def line(self, places: Sequence[Place]) -> list[tuple[int, int]]:
        """Draw a line through the places; the cells that it passes, in order."""
        passed: dict[tuple[int, int], None] = {}
        previous: tuple[int, int] | None = None
        for place in places:
            dot = self._dot(place)
            for column, row in _between(previous or dot, dot):
                where = (row // DOTS_DOWN, column // DOTS_ACROSS)
                self._dots[where] = self._dots.get(where, 0) | BITS[row % DOTS_DOWN][column % DOTS_ACROSS]
                passed[where] = None
            previous = dot
        return list(passed)

    def put(self, row: int, column: int, text: str) -> None:
        """Write a text; what does not fit is cut off."""
        for offset, char in enumerate(text):
            if 0 <= row < self.height and 0 <= column + offset < self.width:
                self._chars[row, column + offset] = char

    def at(self, row: int, column: int) -> str:
        """The character that was put there; a space where none was."""
        return self._chars.get((row, column), " ")

    def lines(self) -> list[str]:
        """From top to bottom."""
        return ["".join(self._char(row, column) for column in range(self.width)) for row in range(self.height)]

    def _char(self, row: int, column: int) -> str:
        if (row, column) in self._chars:
            return self._chars[row, column]
        dots = self._dots.get((row, column), 0)
        if not dots:
            return " "
        return "." if self.ascii_only else chr(BLANK + dots)

    def _dot(self, place: Place) -> tuple[int, int]:
        across, up = self.width * DOTS_ACROSS - 1, self.height * DOTS_DOWN - 1
        return round(min(1.0, max(0.0, place[0])) * across), round((1.0 - min(1.0, max(0.0, place[1]))) * up)


def x_axis(x: Axis, across: int, indent: int, frame: str) -> Iterator[str]:
    """The line below a plot, its ticks, their texts as far as they do not touch, and the title."""
    line, texts, end = [frame[2]] * across, [" "] * (across + 8), -1
    for tick in x.ticks:
        column = round(x.share(tick.value) * (across - 1))
        begin = min(max(0, column - len(tick.text) // 2), across - len(tick.text))
        if not 0 <= column < across or begin <= end:
            continue
        line[column] = frame[3]
        texts[begin : begin + len(tick.text)] = tick.text
        end = begin + len(tick.text)
    yield " " * indent + frame[1] + "".join(line)
    yield (" " * (indent + 1) + "".join(texts)).rstrip()
    yield " " * (indent + 1) + x.title.rjust(across)


def _between(begin: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots of a straight line."""
    steps = max(abs(end[0] - begin[0]), abs(end[1] - begin[1]))
    if steps == 0:
        return [end]
    parts = [step / steps for step in range(steps + 1)]
    return [
        (round(begin[0] + (end[0] - begin[0]) * part), round(begin[1] + (end[1] - begin[1]) * part)) for part in parts
    ]

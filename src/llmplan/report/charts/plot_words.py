"""The words below a plot: what lines, marks and numbers stand for, then the caption. Nothing can overlap there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llmplan.report.charts.picture import Picture, lettered
from llmplan.report.charts.plot_style import COLOURS, DASHES, INK, MARKERS, RULES
from llmplan.report.charts.words import wrapped

TITLE_COLUMNS = 76
ENTRY_COLUMNS, ENTRY_PT, ENTRY_SIZE = 104, 12.5, 8.5
CAPTION_COLUMNS, CAPTION_PT, CAPTION_SIZE = 128, 10.5, 7.5
KEY_LEFT_PT, TEXT_LEFT_PT, END_PT, GAP_PT = 14.0, 52.0, 8.0, 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A text of several lines with the key before it: a line, marks, a number, or nothing for the caption."""

    lines: tuple[str, ...]
    keys: tuple[dict[str, Any], ...] = field(default=())
    text: str = ""
    caption: bool = False

    @property
    def height_pt(self) -> float:
        """Of all its lines."""
        return len(self.lines) * (CAPTION_PT if self.caption else ENTRY_PT)


def title(text: str) -> list[str]:
    """The title in lines."""
    return wrapped(text, TITLE_COLUMNS)


def entries(picture: Picture) -> list[Entry]:
    """Legend, notes and caption, from top to bottom."""
    found = list(_legend(picture))
    found += [
        Entry(lines=tuple(wrapped(note.text, ENTRY_COLUMNS)), text=str(note.number)) for note in picture.notes
    ]  # fmt: skip
    found += [Entry(lines=tuple(wrapped(text, CAPTION_COLUMNS)), caption=True) for text in picture.caption]
    return found


def height_pt(every: list[Entry]) -> float:
    """Of all entries together."""
    return sum(entry.height_pt for entry in every) + GAP_PT + 2 * END_PT


def draw(figure: Any, every: list[Entry], width: float, height: float) -> None:
    """From the bottom of the plot down to the end of the figure."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    top, before = height_pt(every) - END_PT, False
    for entry in every:
        top -= GAP_PT if entry.caption and not before else 0.0
        before = entry.caption
        step = CAPTION_PT if entry.caption else ENTRY_PT
        middle = (top - step / 2) / height
        for key in entry.keys:
            if "hatch" in key:
                wide, high = 26.0 / width, 7.0 / height
                figure.add_artist(Rectangle((KEY_LEFT_PT / width, middle - high / 2), wide, high, edgecolor=INK, **key))
                continue
            at = [part / width for part in key.pop("at")]
            figure.add_artist(Line2D(at, [middle] * len(at), transform=figure.transFigure, **key))
        if entry.text:
            x = (KEY_LEFT_PT + 13.0) / width
            circle = {"boxstyle": "circle,pad=0.2", "facecolor": "white", "edgecolor": INK, "linewidth": 0.7}
            figure.text(x, middle, entry.text, ha="center", va="center", size=7, color=INK, bbox=circle)
        for line in entry.lines:
            left = KEY_LEFT_PT if entry.caption else TEXT_LEFT_PT
            size = CAPTION_SIZE if entry.caption else ENTRY_SIZE
            colour = "#444444" if entry.caption else INK
            figure.text(left / width, (top - step * 0.75) / height, line, size=size, color=colour)
            top -= step


def _legend(picture: Picture) -> Iterator[Entry]:
    ends, middle = (KEY_LEFT_PT, KEY_LEFT_PT + 26.0), (KEY_LEFT_PT + 13.0,)
    for number, series in enumerate(picture.series):
        style = number % len(MARKERS)
        look = {"color": COLOURS[style], "marker": MARKERS[style], "markersize": 5.5}
        keys: list[dict[str, Any]] = []
        if series.joined:
            keys.append({"at": ends, "color": COLOURS[style], "linestyle": DASHES[style], "linewidth": 1.6})
        if series.marked:
            hollow, filled = ([point.hollow is kind for point in series.points] for kind in (True, False))
            both = not series.joined and any(hollow) and any(filled)
            if series.joined or any(filled):
                keys.append({"at": (middle[0] - 7.0,) if both else middle, **look})
            if not series.joined and any(hollow):
                keys.append({"at": (middle[0] + 7.0,) if both else middle, **look, "markerfacecolor": "white"})
        yield Entry(lines=tuple(wrapped(series.label, ENTRY_COLUMNS)), keys=tuple(keys))
    for number, (letter, rule) in enumerate(lettered(picture.rules)):
        line = {"at": ends, "color": INK, "linestyle": RULES[number % len(RULES)], "linewidth": 1.0}
        label = f"{letter}: {rule.label}" if letter else rule.label
        yield Entry(lines=tuple(wrapped(label, ENTRY_COLUMNS)), keys=(line,))
    if picture.bars:
        from llmplan.report.charts.plot_bars import HIGH, LOW

        yield Entry(lines=("low end of the input",), keys=(dict(LOW),))
        yield Entry(lines=("high end of the input",), keys=(dict(HIGH),))

"""The bars of a tornado, drawn with matplotlib."""

from __future__ import annotations

from typing import Any

from llmplan.report.charts.picture import Axis, Bar, Picture
from llmplan.report.charts.plot_style import INK, RULES
from llmplan.report.charts.words import columns, cut, wrapped

LOW: dict[str, Any] = {"facecolor": "white", "hatch": "////", "linewidth": 0.8}
HIGH: dict[str, Any] = {"facecolor": "#0072b2", "hatch": "", "linewidth": 0.8}
ROW_PT, LINE_PT = 27.0, 10.5
LABEL_COLUMNS = 26
POINTS_PER_COLUMN = 5.2
CANNOT = " cannot be done"
MOST_TEXT_COLUMNS = 24
TEXT_POINTS_PER_COLUMN = 4.6


def height_pt(picture: Picture) -> float:
    """Of the rows together."""
    return ROW_PT * len(picture.bars) + 8.0


def left_pt(picture: Picture) -> float:
    """The room for the names."""
    widest = max(columns(line) for bar in picture.bars for line in wrapped(bar.label, LABEL_COLUMNS))
    return widest * POINTS_PER_COLUMN + 22.0


def draw(picture: Picture, axes: Any, width_pt: float) -> None:
    """The widest bar at the top; the end of the input beside each end of a bar."""
    x = picture.x
    assert x is not None
    texts = [_text(*end) for bar in picture.bars for end in ((bar.low_text, bar.low), (bar.high_text, bar.high))]
    side = max(columns(text) for text in texts) * TEXT_POINTS_PER_COLUMN + 10.0
    pad = side / (width_pt - 2 * side)
    axes.set_xlim(-pad, 1 + pad)
    axes.set_ylim(len(picture.bars) - 0.4, -0.6)
    axes.set_xticks([x.share(tick.value) for tick in x.ticks], [tick.text for tick in x.ticks])
    axes.set_yticks(
        range(len(picture.bars)), ["\n".join(wrapped(bar.label, LABEL_COLUMNS)[:2]) for bar in picture.bars]
    )
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(x.title)
    axes.grid(visible=True, axis="x")
    base = next((rule.value for rule in picture.rules if rule.of == "x"), x.low)
    for row, bar in enumerate(picture.bars):
        _bar(bar, row, x, x.share(base), axes)
    axes.axvline(x.share(base), color=INK, linewidth=1.2, linestyle=RULES[0], zorder=4)


def _bar(bar: Bar, row: int, x: Axis, base: float, axes: Any) -> None:
    """From the bill as asked to both ends, the longer part first where both lie on one side."""
    parts = [(x.share(end), look) for end, look in ((bar.low, LOW), (bar.high, HIGH)) if end is not None]
    for end, look in sorted(parts, key=lambda part: -abs(part[0] - base)):
        axes.barh(row, end - base, left=base, height=0.56, edgecolor=INK, zorder=3, **look)
    left, right = _text(bar.low_text, bar.low), _text(bar.high_text, bar.high)
    if bar.low is not None and bar.high is not None and bar.low > bar.high:
        left, right = right, left
    ends = [base, *(end for end, _ in parts)]
    for at, text, side, shift in ((min(ends), left, "right", -4), (max(ends), right, "left", 4)):
        axes.annotate(
            text, (at, row), xytext=(shift, 0), textcoords="offset points", ha=side, va="center", size=7.5, color=INK
        )


def _text(end: str, usd: float | None) -> str:
    """An end of the input, in the room there is for it."""
    return cut(end, MOST_TEXT_COLUMNS) if usd is not None else f"{cut(end, MOST_TEXT_COLUMNS - len(CANNOT))}{CANNOT}"

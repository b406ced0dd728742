"""A picture as SVG or PNG, drawn with matplotlib: told apart by dashes, markers and hatches, colour on top.

matplotlib is an optional package and is imported only here. Its axes are shares from 0 to 1: scales, ticks and the
bending of lines are the picture's own, so that all renderings agree.
"""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass
from typing import Any, Literal

from llmplan.report.charts import plot_bars, plot_words
from llmplan.report.charts.geometry import Place, place, runs
from llmplan.report.charts.picture import Axis, Picture, Point, Series, lettered
from llmplan.report.charts.plot_style import COLOURS, DASHES, INK, MARKERS, RULES, SETTINGS
from llmplan.report.charts.svg import finished
from llmplan.report.charts.words import wrapped

Format = Literal["svg", "png"]
DPI = 150
WIDTH_PT = 576.0
PLOT_PT = 290.0
LEFT_PT, RIGHT_PT, TOP_PT, BELOW_AXIS_PT = 66.0, 22.0, 34.0, 44.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where the axes stand [pt]."""

    left: float
    bottom: float
    width: float
    height: float


def render(picture: Picture, fmt: Format) -> bytes:
    """The file's content. The same picture gives the same bytes with the same release of matplotlib."""
    import matplotlib

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        figure = _figure(picture)
        out = io.BytesIO()
        if fmt == "svg":
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
            return finished(out.getvalue(), title=picture.title, description=picture.summary)
        words = {"Software": None, "Title": picture.title, "Description": picture.summary}
        figure.savefig(out, format="png", dpi=DPI, metadata=words)
        return out.getvalue()


def _figure(picture: Picture) -> Any:
    """The plot above, the words below; as high as both need."""
    from matplotlib.figure import Figure

    entries = plot_words.entries(picture)
    words_pt = plot_words.height_pt(entries)
    title = plot_words.title(picture.title)
    top = TOP_PT + 15.0 * (len(title) - 1)
    plot = plot_bars.height_pt(picture) if picture.bars else PLOT_PT
    if picture.empty:
        plot = 40.0 + 12.0 * len(wrapped(picture.empty, 80))
    below = 0.0 if picture.empty else BELOW_AXIS_PT
    height = top + plot + below + words_pt
    figure = Figure(figsize=(WIDTH_PT / 72.0, height / 72.0), facecolor="white")
    for number, line in enumerate(title):
        figure.text(14.0 / WIDTH_PT, 1 - (20.0 + 15.0 * number) / height, line, size=11.5, weight="bold", color=INK)
    plot_words.draw(figure, entries, WIDTH_PT, height)
    if picture.empty:
        text = "\n".join(wrapped(f"nothing to draw: {picture.empty}", 96))
        figure.text(0.5, 1 - (top + plot / 2) / height, text, ha="center", va="center", style="italic", color=INK)
        return figure
    left = plot_bars.left_pt(picture) if picture.bars else LEFT_PT
    box = Box(left=left, bottom=words_pt + below, width=WIDTH_PT - left - RIGHT_PT, height=plot)
    axes = figure.add_axes(
        (box.left / WIDTH_PT, box.bottom / height, box.width / WIDTH_PT, box.height / height), facecolor="white"
    )
    if picture.bars:
        plot_bars.draw(picture, axes, box.width)
    elif picture.x is not None and picture.y is not None:
        _plot(picture, picture.x, picture.y, axes, box)
    return figure


def _plot(picture: Picture, x: Axis, y: Axis, axes: Any, box: Box) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks([x.share(tick.value) for tick in x.ticks], [tick.text for tick in x.ticks])
    axes.set_yticks([y.share(tick.value) for tick in y.ticks], [tick.text for tick in y.ticks])
    axes.set_xlabel(x.title)
    axes.set_ylabel(y.title)
    axes.grid(visible=True)
    for number, (letter, rule) in enumerate(lettered(picture.rules)):
        share = (x if rule.of == "x" else y).share(rule.value)
        if not 0 <= share <= 1:
            continue
        line = axes.axvline if rule.of == "x" else axes.axhline
        line(share, color=INK, linewidth=1.0, linestyle=RULES[number % len(RULES)], zorder=1.5)
        if letter:
            axes.text(1.008, share, letter, va="center", size=8, color=INK)
    busy = [
        where for number, series in enumerate(picture.series) for where in _series(series, number, x, y, axes)
    ]  # fmt: skip
    _numbers(picture, x, y, axes, box, busy)


def _series(series: Series, number: int, x: Axis, y: Axis, axes: Any) -> list[Place]:
    """Draw it; where its marks are that a number should not hide."""
    style = number % len(MARKERS)
    colour, marker = COLOURS[style], MARKERS[style]
    if series.joined:
        for run in runs(series.points, x, y):
            axes.plot(
                [at for at, _ in run], [up for _, up in run], color=colour, linestyle=DASHES[style], linewidth=1.6,
                marker=marker if series.marked else "", markersize=5, markevery=(0.02 + 0.021 * style, 0.17),
                zorder=2,
            )  # fmt: skip
        return []
    found = [(where, point) for point in series.points if (where := place(point, x, y)) is not None]
    for (at, up), point in found:
        if point.x_low is not None and point.x_high is not None:
            ends = [min(1.0, max(0.0, x.share(edge))) for edge in (point.x_low, point.x_high)]
            axes.plot(ends, [up, up], color=colour, linewidth=0.7, marker="|", markersize=4, zorder=2)
        axes.plot(
            [at], [up], color=colour, marker=marker, markersize=7, markerfacecolor="white" if point.hollow else colour,
            linestyle="", zorder=3,
        )  # fmt: skip
    return [where for where, _ in found]


OFFSETS = ((0, 13), (12, 9), (-12, 9), (12, -9), (-12, -9), (0, -14))
"""of a number from its place [pt], tried in this order and then farther away"""
CLEAR_PT = 13.0


def _numbers(picture: Picture, x: Axis, y: Axis, axes: Any, box: Box, busy: list[Place]) -> None:
    """Each number in a circle near its place, where no other number and no mark is."""
    taken = [(at * box.width, up * box.height) for at, up in busy]
    for note in picture.notes:
        where = None if note.x is None or note.y is None else place(Point(x=note.x, y=note.y), x, y)
        if where is None:
            continue
        at = (where[0] * box.width, where[1] * box.height)
        spots = [(at[0] + dx * far, at[1] + dy * far) for far in (1.0, 1.7, 2.4, 3.1) for dx, dy in OFFSETS]
        inside = [spot for spot in spots if 8 <= spot[0] <= box.width - 8 and 8 <= spot[1] <= box.height - 8]
        spot = next((spot for spot in inside if _is_clear(spot, taken)), inside[0] if inside else at)
        taken.append(spot)
        if at not in taken[: len(busy)]:
            axes.plot([where[0]], [where[1]], marker="o", markersize=3.5, color=INK, zorder=5)
        axes.annotate(
            str(note.number), where, xytext=(spot[0] / box.width, spot[1] / box.height), textcoords="data",
            ha="center", va="center", size=7.5, color=INK, zorder=6,
            bbox={"boxstyle": "circle,pad=0.22", "facecolor": "white", "edgecolor": INK, "linewidth": 0.8},
            arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.6},
        )  # fmt: skip


def _is_clear(spot: Place, taken: list[Place]) -> bool:
    return all((spot[0] - other[0]) ** 2 + (spot[1] - other[1]) ** 2 >= CLEAR_PT**2 for other in taken)

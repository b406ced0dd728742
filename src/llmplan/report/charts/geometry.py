"""Lines as they run through a picture: cut at its frame, and curved where an axis is logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from llmplan.report.charts.picture import Axis, Point

PIECES = 32
"""into which a line across the picture is cut, so that it can bend on a logarithmic axis"""
Place = tuple[float, float]


def runs(points: Sequence[Point], x: Axis, y: Axis) -> list[list[Place]]:
    """The visible parts of the line through the points, each a list of (share of x, share of y) from 0 to 1."""
    found: list[list[Place]] = []
    for begin, end in _pieces(points, x, y):
        cut = _clipped(begin, end)
        if cut is None:
            continue
        if found and _same(found[-1][-1], cut[0]):
            found[-1].append(cut[1])
        else:
            found.append(list(cut))
    return found


def place(point: Point, x: Axis, y: Axis) -> Place | None:
    """Where a point stands; None outside the frame."""
    where = (x.share(point.x), y.share(point.y))
    return where if all(-1e-9 <= share <= 1 + 1e-9 for share in where) else None


def _pieces(points: Sequence[Point], x: Axis, y: Axis) -> Iterator[tuple[Place, Place]]:
    """Short straight pieces in shares; what lies at zero on a logarithmic axis is left out."""
    for first, last in pairwise(points):
        chain = [
            (first.x + (last.x - first.x) * part, first.y + (last.y - first.y) * part)
            for part in _parts(first, last, x, y)
        ]
        for begin, end in pairwise((x.share(at), y.share(value)) for at, value in chain):
            if all(map(math.isfinite, (*begin, *end))):
                yield begin, end


def _parts(first: Point, last: Point, x: Axis, y: Axis) -> Iterator[float]:
    """Fractions of the way at which a line may bend or be marked: even on the axis that is logarithmic."""
    log_x = x.scale == "log" and first.x != last.x
    (begin, end), axis = ((first.x, last.x), x) if log_x else ((first.y, last.y), y)
    pieces = max(1, math.ceil(PIECES * max(_seen(first.x, last.x, x), _seen(first.y, last.y, y))))
    if begin == end or axis.scale == "linear":
        yield from (piece / pieces for piece in range(pieces + 1))
        return
    low, high = sorted((begin, end))
    low = max(low, min(axis.low, high) / 2)
    steps = [low * (high / low) ** (piece / pieces) for piece in range(pieces + 1)]
    fractions = sorted(min(1.0, max(0.0, (value - begin) / (end - begin))) for value in steps)
    yield from dict.fromkeys((0.0, *fractions, 1.0))


def _seen(begin: float, end: float, axis: Axis) -> float:
    """How much of the axis a piece spans inside the frame."""
    inside = [min(1.0, max(0.0, axis.share(value))) for value in (begin, end)]
    return abs(inside[1] - inside[0])


def _clipped(begin: Place, end: Place) -> tuple[Place, Place] | None:
    """The part of a piece inside the unit square (Liang and Barsky, 1984)."""
    enter, leave = 0.0, 1.0
    for axis in (0, 1):
        delta = end[axis] - begin[axis]
        for towards, room in ((-delta, begin[axis]), (delta, 1.0 - begin[axis])):
            if abs(towards) < 1e-12:
                if room < -1e-9:
                    return None
            elif towards < 0:
                enter = max(enter, room / towards)
            else:
                leave = min(leave, room / towards)
    if enter > leave:
        return None
    return _along(begin, end, enter), _along(begin, end, leave)


def _along(begin: Place, end: Place, part: float) -> Place:
    return begin[0] + (end[0] - begin[0]) * part, begin[1] + (end[1] - begin[1]) * part


def _same(one: Place, other: Place) -> bool:
    return abs(one[0] - other[0]) < 1e-9 and abs(one[1] - other[1]) < 1e-9

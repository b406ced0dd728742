"""What a chart says, before anybody draws it: axes, series of points, bars, lines of reference, numbered notes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["breakeven", "pareto", "sensitivity", "timeline"]
KINDS: tuple[Kind, ...] = ("breakeven", "pareto", "sensitivity", "timeline")
Scale: TypeAlias = Literal["linear", "log"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A value on an axis and how it is written."""

    value: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """`low` and `high` are its ends, in `unit`; a logarithmic one starts above zero."""

    label: str
    unit: str
    low: float
    high: float
    scale: Scale = "linear"
    ticks: tuple[Tick, ...] = ()

    def share(self, value: float) -> float:
        """Where a value stands between the ends, 0 to 1; outside of them beyond that.

        >>> axis = Axis(label="load", unit="requests/s", low=0.1, high=10.0, scale="log")
        >>> axis.share(1.0), axis.share(0.0)
        (0.5, -inf)
        """
        if self.scale == "linear":
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return -math.inf
        return math.log(value / self.low) / math.log(self.high / self.low)

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place; `x_low` and `x_high` are the 80 % band of its x. Hollow: something else is better in every respect."""

    x: float
    y: float
    x_low: float | None = None
    x_high: float | None = None
    hollow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one kind: a line through them (straight in the units of the axes, whatever their scale), marks, or
    both. A step is two points at the same x."""

    label: str
    points: tuple[Point, ...]
    joined: bool = True
    marked: bool = True
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a tornado: what x becomes at the `low` and at the `high` end of an input. None: it cannot be done."""

    label: str
    low: float | None
    high: float | None
    low_text: str
    high_text: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A line across the picture at one value of x or of y."""

    of: Literal["x", "y"]
    value: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A numbered place in the picture, with the words for it below; without a place only words."""

    number: int
    text: str
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """`empty` says why there is nothing to draw; then there are no axes. Bars stand on rows and have no y axis."""

    kind: Kind
    title: str
    x: Axis | None = None
    y: Axis | None = None
    series: tuple[Series, ...] = ()
    bars: tuple[Bar, ...] = ()
    rules: tuple[Rule, ...] = ()
    notes: tuple[Note, ...] = ()
    caption: tuple[str, ...] = ()
    empty: str = ""

    @property
    def summary(self) -> str:
        """The picture in words, for whoever cannot see it."""
        said = [self.title, *(each.title for each in (self.x, self.y) if each is not None)]
        said += [self.empty] if self.empty else []
        said += [f"{each.label}: from {each.low_text} to {each.high_text}" for each in self.bars]
        said += [*(each.label for each in self.series), *(each.label for each in self.rules)]
        said += [f"{each.number}: {each.text}" for each in self.notes]
        return ". ".join(part.rstrip(".") for part in (*said, *self.caption)) + "."


def lettered(rules: Iterable[Rule]) -> Iterator[tuple[str, Rule]]:
    """Lines across have a letter at their end, by which several are told apart; those upwards have none."""
    letters = iter("ABCDEFGH")
    for rule in rules:
        yield (next(letters, "") if rule.of == "y" else ""), rule


def plain(text: str) -> str:
    """One printable line: no control or formatting character of a name reaches a terminal or a file.

    >>> plain("a\\nb\\x1b[31m  c")
    'a b [31m c'
    """
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())

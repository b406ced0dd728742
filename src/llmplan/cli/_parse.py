"""Texts from the command line, the environment or a JSON line, checked once and for all commands alike.

Each parser is a function of one text which raises `UsageError` naming the flag, the value and what would be right.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING

from llmplan.errors import UsageError, nearest

if TYPE_CHECKING:
    from llmplan.spec.inventory import NodeGroup

MAX_REQUESTS_PER_S = 1e6
MIN_REQUESTS_PER_S = 1e-7
"""three a year: less is no traffic to plan for"""
MAX_TOKENS = 10_000_000
MAX_GPUS = 100_000

_HAVE = re.compile(r"^(?:(?P<nodes>\d+)x)?(?P<gpus>\d+)x(?P<gpu>[^\d\W].*)$", re.IGNORECASE)


def number(
    flag: str, *, above: float | None = None, at_least: float | None = None, at_most: float | None = None
) -> Callable[[object], float]:
    """A parser of finite numbers within bounds.

    >>> number("--share", at_least=0, at_most=1)("0.25")
    0.25
    """
    wanted = _bounds("a number", above, at_least, at_most)

    def parse(value: object) -> float:
        try:
            parsed = float(str(value).strip())
        except ValueError:
            raise UsageError(f"{flag} must be {wanted}, not {value!r}") from None
        if not math.isfinite(parsed) or not _within(parsed, above, at_least, at_most):
            raise UsageError(f"{flag} must be {wanted}, not {value}")
        return parsed

    return parse


def integer(flag: str, *, at_least: int = 1, at_most: int = MAX_TOKENS) -> Callable[[object], int]:
    """A parser of whole numbers within bounds; `1e6` and `1_000` are read as people mean them.

    >>> integer("--isl")("1000"), integer("--isl")("8e3")
    (1000, 8000)
    """
    wanted = _bounds("a whole number", None, at_least, at_most)

    def parse(value: object) -> int:
        try:
            parsed = float(str(value).strip())
        except ValueError:
            raise UsageError(f"{flag} must be {wanted}, not {value!r}") from None
        if not math.isfinite(parsed) or parsed != int(parsed) or not at_least <= parsed <= at_most:
            raise UsageError(f"{flag} must be {wanted}, not {value}")
        return int(parsed)

    return parse


_TIME_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_TIME = re.compile(r"^(?P<value>[0-9.]+(?:e[0-9]+)?)\s*(?P<unit>[a-z]*)$", re.IGNORECASE)


def duration(flag: str, *, at_least: float = 0.0, at_most: float = 3.2e7) -> Callable[[object], float]:
    """A parser of times in seconds, or with a unit: `90`, `30s`, `10m`, `1h`, `2d`, `1w`.

    >>> duration("--duration")("1.5h"), duration("--duration")("90")
    (5400.0, 90.0)
    """

    def parse(value: object) -> float:
        found = _TIME.match(str(value).strip())
        unit = _TIME_UNITS.get(found["unit"].lower()) if found else None
        try:
            parsed = math.nan if found is None or unit is None else float(found["value"]) * unit
        except ValueError:
            parsed = math.nan
        if not at_least <= parsed <= at_most:
            bounds = f"from {at_least:g} s to {at_most:,.0f} s"
            raise UsageError(f"{flag} must be a time {bounds}, as 90, 30s, 10m, 1h or 2d, not {value!r}")
        return parsed

    return parse


def choice(flag: str, known: Iterable[str]) -> Callable[[object], str]:
    """A parser of one of a few words, in any case.

    >>> choice("--privacy", ("any", "private"))("Private")
    'private'
    """
    names = tuple(known)

    def parse(value: object) -> str:
        folded = str(value).strip().casefold().replace("_", "-")
        if folded in names:
            return folded
        near = nearest(folded, names, count=1)
        hints = [f"did you mean {flag} {near[0]}?"] if near else []
        raise UsageError(f"{flag} must be one of {', '.join(names)}, not {value!r}", hints=hints)

    return parse


def day(flag: str) -> Callable[[object], date]:
    """A parser of calendar days.

    >>> day("--as-of")("2026-11-20")
    datetime.date(2026, 11, 20)
    """

    def parse(value: object) -> date:
        try:
            return date.fromisoformat(str(value).strip())
        except ValueError:
            raise UsageError(f"{flag} must be a date like 2026-11-20, not {value!r}") from None

    return parse


def node_group(text: object) -> NodeGroup:
    """Hardware as `NODESxGPUSxID`, or `GPUSxID` for one node.

    >>> group = node_group("4x4xa10-24gb")
    >>> group.nodes, group.gpus_per_node, group.gpu_id, group.gpus
    (4, 4, 'a10-24gb', 16)
    >>> node_group("1xrtx-4090-24gb").nodes
    1
    """
    from llmplan.spec.inventory import NodeGroup

    match = _HAVE.match(str(text).strip())
    if match is None:
        raise UsageError(
            f"--have must be NODESxGPUSxID, not {text!r}",
            hints=["write for example --have 4x4xa10-24gb (4 nodes of 4)"],
        )
    nodes, gpus = int(match["nodes"] or 1), int(match["gpus"])
    if not (0 < nodes <= MAX_GPUS and 0 < gpus <= 1024):
        raise UsageError(f"--have needs at least one node and 1 to 1024 GPUs per node, not {text!r}")
    return NodeGroup(nodes=nodes, gpus_per_node=gpus, gpu_id=match["gpu"])


def _within(value: float, above: float | None, at_least: float | None, at_most: float | None) -> bool:
    return not (
        (above is not None and value <= above)
        or (at_least is not None and value < at_least)
        or (at_most is not None and value > at_most)
    )


def _bounds(noun: str, above: float | None, at_least: float | None, at_most: float | None) -> str:
    lower = f"above {above:,g}" if above is not None else f"from {at_least:,g}" if at_least is not None else ""
    upper = "" if at_most is None else f"at most {at_most:,.15g}" if above is not None else f"to {at_most:,.15g}"
    joint = " and " if above is not None and upper else " "
    return f"{noun} {lower}{joint if lower and upper else ''}{upper}".strip()

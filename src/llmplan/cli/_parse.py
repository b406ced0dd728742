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


_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?P<number>[0-9.eE+-]+)\s*(?P<unit>[a-z]*)")
MAX_DURATION_S = 10 * 366 * 86400.0


def duration(flag: str, *, above: float = 0.0) -> Callable[[object], float]:
    """A parser of durations with a unit (seconds without one), in seconds.

    >>> duration("--duration")("1.5h"), duration("--jitter")("300 ms"), duration("--jitter")("3")
    (5400.0, 0.3, 3.0)
    """

    def parse(value: object) -> float:
        match = _DURATION.fullmatch(str(value).strip().casefold())
        try:
            parsed = float(match["number"]) * _SECONDS[match["unit"] or "s"] if match else math.nan
        except (ValueError, KeyError):
            parsed = math.nan
        if not (math.isfinite(parsed) and above < parsed <= MAX_DURATION_S):
            raise UsageError(
                f"{flag} must be a time above {above:g} s and up to ten years, not {value!r}",
                hints=[f"write for example {flag} 90s, 30min, 1h or 7d"],
            )
        return parsed

    return parse


def role_and_column(flag: str, roles: Iterable[str]) -> Callable[[object], tuple[str, str]]:
    """A parser of ROLE=NAME.

    >>> role_and_column("--column", ("arrival", "input"))("input=prompt_len")
    ('input', 'prompt_len')
    """
    known = tuple(roles)

    def parse(value: object) -> tuple[str, str]:
        role, equals, name = str(value).partition("=")
        role = role.strip().casefold()
        if role in known and equals and name.strip():
            return role, name.strip()
        near = nearest(role, known, count=1)
        hints = [f"did you mean {flag} {near[0]}={name or 'NAME'}?"] if near and role not in known else []
        raise UsageError(f"{flag} must be ROLE=NAME with {', '.join(known)} for ROLE, not {value!r}", hints=hints)

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

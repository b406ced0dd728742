"""What moved since a plan was made, as lines for people and as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from llmplan.plan.drift import Comparison, Drift, Reading, Value
from llmplan.report.numbers import format_usd
from llmplan.report.readable import readable

SEPARATE_LINES: Final = 3


def line(drift: Drift) -> str:
    """A figure, both values, and where and from when each is.

    >>> line(Drift(path="gpus/l4-24gb/memory_bytes", kind="capacity", planned=Reading(value=2**34, source="NVML"),
    ...     now=Reading(value=2**35)))
    'gpus/l4-24gb/memory_bytes: 16.00 GiB (NVML, undated) → 32.00 GiB'
    """
    return f"{drift.path}: {_with_source(drift, drift.planned)} → {_with_source(drift, drift.now)}"


def lines(drifts: Iterable[Drift]) -> list[str]:
    """A line each; the many figures of one refit or one new file share one, without their sources."""
    by_owner: dict[str, list[Drift]] = {}
    for drift in drifts:
        by_owner.setdefault(drift.path.rpartition("/")[0], []).append(drift)
    return [text for owner, group in by_owner.items() for text in _together(owner, group)]


def _together(owner: str, group: list[Drift]) -> list[str]:
    if len(group) <= SEPARATE_LINES:
        return [line(drift) for drift in group]
    pairs = (
        f"{drift.path.rpartition('/')[2]} {_written(drift, drift.planned.value)} → {_written(drift, drift.now.value)}"
        for drift in group
    )
    return [f"{owner}: {'; '.join(pairs)}"]


def records(compared: Comparison) -> list[dict[str, Any]]:
    """Every figure that moved, for `drift` in the JSON of a stored plan."""
    return [
        {"path": drift.path, "kind": drift.kind, "planned": _reading(drift.planned), "now": _reading(drift.now)}
        for drift in compared.drifts
    ]


def _with_source(drift: Drift, reading: Reading) -> str:
    written = _written(drift, reading.value)
    if not reading.source:
        return written
    return f"{written} ({reading.source}, {reading.as_of.isoformat() if reading.as_of else 'undated'})"


def _written(drift: Drift, value: Value) -> str:
    """A value in its unit, in full where the difference would not show."""
    if value is None:
        return "no longer stated" if drift.now.value is None else "not stated"
    if isinstance(value, str):
        return value
    name = drift.path.rpartition("/")[2]
    write = format_usd if drift.kind == "price" else lambda number: readable(name, number)
    pair = [write(each.value) for each in (drift.planned, drift.now) if isinstance(each.value, int | float)]
    return f"{value:,}" if len(pair) == 2 and pair[0] == pair[1] else write(value)


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "value": reading.value,
        "source": reading.source or None,
        "as_of": reading.as_of.isoformat() if reading.as_of else None,
    }

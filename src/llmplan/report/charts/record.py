"""A picture as JSON: what it shows, in the units of its axes (docs/reference/json.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from llmplan.report.charts.picture import Axis, Picture


def record(picture: Picture) -> dict[str, Any]:
    """Everything but the ticks, which only a drawing needs."""
    return asdict(picture) | {"x": _axis(picture.x), "y": _axis(picture.y)}


def _axis(axis: Axis | None) -> dict[str, Any] | None:
    if axis is None:
        return None
    return {name: value for name, value in asdict(axis).items() if name != "ticks"}

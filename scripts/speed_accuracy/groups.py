"""Which rows are shown together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from measured_rows import Case

Label = Callable[[Case], str | None]
KINDS = {"concurrency": "closed loop", "rate": "open loop", "burst": "all at once", "saturation": "saturation"}


def decile_of(cases: Sequence[Case]) -> Label:
    """Concurrency of the closed-loop rows, cut so that each part has about a tenth of them.

    Benchmarks like powers of two: rows of equal concurrency stay together, so that there may be fewer than ten parts.
    """
    loads = sorted(case.load.value for case in cases if case.load.kind == "concurrency")
    if not loads:
        return lambda case: None
    edges = sorted({float(np.quantile(loads, tenth / 10, method="lower")) for tenth in range(1, 10)})
    parts: dict[int, list[float]] = {}
    for load in loads:
        parts.setdefault(bisect_right(edges, load), []).append(load)
    names = {part: _range(min(own), max(own)) for part, own in parts.items()}

    def label(case: Case) -> str | None:
        if case.load.kind != "concurrency":
            return None
        return names.get(bisect_right(edges, case.load.value))

    return label


def _range(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def groupings(cases: Sequence[Case]) -> list[tuple[str, Label]]:
    """Title and label of each way to group rows; a row without a label is left out."""
    return [
        ("kind of model", lambda case: {"moe": "mixture of experts"}.get(case.family, case.family)),
        ("source", lambda case: case.source),
        ("engine", lambda case: case.replica.engine.calibration_id),
        ("release of the engine", lambda case: "before the V1 scheduler" if case.legacy else "current scheduler"),
        ("GPU", lambda case: case.replica.gpu.id),
        ("model", lambda case: case.model_key),
        ("load", lambda case: KINDS[case.load.kind]),
        ("concurrency, by decile of the closed-loop rows", decile_of(cases)),
    ]

"""A simulated run over time as a CSV file."""

from __future__ import annotations

from itertools import pairwise

from llmplan.plan.simulated import Simulated

COLUMNS = (
    "start_s", "end_s", "arrivals_per_s", "waiting", "running", "kv_share", "ready_replicas", "starting_replicas",
    "billed_gpu_s", "slo_attainment",
)  # fmt: skip


def render(run: Simulated) -> str:
    """One row for each bin; an empty cell where no request came that could be held against the promises."""
    series = run.series
    edges_s = [min(place * series.bin_s, run.span_s) for place in range(len(series) + 1)]
    columns = (
        series.arrivals_per_s, series.waiting, series.running, series.kv_share, series.ready, series.starting,
        series.billed_gpu_s, series.attainment,
    )  # fmt: skip
    rows = zip(pairwise(edges_s), *columns, strict=True)
    lines = (",".join(_cell(value) for value in (*edges, *values)) for edges, *values in rows)
    return "\n".join((",".join(COLUMNS), *lines)) + "\n"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"

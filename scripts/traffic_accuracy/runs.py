"""Which measured rows are runs of a benchmark that can be replayed request by request, and how each was run.

A run has a number of requests and a way in which they came: all at once, by a number of clients that each send the
next one when they are answered, or at a rate. The rows and their doubts are those of `measured_rows`; a run keeps
what that reader drops because no steady state has it: TPOT of a burst, and both times of an overrun.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from measured_rows import Case, sort_out

Arrivals = Literal["all at once", "clients", "rate"]
Spread = Literal["fixed", "dataset"]
JUDGED = ("gpustack", "trt-0.14-online")
"""sources of the bar; the others show whether anything holds for these two alone"""
DATASETS = ("sharegpt", "first turn")
CONCURRENCY_REQUESTS = 10
"""requests for each client where a closed loop states no number"""
MOST_REQUESTS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: `amount` clients or requests per second, None all at once. `measured` [s, tokens/s]; `statistic` says
    which of each time is meant."""

    case: Case
    arrivals: Arrivals
    amount: float
    requests: int
    spread: Spread
    measured: Mapping[str, float]
    statistic: Mapping[str, str]

    @property
    def source(self) -> str:
        """Who measured it."""
        return self.case.source

    @property
    def page(self) -> str:
        """The source and how its requests came."""
        return f"{self.case.source}, {self.arrivals}"


def read_runs(folder: Path) -> list[Run]:
    """Every row of throughput.csv that is such a run, in file order."""
    with (folder / "throughput.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    cases, _ = sort_out(rows)
    by_id = {row["row_id"]: row for row in rows}
    return [run for case in cases if (run := run_of(case, by_id[case.row_id])) is not None]


def run_of(case: Case, row: Mapping[str, str]) -> Run | None:
    """How a row was run, or None where that is not stated or nothing of it was timed."""
    load, stated = case.load, _first(row, "num_requests")
    if load.kind == "saturation" or not case.client:
        return None
    requests = int(stated or (CONCURRENCY_REQUESTS * load.value if load.kind == "concurrency" else load.value))
    if load.kind == "rate" and stated is None or requests > MOST_REQUESTS:
        return None
    arrivals: Arrivals = {"concurrency": "clients", "rate": "rate", "burst": "all at once"}[load.kind]  # type: ignore[assignment]
    measured, statistic = dict(case.measured), {}
    names = {"tpot": ("tpot_ms_mean", "tpot_ms_p50", "itl_ms_mean"), "ttft": ("ttft_ms_mean", "ttft_ms_p50")}
    settled = "tpot" in case.measured or "ttft" in case.measured
    for name, columns in names.items():
        column = next((each for each in columns if _first(row, each)), None)
        dropped = (load.kind == "burst" and name == "tpot") or (load.kind == "rate" and not settled)
        if column and dropped:
            measured[name] = float(row[column]) / 1e3
        if column:
            statistic[name] = {"tpot_ms_p50": "p50", "ttft_ms_p50": "p50", "itl_ms_mean": "token"}.get(column, "mean")
    if not {"tpot", "ttft"} & measured.keys():
        return None
    words = row["len_kind"].lower()
    return Run(
        case=case, arrivals=arrivals, amount=load.value, requests=requests,
        spread="dataset" if any(word in words for word in DATASETS) else "fixed",
        measured=measured, statistic=statistic,
    )  # fmt: skip


def _first(row: Mapping[str, str], *names: str) -> float | None:
    for name in names:
        try:
            return float(row[name])
        except ValueError:
            continue
    return None

"""Which measured rows are runs of a benchmark that can be replayed request by request, and how each was run.

A run has a number of requests and a way in which they came: all at once, by a number of clients that each send the
next one when they are answered, or at a rate. The rows and their doubts are those of `measured_rows`; a run keeps
what that reader drops because no steady state has it: TPOT of a burst, and both times of an overrun.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from measured_rows import Case, sort_out

Arrivals = Literal["all at once", "clients", "rate"]
Spread = Literal["fixed", "range", "dataset"]
ARRIVALS: dict[str, Arrivals] = {"concurrency": "clients", "rate": "rate", "burst": "all at once"}
JUDGED = ("gpustack", "trt-0.14-online")
"""sources of the bar; the others show whether anything holds for these two alone"""
RANGE = "range ratio 0.8"
"""lengths evenly spread from 0.8 to 1 of the nominal ones"""
FIXED = ("random", "fixed", "nominal")
"""words of rows whose requests are equally long; all others state means of a data set"""
CONCURRENCY_REQUESTS = 10
"""requests for each client where a closed loop states no number"""
MOST_REQUESTS = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: `amount` clients or requests per second, None all at once. `measured` [s, tokens/s]; `statistic` says
    which of each time is meant."""

    case: Case
    arrivals: Arrivals
    amount: float
    requests: int
    spread: Spread
    cap: float | None
    """tokens at which answers were cut off, where that is known"""
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
    if (load.kind == "rate" and stated is None) or requests > MOST_REQUESTS:
        return None
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
    if not measured:
        return None
    words, output = row["len_kind"].lower(), load.output_tokens.mean
    cap = _cap(words, output)
    return Run(
        case=case, arrivals=ARRIVALS[load.kind], amount=load.value, requests=requests,
        spread=_spread(words, output, cap), cap=cap,
        measured=measured, statistic=statistic,
    )  # fmt: skip


def _spread(words: str, output: float, cap: float | None) -> Spread:
    if RANGE in words:
        return "range"
    return "fixed" if any(word in words for word in FIXED) or cap == output else "dataset"


def _cap(words: str, mean: float) -> float | None:
    """Where answers are cut off: as stated, or at the mean itself where that is a power of two, as no model's answers
    are on average."""
    _, found, rest = words.partition("natural eos, max ")
    if found:
        return float(rest.split(")")[0])
    return mean if math.log2(mean).is_integer() else None


def _first(row: Mapping[str, str], *names: str) -> float | None:
    for name in names:
        try:
            return float(row[name])
        except ValueError:
            continue
    return None

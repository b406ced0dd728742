"""A section of docs/accuracy.md: a real engine's loads, predicted by the simulator with step times from one of them.

Computed from the requests recorded under `benchmarks/real_engine/measured/`; no engine is needed.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from measured_rows import REPO

FOLDER = REPO / "benchmarks" / "real_engine"


def script(name: str) -> Any:
    """A module of that folder."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    return importlib.import_module(name)


def markdown_lines() -> list[str]:
    """The section, of the latest recording."""
    recorded, predict = script("recorded"), script("predict")
    recording = recorded.read(recorded.recordings()[-1])
    calibration = recording.about["calibration"]
    of = predict.calibrated(recording, calibration)
    rows = predict.predicted(recording, of)
    return [
        "# A real engine",
        "",
        f"{recording.about['engine']}, {recording.about['model']}; {recording.about['machine']}. Measured on "
        f"{recording.about['measured']}; how, in "
        "[benchmarks/real_engine](../benchmarks/real_engine/README.md). Step times are from one load, the others are "
        "predicted by the simulator of `llmplan simulate`: `python benchmarks/real_engine/predict.py` does it again "
        "from the recorded requests.",
        "",
        predict.coefficient_line(of),
        "",
        "*Measured / simulated / error*; *apart* is how far TPOT, throughput or TTFT of the same load were apart when "
        "it was put a second time. Throughput of the Poisson loads is that of their arrivals: for the others it is a "
        "prediction.",
        "",
        *predict.table(rows, calibration),
        "",
        *predict.preemption_lines(recording, rows),
        "",
        *bars(rows, calibration),
        "",
        "Medians over the other loads, whichever load step times are taken from:",
        "",
        *predict.by_calibration(recording),
    ]


def bars(rows: list[Any], calibration: str) -> list[str]:
    """What was asked, and whether it is met."""
    predict = script("predict")
    unseen = predict.others(rows, calibration)
    lines = [
        f"| asked of loads that calibration has not seen | bar | reached, of {len(unseen)} | met |",
        "|---|---|---|---|",
    ]
    for measure, bar in predict.BARS.items():
        reached = predict.median_error(unseen, measure)
        met = "yes" if reached <= bar else "**no**"
        lines.append(f"| {measure.split(',')[0]} | median {100 * bar:.0f} % | {100 * reached:.1f} % | {met} |")
    return lines

"""Step times from one load of a real engine, and from them every other load: predicted beside measured.

    python benchmarks/real_engine/predict.py [--recording NAME] [--calibrate-on LOAD]

Reads what is recorded in `measured/` and needs no engine. A closed loop is simulated as one: only the lengths of its
requests are taken from the recording, so that its throughput is a prediction.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from fit import fit
from recorded import Recording, Run, read, recordings
from replay import replay
from steps import Coefficients, LinearTimes

from llmplan.simulate.engine import Rules

Measure = Callable[[Run], float]
MEASURES: Mapping[str, Measure] = {
    "TPOT mean, ms": lambda run: 1e3 * float(run.tpot_s.mean()),
    "TPOT p50, ms": lambda run: 1e3 * float(np.median(run.tpot_s)),
    "TPOT p95, ms": lambda run: 1e3 * float(np.percentile(run.tpot_s, 95)),
    "output tokens/s": lambda run: run.output_tokens_per_s,
    "TTFT mean, ms": lambda run: 1e3 * float(run.ttft_s.mean()),
    "TTFT p50, ms": lambda run: 1e3 * float(np.median(run.ttft_s)),
    "TTFT p95, ms": lambda run: 1e3 * float(np.percentile(run.ttft_s, 95)),
}
BARS = {"TPOT mean, ms": 0.15, "output tokens/s": 0.15, "TTFT mean, ms": 0.30}
"""Median error over the loads that calibration has not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One load: what was measured, once for each time it was put, and what the simulator says of the first."""

    load: str
    measured: tuple[Run, ...]
    simulated: Run

    def error(self, measure: Measure) -> float:
        """Simulated over the mean of the measurements, less one."""
        return measure(self.simulated) / self.value(measure) - 1.0

    def value(self, measure: Measure) -> float:
        """Mean over the times that the load was put."""
        return statistics.fmean(measure(run) for run in self.measured)

    def noise(self, measure: Measure) -> float:
        """How far the measurements of the same load are apart: largest over smallest, less one."""
        values = [measure(run) for run in self.measured]
        return max(values) / min(values) - 1.0


def rules_of(about: Mapping[str, Any], load: str) -> Rules:
    """The scheduler's limits as the engine was started."""
    settings = {**about["settings"], **about["loads"][load].get("settings", {})}
    return Rules(
        max_num_seqs=settings["max_num_seqs"],
        blocks=settings["kv_blocks"],
        block_tokens=settings["block_tokens"],
        longest_tokens=settings["max_model_len"],
    )


def calibrated(recording: Recording, load: str) -> Coefficients:
    """From the first time that a load was put."""
    budget = recording.about["settings"]["max_num_batched_tokens"]
    return fit(recording.of(load)[0], rules_of(recording.about, load), budget)


def predicted(recording: Recording, of: Coefficients) -> list[Row]:
    """Every load, with these step times."""
    times = LinearTimes(of=of, budget_tokens=recording.about["settings"]["max_num_batched_tokens"])
    return [
        Row(
            load=load,
            measured=recording.of(load),
            simulated=replay(recording.of(load)[0], times, rules_of(recording.about, load)),
        )
        for load in recording.about["loads"]
    ]


def median_error(rows: list[Row], measure: str) -> float:
    """Median of the absolute errors."""
    return statistics.median(abs(row.error(MEASURES[measure])) for row in rows)


def others(rows: list[Row], calibration: str) -> list[Row]:
    """The loads that calibration has not seen."""
    return [row for row in rows if row.load != calibration]


def coefficient_line(of: Coefficients) -> str:
    """The coefficients in a sentence."""
    return (
        f"A step takes {1e3 * of.step_s:.1f} ms, {1e3 * of.sequence_s:.2f} ms for each sequence that decodes and "
        f"{1e6 * of.context_s:.2f} ms for every thousand tokens of their context, {1e3 * of.prompt_s:.2f} ms for each "
        f"prompt token and {1e6 * of.pair_s:.2f} ms for every thousand pairs of tokens that prompts attend; "
        f"a request {1e3 * of.request_s:.1f} ms once."
    )


def figure(value: float) -> str:
    """One decimal below a hundred, none above."""
    return f"{value:,.0f}" if value >= 100.0 else f"{value:.1f}"


def cell(row: Row, measure: Measure) -> str:
    """Measured / simulated / error."""
    return f"{figure(row.value(measure))} / {figure(measure(row.simulated))} / {row.error(measure):+.1%}"


def table(rows: list[Row], calibration: str) -> list[str]:
    """Measured, simulated and error of each load, then the medians over those not calibrated on."""
    shown = ("TPOT mean, ms", "output tokens/s", "TTFT mean, ms", "TTFT p50, ms", "TTFT p95, ms")
    lines = [
        f"| load | {' | '.join(shown)} | apart |",
        f"|---|{'---|' * len(shown)}---|",
    ]
    for row in rows:
        name = f"{row.load} (calibration)" if row.load == calibration else row.load
        cells = [cell(row, MEASURES[key]) for key in shown]
        apart = max(row.noise(MEASURES[key]) for key in BARS)
        lines.append(f"| {name} | {' | '.join(cells)} | {apart:.1%} |")
    unseen = others(rows, calibration)
    medians = [f"**{median_error(unseen, key):.1%}**" for key in shown]
    lines.append(f"| median of {len(unseen)}, absolute | {' | '.join(medians)} | |")
    return [line.replace("%", " %") for line in lines]


def preemption_lines(recording: Recording, rows: list[Row]) -> list[str]:
    """How often requests gave up their blocks, where the engine's counter was read."""
    return [
        f"Preemptions in {row.load}: {', '.join(map(str, counted))} measured, {row.simulated.preemptions} simulated."
        for row in rows
        if (counted := recording.about["loads"][row.load].get("preemptions"))
    ]


def by_calibration(recording: Recording) -> list[str]:
    """Medians over the other loads, whichever load is calibrated on."""
    lines = [f"| calibrated on | {' | '.join(BARS)} |", f"|---|{'---|' * len(BARS)}"]
    for load in recording.about["loads"]:
        rows = others(predicted(recording, calibrated(recording, load)), load)
        cells = [f"{median_error(rows, key):.1%}".replace("%", " %") for key in BARS]
        lines.append(f"| {load} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Predict the loads of a recording from one of them.")
    parser.add_argument("--recording", choices=recordings(), default=recordings()[-1])
    parser.add_argument("--calibrate-on", metavar="LOAD")
    chosen = parser.parse_args()
    recording = read(chosen.recording)
    calibration = chosen.calibrate_on or recording.about["calibration"]
    of = calibrated(recording, calibration)
    print(coefficient_line(of), "", "measured / simulated / error", "", sep="\n")
    rows = predicted(recording, of)
    print(*table(rows, calibration), "", *preemption_lines(recording, rows), "", *by_calibration(recording), sep="\n")


if __name__ == "__main__":
    main()

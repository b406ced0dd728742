"""How far predicted fine-tuning memory is from published peaks; `table` is the Markdown for docs/accuracy.md."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from finetune_rows import FILE, Row, data_folder, read_rows

from llmplan.memory import finetune
from llmplan.plan.finetune import FinetuneMemory
from llmplan.spec.band import Band
from llmplan.units import GIB

METHODS = ("full", "lora", "qlora")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A row with its prediction."""

    row: Row
    memory: FinetuneMemory

    @property
    def band(self) -> Band:
        """The predicted peak, read as the row was."""
        return self.memory.peak_bytes(self.row.scope)

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        assert self.row.peak_bytes is not None
        return self.band.mid / self.row.peak_bytes - 1

    @property
    def inside(self) -> bool:
        """Whether the measurement lies in the band."""
        assert self.row.peak_bytes is not None
        return self.band.low <= self.row.peak_bytes <= self.band.high


def outcomes(rows: Iterable[Row]) -> list[Outcome]:
    """Predictions of the rows that have a peak."""
    measured = [row for row in rows if row.peak_bytes is not None]
    return [Outcome(row=row, memory=finetune.finetune_memory(row.setup, row.gpu_bytes)) for row in measured]


def median_error(results: Sequence[Outcome]) -> float:
    """Median absolute error."""
    return statistics.median(abs(each.error) for each in results)


def inside_share(results: Sequence[Outcome]) -> float:
    """Share of the rows inside their band."""
    return sum(each.inside for each in results) / len(results)


def by_method(results: Sequence[Outcome]) -> Iterator[tuple[str, list[Outcome]]]:
    """The rows of each method."""
    for method in METHODS:
        if chosen := [each for each in results if each.row.setup.method == method]:
            yield method, chosen


# --- left out --------------------------------------------------------------------------------------------------

HELD = ("base weights", "adapters", "gradients", "optimizer states")
PERCENTILES = (10, 50, 90)
"""edges and middle of an 80 % band"""
FEWEST = 10
HELD_SPREAD = 0.02
DEVICE_HELD_SPREAD = 0.06
CONTEXT_SPREAD_BYTES = 0.25 * GIB
LEFTOVER_BYTES = 0.75 * GIB
"""as in memory.finetune.budget"""


def constant_bytes(outcome: Outcome) -> float:
    """What does not pass: weights, adapters, gradients, states, and the context where the reading has it."""
    wanted = (*HELD, "CUDA context") if outcome.row.scope == "device" else HELD
    return sum(line.amount or 0.0 for line in outcome.memory.ledger.lines if line.name in wanted)


def passing_ratio(outcome: Outcome) -> float:
    """Measured over predicted passing memory."""
    assert outcome.row.peak_bytes is not None
    constant = constant_bytes(outcome)
    return (outcome.row.peak_bytes - constant) / (outcome.band.mid - constant)


def kind(outcome: Outcome) -> str:
    """Rows that share a band: PyTorch's allocations, or a device under batches of one shape or of several."""
    return "allocated" if outcome.row.scope == "allocated" else outcome.row.setup.lengths


def left_out(results: Sequence[Outcome], unit: Callable[[Row], str]) -> list[tuple[Outcome, float, bool]]:
    """Every row by a middle and a band fitted without its unit: the error, and whether the band holds it.

    Where fewer than ten rows of the kind are left, all rows that are left make the band.
    """
    found = []
    for outcome in results:
        others = [each for each in results if unit(each.row) != unit(outcome.row)]
        alike = [each for each in others if kind(each) == kind(outcome)]
        ratios = [passing_ratio(each) for each in (alike if len(alike) >= FEWEST else others)]
        low, middle, high = (float(value) for value in np.percentile(ratios, PERCENTILES))
        peak, constant = outcome.row.peak_bytes, constant_bytes(outcome)
        passing = outcome.band.mid - constant
        assert peak is not None
        device = outcome.row.scope == "device"
        least = (1 - HELD_SPREAD) * constant + low * passing - (CONTEXT_SPREAD_BYTES if device else 0.0)
        most = (1 + (DEVICE_HELD_SPREAD if device else HELD_SPREAD)) * constant + high * passing
        inside = least <= peak <= most + (CONTEXT_SPREAD_BYTES + LEFTOVER_BYTES if device else 0.0)
        found.append((outcome, (constant + middle * passing) / peak - 1, inside))
    return found


def table(folder: Path) -> list[str]:
    """Markdown for docs/accuracy.md: by method as shipped and left out, then the worst rows."""
    rows, _ = read_rows(folder)
    results = [each for each in outcomes(rows) if each.row.is_single]
    by_source, by_model = left_out(results, lambda row: row.source), left_out(results, lambda row: row.model)
    lines = [
        "| method | rows | median error | in the band | without its source | without its model |",
        "|---|---|---|---|---|---|",
    ]
    for method, chosen in (*by_method(results), ("all", results)):
        cells = [_cell([each for each in found if each[0] in chosen]) for found in (by_source, by_model)]
        shipped = f"{median_error(chosen):.1%} | {inside_share(chosen):.0%}"
        lines.append(f"| {method} | {len(chosen)} | {shipped} | {' | '.join(cells)} |")
    return [*lines, "", "Rows outside the band:", "", *_misses(results)]


def _cell(found: Sequence[tuple[Outcome, float, bool]]) -> str:
    """`8.1 %, 85 %`: median error, and share in the band."""
    error = statistics.median(abs(each[1]) for each in found)
    return f"{error:.1%}, {sum(each[2] for each in found) / len(found):.0%}"


def _misses(results: Sequence[Outcome]) -> list[str]:
    worst = sorted((each for each in results if not each.inside), key=lambda each: -abs(each.error))
    return [f"- {each.row.label}: {each.error:+.0%}. {guess(each)}" for each in worst]


def guess(outcome: Outcome) -> str:
    """Why a row may lie outside: what its numbers suggest."""
    assert outcome.row.peak_bytes is not None
    ratio, held = passing_ratio(outcome), constant_bytes(outcome)
    if outcome.row.peak_bytes < held:
        return "Less than weights, gradients and the optimizer's states: not the run that the row describes."
    if ratio > 2 and outcome.row.setup.seq_tokens >= 4096:
        return "More than twice the activations at a great length: attention scores were kept, or blocks did not fit."
    if outcome.row.setup.weights.is_quantized and ratio > 2:
        return "Blocks that loading and quantizing the weights left in the cache."
    if ratio > 1:
        return "Batches of many lengths left more in the cache than usual." if kind(outcome) == "varied" else (
            "More than counted; the reading is rounded to whole GB." if held < 5 * GIB else "More than counted."
        )  # fmt: skip
    return "Samples shorter than the stated length."


def main() -> int:
    """Print the table."""
    folder = data_folder()
    if folder is None:
        print(f"no {FILE}: set LLMPLAN_DATA to the folder that has it", file=sys.stderr)
        return 1
    print("\n".join(table(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

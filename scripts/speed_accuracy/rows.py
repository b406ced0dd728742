"""A table of measurements as cases, and what became of every row that is none: counted, each with its reason.

A row is *excluded* where a written rule says that it cannot judge a prediction (`measured_rows.doubt`, repeats, loads
that are no one number, runs faster than their memory), *outside* where the catalogue has no such GPU, model or engine,
and *declined* where it has and yet nothing is predicted. Only the last count against the share of rows answered.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import measured_rows
from measured_rows import Case

from llmplan.errors import LlmplanError
from llmplan.memory import budget
from llmplan.plan.outcome import Rejection

NEEDED = ("gpu_key", "model_key", "engine", "load_kind", "isl", "osl")
"""columns without which no row means anything; any other may be missing and is then empty"""
COLUMNS = (
    "row_id", "source_id", "engine", "engine_version", "model", "quantization", "kv_dtype", "gpu", "gpus_total", "tp",
    "pp", "ep", "dp", "mode", "isl", "osl", "len_kind", "load_kind", "load_value", "num_requests",
    "output_tok_s_total", "output_tok_s_per_gpu", "prefill_tok_s", "decode_tok_s_stream", "ttft_ms_mean",
    "ttft_ms_p50", "tpot_ms_mean", "tpot_ms_p50", "itl_ms_mean", "batch_latency_s", "trust", "flags", "notes",
    "gpu_key", "model_key", "repeat_no",
)  # fmt: skip
NOT_DESCRIBED = "a GPU, model or engine that is not described here"
FASTER_THAN_MEMORY = "a row of the configuration is faster than its weights can be read: it speculates"
Fate = Literal["excluded", "outside", "declined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """A row without a prediction: why, and what it is about."""

    row_id: str
    source: str
    fate: Fate
    reason: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """A whole table. `cases` can be predicted, `unused` cannot."""

    rows: int
    cases: Sequence[Case]
    unused: Sequence[Unused]
    absent_columns: Sequence[str] = field(default=())

    def of(self, fate: Fate) -> list[Unused]:
        """The unused rows that ended in one way."""
        return [each for each in self.unused if each.fate == fate]

    @property
    def answered_share(self) -> float:
        """Predicted rows over predicted and declined ones [-]; 1 where there is neither."""
        asked = len(self.cases) + len(self.of("declined"))
        return len(self.cases) / asked if asked else 1.0


def read_table(path: Path, folder: Path) -> Measurements:
    """Every row of a table with the columns of throughput.csv; `folder` holds the models' configs."""
    with path.open(newline="", encoding="utf-8-sig") as table:
        reader = csv.DictReader(table)
        header = reader.fieldnames or ()
        missing = [name for name in NEEDED if name not in header]
        if missing:
            raise LlmplanError(
                f"{path}: no column {', '.join(missing)}", hints=["a table has the columns of throughput.csv"]
            )
        rows = [{name: row.get(name) or "" for name in (*COLUMNS, *header)} for row in reader]
    for number, row in enumerate(rows, start=1):
        row["row_id"] = row["row_id"] or f"row {number}"
    cases, unused = _sorted_out(rows, measured_rows._Reader(folder))
    return Measurements(
        rows=len(rows), cases=cases, unused=unused, absent_columns=[name for name in COLUMNS if name not in header]
    )


def _sorted_out(
    rows: Iterable[Mapping[str, str]], reader: measured_rows._Reader
) -> tuple[list[Case], list[Unused]]:  # fmt: skip
    cases: list[Case] = []
    unused: list[Unused] = []
    for row in rows:
        found = _case_or_reason(row, reader)
        if isinstance(found, Unused):
            unused.append(found)
        else:
            cases.append(found)
    kept = list(measured_rows._without_faster_than_possible(cases))
    possible = {case.row_id for case in kept}
    unused += [
        Unused(row_id=case.row_id, source=case.source, fate="excluded", reason=FASTER_THAN_MEMORY)
        for case in cases
        if case.row_id not in possible
    ]
    return kept, unused


def _case_or_reason(row: Mapping[str, str], reader: measured_rows._Reader) -> Case | Unused:
    reason = measured_rows.doubt(row)
    if reason == NOT_DESCRIBED:
        return _unused(row, "outside", reason)
    if reason is not None:
        return _unused(row, "excluded", reason)
    try:
        case = reader.case(row)
        return case if case is not None else _unused(row, *_why_none(row, reader))
    except (LlmplanError, ValueError, KeyError) as error:
        return _unused(row, "declined", f"cannot be read: {error}")


def _why_none(row: Mapping[str, str], reader: measured_rows._Reader) -> tuple[Fate, str]:
    """Why a row that no rule excludes is no case."""
    if not measured_rows._measured(row):
        return "excluded", "nothing measured that is predicted under this load"
    weights = measured_rows._weights(row)
    if weights is None:
        return "declined", f"weight format {row['quantization'] or 'not stated'!r}"
    if measured_rows._load(row) is None:
        return "excluded", "load not stated as one number"
    gpu = reader._gpus[measured_rows.GPU_IDS[row["gpu_key"]]]
    outcome = budget(measured_rows._replica(row, reader._model(row["model_key"]), gpu, weights))
    return "declined", f"memory: {outcome.code.replace('_', ' ')}" if isinstance(outcome, Rejection) else "unknown"


def _unused(row: Mapping[str, str], fate: Fate, reason: str) -> Unused:
    about = " on ".join(filter(None, (row["model_key"] or row["model"], row["gpu_key"] or row["gpu"])))
    return Unused(row_id=row["row_id"], source=row["source_id"], fate=fate, reason=reason, about=about)

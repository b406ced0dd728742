"""A table of measurements as cases, and what became of every row that is none: counted, each with its reason.

A row is *excluded* where a written rule says that it cannot judge a prediction (scripts/row_doubts.py, loads that are
no one number), *outside* where the catalogue has no such GPU, model or engine, and *declined* where it has and yet
nothing is predicted. Only the last count against the share of rows answered.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measured_rows import Case, Fate, sort_out
from row_doubts import NO_ENGINE

from llmplan.errors import LlmplanError

NEEDED = ("gpu_key", "model_key", "engine", "load_kind", "isl", "osl")
"""columns without which no row means anything; any other may be missing and is then empty"""
COLUMNS = (
    "row_id", "source_id", "engine", "engine_version", "model", "quantization", "kv_dtype", "gpu", "gpus_total", "tp",
    "pp", "ep", "dp", "mode", "isl", "osl", "len_kind", "load_kind", "load_value", "num_requests",
    "output_tok_s_total", "output_tok_s_per_gpu", "prefill_tok_s", "decode_tok_s_stream", "ttft_ms_mean",
    "ttft_ms_p50", "tpot_ms_mean", "tpot_ms_p50", "itl_ms_mean", "batch_latency_s", "trust", "flags", "notes",
    "gpu_key", "model_key", "repeat_no",
)  # fmt: skip


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


def read_table(path: Path) -> Measurements:
    """Every row of a table with the columns of throughput.csv."""
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
    cases, declined = sort_out(rows)
    by_id = {row["row_id"]: row for row in rows}
    return Measurements(
        rows=len(rows),
        cases=cases,
        unused=[
            Unused(
                row_id=each.row_id,
                source=each.source,
                fate=each.fate,
                reason=each.reason,
                about=_about(by_id[each.row_id], each.reason),
            )
            for each in declined
        ],
        absent_columns=[name for name in COLUMNS if name not in header],
    )


def _about(row: Mapping[str, str], reason: str) -> str:
    if reason == NO_ENGINE:
        return f"engine {row['engine'] or 'not stated'}"
    return " on ".join(filter(None, (row["model_key"] or row["model"], row["gpu_key"] or row["gpu"])))

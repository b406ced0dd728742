"""A trace as traffic: read as a stream, in runs, however long the file is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from llmplan.catalogs.traces.fields import split
from llmplan.catalogs.traces.jitter import jittered
from llmplan.catalogs.traces.layout import Columns, TimeUnit, columns_of
from llmplan.catalogs.traces.rows import RawRows, csv_rows, json_rows
from llmplan.catalogs.traces.screen import Screen
from llmplan.catalogs.traces.source import STDIN, Block, blocks
from llmplan.catalogs.traces.tally import BadRows, Tally
from llmplan.errors import DataError
from llmplan.spec.request_runs import part
from llmplan.spec.requests import Requests

MOST_ROWS = 65_536
"""of a run"""
LOOK_ON_ROWS = 2_000_000
"""rows that are still looked at after the first bad one, to count what else is wrong"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions:
    """How a trace is read. `columns` names the columns of roles (arrival, input, output, tenant) that its header does
    not give away; `time_unit` None: the kind's own, else as the first value looks."""

    columns: Mapping[str, str] = field(default_factory=dict)
    time_unit: TimeUnit | None = None
    jitter_s: float = 0.0
    seed: int = 0
    """of the jitter"""
    bad_rows: BadRows = "refuse"
    context_tokens: int | None = None
    """the longest request, input and output; None: any"""


class Trace:
    """Traffic in a file, or on stdin (`-`); iterating over it reads it. `tally` counts rows and what is wrong with
    them while that goes on; a file may be read again."""

    def __init__(self, source: str, options: TraceOptions | None = None) -> None:
        self.source = source
        self.options = options or TraceOptions()
        self.tally = Tally()
        self.columns: Columns | None = None
        self._screen: Screen | None = None
        self._read = False

    @property
    def tenants(self) -> tuple[str, ...]:
        """Names of the tenants met so far, by their number."""
        return self._screen.tenants if self._screen is not None else ()

    def __iter__(self) -> Iterator[Requests]:
        if self.source == STDIN and self._read:
            raise DataError("stdin can be read once", hints=["write the trace to a file first"])
        self._read, self.tally, self.columns, self._screen = True, Tally(), None, None
        runs = self._runs()
        if self.options.jitter_s > 0:
            runs = jittered(runs, self.options.jitter_s, self.options.seed)
        for run in runs:
            for begin in range(0, len(run), MOST_ROWS):
                yield run if len(run) <= MOST_ROWS else part(run, begin, min(begin + MOST_ROWS, len(run)))

    def _runs(self) -> Iterator[Requests]:
        refused_at: int | None = None
        for block, rows_of in self._blocks():
            assert self.columns is not None
            assert self._screen is not None
            run = self._screen.requests(rows_of(block, self.columns))
            if self.options.bad_rows == "refuse" and self.tally.bad_rows:
                refused_at = self.tally.rows if refused_at is None else refused_at
                if self.tally.rows - refused_at > LOOK_ON_ROWS:
                    break
            elif len(run):
                yield run
        self._finish()

    def _blocks(self) -> Iterator[tuple[Block, Callable[[Block, Columns], RawRows]]]:
        """The blocks of rows; the first one says what kind of file it is."""
        rows_of = None
        for block in blocks(self.source, self.tally):
            if rows_of is None:
                opened = self._open(block)
                if opened is None:
                    continue
                rows_of, block = opened
            yield block, rows_of

    def _open(self, block: Block) -> tuple[Callable[[Block, Columns], RawRows], Block] | None:
        """Recognise the file by its first line that is not blank; None where this block has none."""
        data = block.data.removeprefix(b"\xef\xbb\xbf")
        stripped = data.lstrip()
        if not stripped:
            return None
        line = block.first_line + data.count(b"\n", 0, len(data) - len(stripped))
        first, _, rest = stripped.partition(b"\n")
        text = first.decode("utf-8", "replace").rstrip("\r")
        is_json = text.startswith("{")
        header = _keys(text, self.source) if is_json else [cell.strip() for cell in split(text)]
        columns = columns_of(header, self.options.columns, self.options.time_unit, self.source)
        body = Block(stripped, line) if is_json else Block(rest, line + 1)
        rows_of = json_rows if is_json else csv_rows
        self.columns = replace(columns, unit=columns.unit or _unit(body, columns, is_json))
        self._screen = Screen(
            unit=self.columns.unit or "s",
            bad_rows=self.options.bad_rows,
            context_tokens=self.options.context_tokens,
            tally=self.tally,
        )
        return rows_of, body

    def _finish(self) -> None:
        """Refuse what was not to be read, and a file without any row that can be."""
        tally = self.tally
        if self.options.bad_rows == "refuse" and tally.problems:
            counts = "; ".join(tally.describe())
            raise DataError(
                f"{self.source}: {tally.bad_rows:,} of {tally.rows:,} rows read cannot be used as they are: {counts}",
                hints=[
                    "--bad-rows skip leaves them out and says how many",
                    "--bad-rows clip mends those that can be: out of order to the stamp before, no tokens to one, too "
                    "long to the context",
                ],
            )
        if not tally.used:
            why = f": {'; '.join(tally.describe())}" if tally.problems else ""
            raise DataError(f"{self.source}: holds no requests that can be used{why}")


def _keys(text: str, source: str) -> list[str]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"{source}: the first line begins like JSON and is none") from None
    return list(found) if isinstance(found, dict) else []


def _unit(body: Block, columns: Columns, is_json: bool) -> TimeUnit:
    """What times are counted in, by the first one that can be read: a date, else by its size seconds since the start
    or since 1970, or milli- or microseconds since 1970."""
    seconds = replace(columns, unit="s")
    head = Block(body.data[: body.data.find(b"\n", 65_536) + 1] or body.data, body.first_line)
    raw = json_rows(head, seconds) if is_json else csv_rows(head, seconds)
    values = raw.part[np.isfinite(raw.part) & (raw.codes == 0)]
    if not len(values):
        return "iso"
    return "us" if values[0] > 1e14 else "ms" if values[0] > 1e11 else "s"

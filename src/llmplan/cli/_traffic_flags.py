"""The flags with which a trace is read, shared by the commands that take one, and the trace that they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console, _parse
from llmplan.cli._options import count

if TYPE_CHECKING:
    from llmplan.catalogs.traces import Tally, Trace

BAD_ROWS = ("refuse", "skip", "clip")
TIME_UNITS = ("s", "ms", "us", "iso")
ROLES = ("arrival", "input", "output", "tenant")
"""those of catalogs.traces, which --help need not import"""

TRACE_HELP = (
    "CSV or JSON lines, plain or gzip, or - for stdin: traces of Azure, Mooncake, BurstGPT and workload generate are "
    "known by their header, others by --column."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFlags:
    """How the rows of a trace are read."""

    column: Annotated[
        list[Any] | None,
        typer.Option(
            "--column", parser=_parse.role_and_column("--column", ROLES), metavar="ROLE=NAME",
            help="Which column is which, for ROLE arrival, input, output or tenant (repeatable).",
        ),
    ] = None  # fmt: skip
    time_unit: Annotated[
        str | None,
        typer.Option(
            "--time-unit", parser=_parse.choice("--time-unit", TIME_UNITS), metavar="|".join(TIME_UNITS),
            help="What arrivals are counted in (default: what the kind of trace says, or as the first one looks).",
        ),
    ] = None  # fmt: skip
    jitter: Annotated[
        float | None,
        typer.Option(
            "--jitter", parser=_parse.duration("--jitter"), metavar="TIME",
            help="Spread requests of one time stamp over this long, where times were rounded: 3s for Mooncake.",
        ),
    ] = None  # fmt: skip
    bad_rows: Annotated[
        str,
        typer.Option(
            "--bad-rows", parser=_parse.choice("--bad-rows", BAD_ROWS), metavar="|".join(BAD_ROWS),
            help="Rows that cannot be used: refuse the trace, skip them, or clip those that can be mended.",
        ),
    ] = "refuse"  # fmt: skip
    max_request_tokens: Annotated[
        int | None, count("--max-request-tokens", "A longer request, input plus output, is a bad row.", at_least=2)
    ] = None


def open_trace(source: str, flags: TraceFlags, *, context_tokens: int | None = None, seed: int = 0) -> Trace:
    """The trace as the flags ask for it; `context_tokens` is the longest request where no flag says so."""
    from llmplan.catalogs.traces import Trace, TraceOptions

    options = TraceOptions(
        columns=dict(flags.column or ()),
        time_unit=flags.time_unit,  # type: ignore[arg-type]
        jitter_s=flags.jitter or 0.0,
        seed=seed,
        bad_rows=flags.bad_rows,  # type: ignore[arg-type]
        context_tokens=flags.max_request_tokens or context_tokens,
    )
    return Trace(source, options)


def warn_of_bad_rows(tally: Tally) -> None:
    """Say what of a trace was left out or mended; nothing if nothing was."""
    if not tally.problems:
        return
    mended = sum(problem.mended for problem in tally.problems)
    left_out = tally.rows - tally.used
    done = " and ".join(
        part for part in (f"{left_out:,} left out" if left_out else "", f"{mended:,} mended" if mended else "") if part
    )
    _console.warn(f"of {tally.rows:,} rows, {done or 'all used'}: {'; '.join(tally.describe())}")

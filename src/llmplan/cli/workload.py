"""`llmplan workload`: a trace in figures and as a workload file, and traffic made from a workload."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console, _parse
from llmplan.cli._catalog import open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import CatalogFlags, OutputFlags, amount, count
from llmplan.cli._traffic_flags import TRACE_HELP, TraceFlags, open_trace, warn_of_bad_rows
from llmplan.errors import DataError, UsageError

if TYPE_CHECKING:
    from llmplan.catalogs.traces import Tally
    from llmplan.spec.requests import Requests
    from llmplan.spec.traffic import RateSeries
    from llmplan.spec.workload import Workload

STDIN = "-"
USUAL_REQUESTS = 10_000
MAX_REQUESTS = 1_000_000_000

SaveOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write a workload file that recommend --workload takes."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
IslOption = Annotated[int | None, count("--isl", "Input tokens of a request, instead of the workload's.")]
OslOption = Annotated[int | None, count("--osl", "Output tokens of a request, instead of the workload's.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        name="workload", rich_markup_mode=None, no_args_is_help=True,
        help="Traffic: describe a trace, generate traffic like it.",
    )  # fmt: skip
    group.command("describe", short_help="A trace in figures, and as a workload file.")(describe)
    group.command("generate", short_help="Seeded traffic of a workload, as a trace.")(generate)
    app.add_typer(group, short_help="Traffic: describe a trace, generate traffic like it.")


@takes_flags
def describe(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help=f"{TRACE_HELP} Or a CSV file of rates: ts,rate.")],
    *,
    reading: TraceFlags,
    save_to: SaveOption = None,
    isl: IslOption = None,
    osl: OslOption = None,
    force: ForceOption = False,
    output: OutputFlags,
) -> int:
    """A trace in figures: rate, burstiness, peaks, idle time, lengths, what prompts share, tenants.

    With -o also as a workload file, which recommend --workload takes and workload generate makes similar traffic of.
    """
    from llmplan import planfile
    from llmplan.catalogs.traces import is_rate_series

    if save_to is not None:
        planfile.check_target(save_to, force=force)
    if trace != STDIN and is_rate_series(trace):
        return describe_rates(trace, save_to, (isl, osl), output, force=force)
    from llmplan.report import workload as view
    from llmplan.simulate import traffic

    opened = open_trace(trace, reading)
    found = traffic.describe(opened)
    columns, tally = opened.columns, opened.tally
    assert columns is not None
    about: dict[str, Any] = {"source": trace, "kind": columns.layout, "unit": columns.unit, "tenants": opened.tenants}
    if save_to is not None:
        name, rounded = name_of(trace), reading.jitter is not None
        named = traffic.fitted(found, workload_id=save_to.stem, name=f"traffic of {name}", rounded_stamps=rounded)
        save(resized(named, isl, osl), save_to, f"{found.requests:,} requests of {name}", force=force)
    _console.answer(
        output.chosen,
        record=lambda: view.record(found, **about, bad_rows=bad_rows(tally)),
        document=lambda: view.document(found, **about, problems=tally.describe()),
    )
    warn_of_bad_rows(tally)
    return 0


def bad_rows(tally: Tally) -> dict[str, Any]:
    """What was wrong with rows, for JSON."""
    return {
        "rows": tally.rows,
        "used": tally.used,
        "problems": [
            {"kind": each.kind, "rows": each.rows, "mended": each.mended, "first_line": each.first_line}
            for each in tally.problems
        ],
    }


def describe_rates(
    source: str, save_to: Path | None, lengths: tuple[int | None, int | None], output: OutputFlags, *, force: bool
) -> int:
    """The figures of a rate series, which has no requests to look at."""
    from llmplan.catalogs.traces import read_rate_series
    from llmplan.report import workload as view

    series = read_rate_series(source)
    if save_to is not None:
        save(of_rates(series, source, lengths), save_to, f"rates of {name_of(source)}", force=force)
    _console.answer(
        output.chosen,
        record=lambda: view.rates_record(series, source=source),
        document=lambda: view.rates_document(series, source=source),
    )
    return 0


def of_rates(series: RateSeries, source: str, lengths: tuple[int | None, int | None]) -> Workload:
    """A workload of rates and of lengths that the user states."""
    from llmplan.spec.traffic import Arrivals, TrafficShape
    from llmplan.spec.workload import Lengths, Workload

    isl, osl = lengths
    if isl is None or osl is None:
        raise UsageError("a file of rates says nothing of lengths", hints=["--isl 1000 --osl 300"])
    return Workload(
        id=Path(source).stem,
        name=f"rates of {name_of(source)}",
        requests_per_s=series.mean,
        input_tokens=Lengths.fixed(float(isl)),
        output_tokens=Lengths.fixed(float(osl)),
        peak_to_mean=series.peak_to_mean,
        idle_share=series.idle_share,
        idle_bin_s=series.bin_s,
        traffic=TrafficShape(arrivals=Arrivals(profiles=(series,))),
    )


def save(workload: Workload, path: Path, origin: str, *, force: bool) -> None:
    """Write a workload file."""
    from llmplan import planfile
    from llmplan.catalogs.workload_text import workload_text

    text = workload_text(workload, origin=f"Fitted by llmplan workload describe to {origin}.")
    planfile.write_text(path, text, force=force)
    _console.say(f"wrote {path}: llmplan recommend MODEL --workload {path}, llmplan workload generate {path}")


@takes_flags
def generate(
    workload: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A catalogue workload, a workload file, or a CSV file of rates.")
    ],
    *,
    seed: Annotated[int, count("--seed", "Same seed, same traffic.", at_least=0, at_most=2**63 - 1)] = 0,
    requests: Annotated[
        int | None, count("--requests", f"How many (default: {USUAL_REQUESTS:,}).", at_most=MAX_REQUESTS)
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option("--duration", parser=_parse.duration("--duration"), metavar="TIME", help="How long: 90s, 1h, 7d."),
    ] = None,
    requests_per_second: Annotated[
        float | None,
        amount(
            "--requests-per-second", "Mean rate, instead of the workload's.", above=0, metavar="R",
            at_most=_parse.MAX_REQUESTS_PER_S,
        ),
    ] = None,
    rate_scale: Annotated[
        float, amount("--rate-scale", "Times the rate, all else as it is.", above=0, at_most=1e6, metavar="F")
    ] = 1.0,
    isl: IslOption = None,
    osl: OslOption = None,
    save_to: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE",
            help="Where to (default: stdout): CSV, or JSON lines in .jsonl, which tell shared prefixes too; .gz packs.",
        ),
    ] = None,
    force: ForceOption = False,
    catalog: CatalogFlags,
) -> int:  # fmt: skip
    """Seeded traffic of a workload, as a trace that this program reads: the same seed gives the same bytes.

    Arrivals, lengths, shared prefixes, conversations and tenants come as the workload says, or as follows from its
    steady figures.
    """
    from llmplan import planfile
    from llmplan.simulate import traffic

    if save_to is not None:
        planfile.check_target(save_to, force=force)
    found = resized(wanted(workload, (isl, osl), catalog), isl, osl)
    if requests_per_second is not None:
        found = replace(found, requests_per_s=requests_per_second, concurrency=None)
    if requests is None and duration is None:
        requests = USUAL_REQUESTS
    made = traffic.generate(found, seed=seed, requests=requests, duration_s=duration, rate_scale=rate_scale)
    written, last_s = write(made, save_to)
    from llmplan.units import format_seconds

    where = "" if save_to is None else f" to {save_to}"
    _console.say(f"wrote {written:,} requests of {found.id} over {format_seconds(last_s)}{where} (seed {seed})")
    shares = traffic.shape_of(found)
    if not is_json_lines(save_to) and (shares.prefix is not None or shares.sessions is not None):
        _console.warn("CSV leaves out which prompts share text: write JSON lines with -o FILE.jsonl")
    return 0


def wanted(name: str, lengths: tuple[int | None, int | None], flags: CatalogFlags) -> Workload:
    """The workload that was named: of the catalogue, of a workload file, or of a file of rates."""
    from llmplan.catalogs.traces import is_rate_series, read_rate_series
    from llmplan.catalogs.workloads import read_workload_file
    from llmplan.cli._question import workload_path

    if Path(name).suffix in (".csv", ".jsonl", ".gz") and not Path(name).is_file():
        raise DataError(f"{name}: no such file")
    path = workload_path(name)
    if path is None:
        return open_catalog(flags).workloads[name]
    if path.suffix in (".yaml", ".yml") or not is_rate_series(str(path)):
        if path.suffix not in (".yaml", ".yml"):
            hints = [f"llmplan workload describe {name} -o workload.yaml, then generate from that"]
            raise DataError(f"{name}: neither a workload file (.yaml) nor a CSV file of rates", hints=hints)
        return read_workload_file(path)
    return of_rates(read_rate_series(str(path)), name, lengths)


def resized(workload: Workload, isl: int | None, osl: int | None) -> Workload:
    """The workload with other lengths, which then are the same for every request."""
    from llmplan.spec.workload import Lengths

    stated = {"input_tokens": isl, "output_tokens": osl}
    lengths = {name: Lengths.fixed(float(tokens)) for name, tokens in stated.items() if tokens is not None}
    shape = workload.traffic.without(lengths) if workload.traffic is not None else None
    return replace(workload, **lengths, traffic=shape)  # type: ignore[arg-type]


def write(made: Iterable[Requests], path: Path | None) -> tuple[int, float]:
    """Write traffic, to stdout or whole to a file; how many requests, and the time of the last."""
    from llmplan import planfile
    from llmplan.catalogs.traces import whole_file, write_csv, write_json_lines

    rows = write_json_lines if is_json_lines(path) else write_csv
    if path is None:
        return rows(made, sys.stdout.write)
    try:
        with whole_file(path) as file:
            return rows(made, file.write)
    except OSError as error:
        raise planfile.cannot_write(path, error) from error


def is_json_lines(path: Path | None) -> bool:
    """Whether a file of this name gets JSON lines."""
    return path is not None and ".jsonl" in path.suffixes[-2:]


def name_of(trace: str) -> str:
    """What to call a trace in a text."""
    return "stdin" if trace == STDIN else Path(trace).name

"""`cost --chart`: a chart of the answer, in the terminal or as a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console, _parse
from llmplan.errors import UsageError

if TYPE_CHECKING:
    from llmplan.report.blocks import Block
    from llmplan.report.charts import Picture
    from llmplan.report.cost_answer import CostAnswer
    from llmplan.spec.catalog import Catalog

KINDS = ("breakeven", "pareto", "sensitivity", "timeline")
"""those of report.charts, which --help need not import"""
FORMATS = {".svg": "svg", ".png": "png"}
NO_BRAILLE = ("dumb", "linux")
"""terminals whose letters have no braille"""
MARKDOWN_WIDTH = 80
"""what a comment on a pull request shows without scrolling"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartFlags:
    """What to draw, and where."""

    chart: Annotated[
        str | None,
        typer.Option(
            "--chart", parser=_parse.choice("--chart", KINDS), metavar="|".join(KINDS),
            help="Also draw the bill (USD) over load, against latency, by what moves it, or over time.",
        ),
    ] = None  # fmt: skip
    chart_file: Annotated[
        Path | None,
        typer.Option(
            "--chart-file", metavar="FILE.svg|.png", help="Draw the chart into this file (needs llmplan[plot])."
        ),
    ] = None

    def check(self, output_format: str, *, force: bool) -> None:
        """Refuse what cannot be drawn or written, before anything is computed."""
        if self.chart_file is None:
            if self.chart is not None and output_format == "csv":
                raise UsageError("CSV has no place for a chart", hints=["--chart-file chart.svg"])
            return
        if self.chart is None:
            raise UsageError("--chart-file: which chart?", hints=[f"--chart {kind}" for kind in KINDS])
        file_format(self.chart_file)
        needs_matplotlib()
        from llmplan import planfile

        planfile.check_target(self.chart_file, force=force)


def file_format(path: Path) -> str:
    """`svg` or `png`, by the end of the name."""
    found = FORMATS.get(path.suffix.lower())
    if found is None or path.is_dir():
        what = "is a folder" if path.is_dir() else "ends neither in .svg nor in .png"
        raise UsageError(f"--chart-file {path} {what}", hints=[f"--chart-file {path.with_suffix('.svg').name}"])
    return found


def needs_matplotlib() -> None:
    """The optional package, or the error that names it."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise UsageError(
            "--chart-file needs the package matplotlib, which is not installed",
            hints=["pip install 'llmplan[plot]'", "leave --chart-file out: the chart is then drawn as text"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The chart of one answer; without a picture none was asked for, and every part of it is empty."""

    picture: Picture | None = None
    path: Path | None = None

    def record(self) -> dict[str, Any]:
        """What JSON says besides."""
        from llmplan.report.charts.record import record

        return {} if self.picture is None else {"chart": record(self.picture)}

    def blocks(self, *, markdown: bool = False) -> tuple[Block, ...]:
        """The drawing in the answer, where it does not go into a file."""
        if self.picture is None or self.path is not None:
            return ()
        from llmplan.report.blocks import Drawing
        from llmplan.report.charts import terminal

        width = MARKDOWN_WIDTH if markdown else _console.width(os.environ)
        lines = terminal.render(self.picture, width, ascii_only=not markdown and ascii_only())
        return (Drawing(lines=tuple(lines)),)

    def save(self, *, force: bool) -> None:
        """Write the file that was asked for."""
        if self.picture is None or self.path is None:
            return
        from llmplan import planfile
        from llmplan.report.charts import plot

        content = plot.render(self.picture, "png" if file_format(self.path) == "png" else "svg")
        planfile.write_bytes(self.path, content, force=force)
        _console.say(f"wrote {self.path}")


def chart_of(flags: ChartFlags, answer: CostAnswer, catalog: Callable[[date], Catalog]) -> Chart:
    """The chart that was asked for, with the options of the GPUs side by side among the others.

    `catalog` opens the one with the prices of a day; it is asked where something has to be computed for the chart.
    """
    if flags.chart is None:
        return Chart()
    from llmplan import planner
    from llmplan.plan.comparisons import Comparisons
    from llmplan.plan.outcome import Option
    from llmplan.report import charts

    kind = next(each for each in charts.KINDS if each == flags.chart)
    found = answer.comparisons
    if found is None:
        compared = kind != "pareto" and answer.plan.chosen is not None
        found = planner.compare(answer.plan, catalog(answer.plan.price_date)) if compared else Comparisons()
    others = [each for each in answer.by_gpu.values() if isinstance(each, Option)]
    return Chart(picture=charts.picture(kind, answer.plan, found, others), path=flags.chart_file)


def ascii_only() -> bool:
    """Whether the terminal or the encoding of stdout has nothing but ASCII to draw with."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return not encoding.startswith("utf") or os.environ.get("TERM") in NO_BRAILLE

"""The Speed section of docs/accuracy.md, and the same tables for a table of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from measured_rows import Case
from speed_accuracy import bars, peers, tables
from speed_accuracy.groups import groupings
from speed_accuracy.rows import Measurements
from speed_accuracy.score import NAMES
from speed_accuracy.tables import Views

HOW = (
    "Error of the prediction in percent of the measurement, |predicted / measured - 1|; bias is the median of "
    "predicted / measured - 1. In the tables a cell is *median / mean / bias / P90 / share of measurements inside the "
    "80 % band that `predict` prints*.",
    "E2E is TTFT + (OSL - 1) x TPOT of rows that have both. [metrics.md](reference/metrics.md) says which definition "
    "each source uses and what it is compared with.",
)
VIEWS = (
    "*GPU left out* and *model left out*: coefficients fitted without that kind of GPU, or without that model; what to "
    "expect for hardware or models that nobody here has measured. *As shipped*: `predict` with the calibrations in "
    "`profiles/calibration/`, which have seen the rows. Bands are the shipped ones everywhere, relative to the middle."
)
ANSWERS = (
    "*Below saturation*: `predict` does not call the load saturated, and it is a number of clients, a rate, or one "
    "request. *At saturation*: as many requests as are admitted, or many at once. `predict --cases` must answer 2,000 "
    "questions a second on one core; `make bench` prints how many it does here."
)


def section(found: Measurements, views: Views, overrun: Sequence[Case]) -> list[str]:
    """The whole section; the first view is judged by the bars and gives the worst rows."""
    cases = found.cases
    gpus, models = {case.replica.gpu.id for case in cases}, {case.model_key for case in cases}
    lines = [
        "# Speed",
        "",
        f"{len(cases)} published measurements from {len({case.source for case in cases})} sources, {len(gpus)} GPUs "
        f"and {len(models)} models; nobody here made them.",
        "",
        "\n\n".join((*HOW, VIEWS) if len(views) > 1 else HOW),
        "",
        *tables.overall(views),
        "",
        "## Bars",
        "",
        ANSWERS,
        "",
        *bars.table(views, found),
        "",
        "## Others",
        "",
        "Published figures of other predictors beside ours: median absolute error in percent. They saw other rows than "
        "we did, unless the table says so.",
        "",
        *peers.table(views),
        "",
    ]
    for quantity, name in NAMES.items():
        lines += _quantity(quantity, name, views, cases)
    return [*lines, "## Rows without a prediction", "", *tables.unused(found), "", *_overrun(overrun)]


def _quantity(quantity: str, name: str, views: Views, cases: Sequence[Case]) -> list[str]:
    lines = [f"## {name}", ""]
    any_row = False
    for title, label in groupings(cases):
        table = tables.by_group(views, quantity, title, label)
        if table:
            any_row = True
            lines += [*table, ""]
    worst_view, scores = next(iter(views.items()))
    worst = tables.worst(scores, quantity)
    if worst:
        lines += [f"The rows furthest off ({worst_view}); the guess follows from the row by rule:", "", *worst, ""]
    return lines if any_row else []


def _overrun(overrun: Sequence[Case]) -> list[str]:
    if not overrun:
        return []
    named = ", ".join(case.row_id for case in overrun[:10])
    return [
        f"{len(overrun)} more rows have a TTFT although `predict` says that their rate outruns the replica, where the "
        f"mean has no bound; these TTFTs are not scored: {named}{', …' if len(overrun) > 10 else ''}.",
        "",
    ]

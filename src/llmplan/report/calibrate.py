"""A machine's calibration: the error before and after, what moved, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llmplan.plan.machine_fit import ErrorSummary, MachineFit, PointFit, Stage
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.json import Record, finite, schema
from llmplan.report.numbers import MISSING, format_seconds, percent, rate
from llmplan.report.predict import load_line
from llmplan.units import MS_PER_S

QUANTITIES = {"tpot": "TPOT", "ttft": "TTFT", "throughput": "output tokens/s"}
STAGES: tuple[Stage, ...] = ("before", "after", "left_out")
SHOWN_MOVES = 12
KEYS = {"tpot": "tpot_ms", "ttft": "ttft_ms", "throughput": "output_tokens_per_s"}


def document(
    fit: MachineFit, *, files: Sequence[str], skipped: Sequence[str], notes: Sequence[str], explain: bool = False
) -> Document:
    """`llmplan calibrate`; `explain` lists every point and every coefficient."""
    return tuple(_blocks(fit, files, skipped, notes, explain))


def _blocks(
    fit: MachineFit, files: Sequence[str], skipped: Sequence[str], notes: Sequence[str], explain: bool
) -> Iterator[Block]:
    found = fit.calibration
    yield Paragraph(text=f"Calibration {found.id}", heading=1)
    yield Facts(
        pairs=(
            ("points", f"{found.rows} from {', '.join(files)}"),
            ("prior", fit.prior.id),
            ("covers", found.validity or MISSING),
        )
    )
    yield _errors(fit)
    yield from _verdict(fit)
    yield _bands(fit)
    yield from _moves(fit, explain)
    if explain:
        yield _points(fit.points, "Every point")
    elif fit.far:
        yield _points(fit.far, "Points that stay far off")
    if skipped:
        yield Items(title="Left out", items=tuple(skipped), tone="warn")
    if notes:
        yield Items(title="Notes", items=tuple(notes))


def _errors(fit: MachineFit) -> Table:
    by_stage = {stage: {each.quantity: each for each in fit.summaries(stage)} for stage in STAGES}
    rows = tuple(
        Row(
            cells=(
                QUANTITIES[name],
                str(by_stage["before"][name].points),
                *(_error(by_stage[stage][name]) for stage in STAGES),
            )
        )
        for name in by_stage["before"]
    )
    return Table(
        title="Error of the prediction: median (worst)",
        columns=(
            Column(title="quantity"),
            Column(title="points", align="right"),
            Column(title="before", align="right"),
            Column(title="after", align="right"),
            Column(title="after, point left out", align="right"),
        ),
        rows=rows,
    )


def _error(summary: ErrorSummary) -> str:
    return f"{_share(summary.median)} ({_share(summary.worst)})"


def _share(value: float) -> str:
    return "∞" if value == float("inf") else percent(value)


def _verdict(fit: MachineFit) -> Iterator[Block]:
    """Whether the points say anything that the prior did not."""
    if fit.calibration.rows == 1:
        text = "one point fits itself: bring a few more, of low and high load, to learn whether it holds"
        yield Paragraph(text=text, tone="warn")
        return
    yield from _beyond(fit)
    before = {each.quantity: each.median for each in fit.summaries("before")}
    worse = [QUANTITIES[each.quantity] for each in fit.summaries("left_out") if each.median >= before[each.quantity]]
    if worse:
        text = (
            f"{' and '.join(worse)} of a point left out: predicted no better than before. The points disagree with "
            f"each other or are too few, and {fit.prior.id} may serve as well there"
        )
        yield Paragraph(text=text, tone="warn")


def _beyond(fit: MachineFit) -> Iterator[Block]:
    """A machine so far from the shipped coefficients that the fit does not reach it."""
    for each in fit.summaries("after"):
        outside, points = fit.outside(each.quantity)
        if 2 * outside > points > 1:
            text = (
                f"{QUANTITIES[each.quantity]}: {outside} of {points} points lie outside of the new interval even so. "
                "The fit does not reach them: coefficients stay within bounds of the shipped ones, and few points "
                "widen an interval little. Is it the GPU, the model and the traffic that were named, and did nothing "
                "else run?"
            )
            yield Paragraph(text=text, tone="bad")


def _bands(fit: MachineFit) -> Table:
    def written(low: float, high: float) -> str:
        return f"{low - 1.0:+.0%} to {high - 1.0:+.0%}".replace("%", " %")

    rows = tuple(
        Row(
            cells=(
                QUANTITIES[name],
                written(fit.prior.bands[name].low_ratio, fit.prior.bands[name].high_ratio),
                written(fit.calibration.bands[name].low_ratio, fit.calibration.bands[name].high_ratio),
            )
        )
        for name in QUANTITIES
    )
    columns = (
        Column(title="80 % interval"),
        Column(title="before", align="right"),
        Column(title="after", align="right"),
    )
    return Table(columns=columns, rows=rows)


def _moves(fit: MachineFit, explain: bool) -> Iterator[Block]:
    moves = sorted(fit.moves, key=lambda move: max(move.factor, 1.0 / move.factor), reverse=True)
    shown = moves if explain else moves[:SHOWN_MOVES]
    if not moves:
        yield Paragraph(text="No coefficient moved: the predictions were right as they were.")
        return
    still = len(fit.calibration.coefficients) - len(moves)
    rest = f"; {len(moves) - len(shown)} more moved less (--explain)" if len(shown) < len(moves) else ""
    yield Table(
        title=f"Coefficients that moved ({still} stay where they were{rest})",
        columns=(
            Column(title="coefficient"),
            Column(title="before", align="right"),
            Column(title="after", align="right"),
            Column(title="factor", align="right"),
        ),
        rows=tuple(
            Row(cells=(move.name, f"{move.before:.4g}", f"{move.after:.4g}", f"{move.factor:.2f}")) for move in shown
        ),
    )


def _points(points: Iterable[PointFit], title: str) -> Table:
    def written(point: PointFit, value: float) -> str:
        if value == float("inf"):
            return "∞"
        return rate(value) if point.quantity == "throughput" else format_seconds(value)

    return Table(
        title=title,
        columns=(
            Column(title="point", share=1),
            Column(title="quantity"),
            Column(title="measured", align="right"),
            Column(title="before", align="right"),
            Column(title="after", align="right"),
        ),
        rows=tuple(
            Row(
                cells=(
                    f"{point.origin}: {load_line(point.load)}",
                    QUANTITIES[point.quantity],
                    *(written(point, value) for value in (point.measured, point.before, point.after)),
                )
            )
            for point in points
        ),
    )


def record(fit: MachineFit, *, skipped: Sequence[str], notes: Sequence[str], written: str | None) -> Record:
    """`llmplan calibrate --json`."""
    found = fit.calibration
    return {
        "schema": schema("calibrate"),
        "calibration": {
            "id": found.id,
            "engine": found.engine,
            "generation": found.generation,
            "gpu": found.gpu,
            "model": found.model,
            "prior": fit.prior.id,
            "points": found.rows,
            "validity": found.validity,
            "fitted": found.fitted.isoformat() if found.fitted else None,
            "coefficients": dict(found.coefficients),
            "bands": {
                name: {"low_ratio": band.low_ratio, "high_ratio": band.high_ratio, "rows": band.rows}
                for name, band in found.bands.items()
            },
        },
        "errors": {
            stage: {
                KEYS[each.quantity]: {
                    "points": each.points,
                    "median_relative": finite(each.median),
                    "worst_relative": finite(each.worst),
                }
                for each in fit.summaries(stage)
            }
            for stage in STAGES
        },
        "moved": [{"name": move.name, "before": move.before, "after": move.after} for move in fit.moves],
        "points": [_point(point) for point in fit.points],
        "far": [{"point": point.origin, "quantity": KEYS[point.quantity]} for point in fit.far],
        "skipped": list(skipped),
        "notes": list(notes),
        "written": written,
    }


def _point(point: PointFit) -> Record:
    scale = 1.0 if point.quantity == "throughput" else MS_PER_S
    values = {stage: finite(getattr(point, stage) * scale) for stage in ("measured", *STAGES)}
    return {
        "point": point.origin,
        "load": {"kind": point.load.kind, "value": point.load.value},
        "isl": point.load.input_tokens.mean,
        "osl": point.load.output_tokens.mean,
        "quantity": KEYS[point.quantity],
        **values,
    }

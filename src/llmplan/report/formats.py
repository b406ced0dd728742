"""`llmplan predict --compare-weights`: formats side by side, as people and programs read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llmplan.plan.deployment import Replica
from llmplan.plan.format_rows import FormatComparison, FormatRow, FormatSpeed
from llmplan.plan.load import Load
from llmplan.report import views
from llmplan.report.blocks import Block, Column, Document, Items, Paragraph, Row, Table
from llmplan.report.explain import ledger_lines
from llmplan.report.numbers import MISSING, format_bytes, percent, rates, seconds
from llmplan.report.predict import load_line
from llmplan.spec.formats import FormatQuality, SpeedFigure

TITLES = {"weights": "Weight format", "kv_cache": "KV cache format"}
TIMED = (
    Column(title="format"),
    Column(title="over 16 bit", align="right"),
    Column(title="GPU", share=2),
    Column(title="model", share=3),
    Column(title="engine", share=2),
    Column(title="requests: in/out"),
    Column(title="source"),
)
NO_FIGURES = "no figures known"
COLUMNS = ("per GPU", "at this load", "speed over")


def document(
    replica: Replica,
    load: Load,
    found: Iterable[FormatComparison],
    assumed: Mapping[str, str],
    *,
    explain: bool = False,
) -> Document:
    """Tables of formats, why each is faster or slower, what each costs in quality."""
    return tuple(_blocks(replica, load, tuple(found), assumed, explain))


def _blocks(
    replica: Replica, load: Load, found: tuple[FormatComparison, ...], assumed: Mapping[str, str], explain: bool
) -> Iterator[Block]:
    where = f"{replica.parallel.gpus} × {replica.gpu.id} · {replica.engine.id} {replica.engine.version}"
    yield Paragraph(text=f"{replica.model.id} on {where} · {replica.parallel.describe()}: formats compared", heading=1)
    yield Paragraph(text=load_line(load))
    sources = views.Sources()
    for each in found:
        yield from _comparison(each, load, replica.gpu.id)
    if any(row.speed and row.speed.estimate.extrapolated for each in found for row in each.rows):
        behind = (
            "no measurement of this engine, GPU generation and kind of attention with so many sequences at once, all "
            "on the GPU, stands behind these speeds"
        )
        text = f"{behind}: the intervals are wider"
        yield Items(title="Warnings", items=(text,), tone="warn")
    yield from views.defaults_used(assumed)
    if explain:
        for each in found:
            yield from _explanation(each, sources)
        yield from sources.blocks()


def _comparison(found: FormatComparison, load: Load, gpu_id: str) -> Iterator[Block]:
    running = [row for row in found.rows if row.speed is not None]
    if running and running[0] is not found.rows[0]:
        measure = f"{found.rows[0].format_id} does not run here, so that speeds are compared with {found.baseline}"
        yield Paragraph(text=f"{measure}, the widest format that does.", tone="warn")
    if running:
        yield _table(found, running, load)
    refused = tuple(
        f"{row.format_id}: {row.reason}" + (f" Fix: {row.fix}" if row.fix else "")
        for row in found.rows
        if row.speed is None
    )
    if refused:
        yield Items(title=f"{TITLES[found.aspect]}s that do not run here", items=refused, tone="dim")
    reasons = _together((row.format_id, row.speed.advice) for row in running if row.speed)
    if reasons:
        yield Items(
            title=f"Against {found.baseline}, with room for every request; then each with its own pool", items=reasons
        )
    published = _together((row.format_id, _published(row, gpu_id)) for row in running if row.quality)
    if published:
        yield Items(title="Published speed over 16 bit, at whatever load (rows)", items=published)
    qualities = ((row.format_id, row.quality.describe() if row.quality else NO_FIGURES) for row in found.rows)
    yield Items(title="Measured quality", items=_together(qualities))


def _table(found: FormatComparison, running: Iterable[FormatRow], load: Load) -> Table:
    """One row a format: memory, speed under the load with its bands, speed over the baseline's at three loads."""
    columns = (Column(title=TITLES[found.aspect].lower()), *(Column(title=title) for title in COLUMNS))
    named = (*columns[:-1], Column(title=f"{COLUMNS[-1]} {found.baseline}"))
    rows = tuple(
        Row(cells=(row.format_id, memory_cell(row.speed), speed_cell(row.speed), ratio_cell(row.speed, load)))
        for row in running
        if row.speed is not None
    )
    return Table(columns=named, rows=rows, spaced=True)


def memory_cell(one: FormatSpeed) -> str:
    """Weights and cache."""
    return f"{format_bytes(one.budget.weights_bytes)} weights\n{one.budget.capacity_tokens:,} KV tokens"


def speed_cell(one: FormatSpeed) -> str:
    """Latency and throughput with their bands."""
    estimate = one.estimate
    return (
        f"TTFT {seconds(estimate.ttft_s)}\nTPOT {seconds(estimate.tpot_s)}\n{rates(estimate.output_tokens_per_s)} tok/s"
    )


def ratio_cell(one: FormatSpeed, load: Load) -> str:
    """Speed over the baseline's: alone, under the load, and full."""
    if not one.stretches:
        return MISSING
    lines = [f"{times(one.ratio_alone)} one request"]
    if load.kind != "saturation":
        lines.append(f"{times(one.ratio_load)} this load")
    return "\n".join((*lines, f"{times(one.ratio_saturated)} saturated"))


def times(value: float | None) -> str:
    """A ratio; where only one of the two keeps up with the load, which.

    >>> times(1.934), times(0.0), times(math.inf), times(None)
    ('1.93×', 'falls behind:', 'alone keeps up:', '–')
    """
    if value is None:
        return MISSING
    if math.isinf(value):
        return "alone keeps up:"
    return f"{value:.2f}×" if value > 0 else "falls behind:"


def _published(row: FormatRow, gpu_id: str) -> str:
    """What others measured of a format's speed, and whether it contradicts the prediction."""
    assert row.quality is not None
    assert row.speed is not None
    return "; ".join(text for text in (row.quality.describe_speeds(gpu_id), row.speed.dispute) if text)


def _together(said: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Formats of which the same is said share a line."""
    grouped: dict[str, list[str]] = {}
    for name, text in said:
        if text:
            grouped.setdefault(text, []).append(name)
    return tuple(f"{', '.join(names)}: {text}" for text, names in grouped.items())


def _explanation(found: FormatComparison, sources: views.Sources) -> Iterator[Block]:
    """Every measurement with its source, then one step of each format."""
    rows = tuple(
        Row(cells=(row.format_id, each.metric, each.model, percent(each.change), f"[{number}]"))
        for row in found.rows
        if row.quality is not None
        for each, number in _cited(row.quality, sources)
    )
    if rows:
        names = (Column(title="metric", share=1), Column(title="model", share=1))
        columns = (Column(title="format"), *names, Column(title="change", align="right"), Column(title="source"))
        yield Table(title="Quality, measurement by measurement", columns=columns, rows=rows)
    timed = tuple(
        Row(cells=(row.format_id, f"{each.ratio:.2f}×", each.gpu, each.model, each.engine, _load_of(each), number))
        for row in found.rows
        if row.quality is not None
        for each in row.quality.speeds
        for number in (f"[{sources.number(_named(each))}]",)
    )
    if timed:
        yield Table(title="Published speed, row by row", columns=TIMED, rows=timed)
    for row in found.rows:
        if row.speed is not None:
            title = f"{row.format_id}: one step, term by term"
            yield ledger_lines(row.speed.estimate.step_ledger, sources, title=title)


def _load_of(row: SpeedFigure) -> str:
    return f"{row.requests}: {row.input_tokens}/{row.output_tokens}"


def _named(row: SpeedFigure) -> str:
    when = row.source.retrieved.isoformat() if row.source.retrieved else "undated"
    return f"{row.source.title} ({when}, measured)" + (f" {row.source.url}" if row.source.url else "")


def _cited(quality: FormatQuality, sources: views.Sources) -> Iterator[tuple[Any, int]]:
    """Each measurement with the number of its source."""
    known = {each.source.id: each for each in quality.provenance}
    for figure in quality.figures:
        yield figure, sources.number(views.described(known[figure.source.id]))
    for statement in quality.statements:
        sources.number(views.described(known[statement.source.id]))

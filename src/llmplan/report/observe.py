"""A running server beside its plan, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmplan.plan.served.comparing import Compared
from llmplan.plan.served.drift import Finding, Kind
from llmplan.plan.served.expected import Expected, Predicted
from llmplan.plan.served.seen import Seen
from llmplan.plan.served.traffic import TRAFFIC_ROWS
from llmplan.report import views
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table, Tone
from llmplan.report.numbers import MISSING, band, format_bytes, format_seconds, percent, rate, seconds
from llmplan.report.predict import load_line
from llmplan.spec.band import Band

TITLES: dict[Kind, str] = {
    "deployment": "What runs there",
    "setting": "Changed settings",
    "capacity": "KV cache",
    "traffic": "Traffic",
    "latency": "Latency",
    "load": "Load",
    "reading": "How far these figures go",
}
DRIFT: tuple[Kind, ...] = ("deployment", "setting", "capacity", "latency")
"""kinds of findings that say the plan no longer holds; traffic, load and reading say what it was compared under"""
LATENCY_ROWS = ("itl_p95", "ttft", "ttft_p95", "tpot", "tpot_p95", "output_tokens_per_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One answer. `where` is what was read, `at` when (ISO 8601)."""

    where: str
    at: str
    seen: Seen
    rows: Sequence[Compared]
    findings: Sequence[Finding]
    expected: Expected | None = None
    predicted: Predicted | None = None
    notes: Sequence[str] = ()
    points: int = 0

    @property
    def drift(self) -> tuple[Finding, ...]:
        """The findings by which the plan no longer holds."""
        return tuple(finding for finding in self.findings if finding.kind in DRIFT)


def document(found: Observed, *, explain: bool = False) -> Document:
    """`llmplan observe`; `explain` adds how its figures were computed."""
    return tuple(_blocks(found, explain))


def _blocks(found: Observed, explain: bool) -> Iterator[Block]:
    last = found.seen.last
    version = f" {last.version}" if last.version else ", version unknown"
    name = last.served_name or last.model or "a model that it does not name"
    yield Paragraph(text=f"{name} on {last.engine}{version}, {found.where}", heading=1)
    yield Facts(pairs=tuple(_facts(found)))
    yield _table(found)
    if found.expected is not None:
        yield _verdict(found)
    for kind, title in TITLES.items():
        of_kind = tuple(_sentence(each) for each in found.findings if each.kind == kind)
        if of_kind:
            tone: Tone = "warn" if kind in (*DRIFT, "load") else "plain"
            yield Items(title=title, items=of_kind, tone=tone)
    if explain and (lines := tuple(_arithmetic(found))):
        yield Items(title="How figures were computed", items=lines)
    if found.notes:
        yield Items(title="Notes", items=tuple(found.notes), tone="dim")


def _facts(found: Observed) -> Iterator[tuple[str, str]]:
    seen, expected = found.seen, found.expected
    looks = len(seen.looks)
    if seen.since_start:
        yield "read", f"{found.at}, one look: everything since the server started"
    elif seen.span_s is None:
        yield "read", f"{found.at}, {looks} looks; the time between them is not known"
    else:
        yield "read", f"{found.at}, {looks} looks, {format_seconds(seen.span_s)} from the first to the last"
    if expected is None:
        yield "beside", "nothing: --plan plan.yaml or --model MODEL --gpu ID compares"
        return
    yield "beside", f"{expected.name}: {views.replica_line(expected.replica)}"
    if expected.replicas is not None:
        of = f"one of {expected.replicas}; all figures are of one" if expected.replicas > 1 else "1"
        yield "replicas", of
    if expected.taken:
        yield (
            "not stated",
            ", ".join(f"{key} {value}" for key, value in expected.taken.items()) + ": as the server says",
        )
    if expected.load is not None:
        yield "planned for", _planned(expected)
    if found.predicted is not None and seen.load is not None:
        load = seen.load
        how = (
            f"{rate(load.value)} in flight, {load.input_tokens.mean:,.0f} tokens in, {load.output_tokens.mean:,.0f} out"
        )
        doubt = ", which has no measurements of it" if found.predicted.extrapolated else ""
        yield "latency", f"expected for what was seen ({how}), by {found.predicted.calibration_id}{doubt}"


def _planned(expected: Expected) -> str:
    """The traffic that one replica was planned for, and its latency there."""
    assert expected.load is not None
    text = load_line(expected.load)
    estimate = expected.estimate
    if estimate is None:
        return text
    return f"{text}: TTFT {seconds(estimate.ttft_s)}, TPOT {seconds(estimate.tpot_s)}"


def _table(found: Observed) -> Table:
    beside = found.expected is not None
    columns = [Column(title="quantity")]
    columns += [Column(title="expected", align="right")] if beside else []
    columns += [Column(title="seen", align="right")]
    columns += [Column(title="")] if beside else []
    rows = []
    for row in found.rows:
        # latency is held against a prediction for the traffic that was seen, all else against the plan
        expected = row.planned if row.id not in LATENCY_ROWS else row.predicted
        cells = [row.name, *([_banded(expected, row.unit)] if beside else []), _seen(row), *([row.verdict] * beside)]
        rows.append(Row(cells=tuple(cells), tone="warn" if row.verdict == "differs" else "plain"))
    return Table(columns=tuple(columns), rows=tuple(rows))


def _arithmetic(found: Observed) -> Iterator[str]:
    """The formulae, with the numbers put in."""
    seen, span_s = found.seen, found.seen.span_s
    requests, spent, expected = seen.requests, seen.histogram("e2e"), found.expected
    if requests is not None and span_s:
        yield f"requests/s = requests answered / time = {requests:,.0f} / {span_s:.3g} s = {requests / span_s:.4g}"
    if spent is not None and span_s:
        yield (
            "requests in flight = seconds that answered requests spent in the server / time = "
            f"{spent.total:.4g} s / {span_s:.3g} s = {spent.total / span_s:.4g} (Little's law)"
        )
    generated = seen.histogram("per_token")
    if generated is not None and span_s and seen.least_in_flight is not None:
        read_s = seen.total("prefill_s") or 0.0
        yield (
            "requests in flight: at least (seconds that requests generated for + seconds in which any prompt was "
            f"read) / time = ({generated.total:.4g} s + {read_s:.4g} s) / {span_s:.3g} s = {seen.least_in_flight:.4g} "
            f"(Little's law); at the looks {seen.at_looks or 0.0:.3g} on average: the larger of both"
        )
    if generated is not None and generated.mean is not None:
        sums = f"{generated.total:.4g} s / {generated.count:,.0f}"
        text = f"TPOT mean = seconds of generation / tokens = {sums} = {generated.mean:.4g} s"
        if seen.lengths is not None and (after := seen.tpot_after_first_s) is not None:
            answer = seen.lengths.output_tokens.mean
            text += f"; without the first of {answer:,.0f} tokens x {answer:,.0f} / {answer - 1.0:,.0f} = {after:.4g} s"
        yield text
    for name in ("ttft", "tpot", "itl"):
        gained = seen.histogram(name)
        if gained is not None and gained.mean is not None:
            sums = f"{gained.total:.4g} s / {gained.count:,.0f}"
            yield f"{name.upper()} mean = sum / count = {sums} = {gained.mean:.4g} s"
    if expected is not None and expected.budget is not None and expected.capacity_tokens is not None:
        pool, capacity = expected.budget.kv_cache_bytes, expected.capacity_tokens
        yield (
            f"KV capacity expected = {capacity.mid:,.0f} tokens in a pool of {format_bytes(pool.mid)} on a GPU, with "
            f"the band of the pool: {format_bytes(pool.low)} to {format_bytes(pool.high)}"
        )
    if found.predicted is not None:
        yield (
            "TTFT expected = that of llmplan predict for this traffic without the client's part of a request: it is "
            "the server that measures"
        )


def _verdict(found: Observed) -> Paragraph:
    judged = [row for row in found.rows if row.verdict in ("agrees", "differs")]
    if found.drift:
        titles = dict.fromkeys(TITLES[each.kind] for each in found.drift)
        names = ", ".join(title if title[:2].isupper() else title[0].lower() + title[1:] for title in titles)
        return Paragraph(text=f"Not as planned: {names}.", tone="bad")
    if not [row for row in judged if row.id not in TRAFFIC_ROWS]:
        return Paragraph(
            text="Nothing but traffic could be held against the plan."
            if judged
            else "Nothing could be held against the plan.",
            tone="warn",
        )
    traffic = any(each.kind == "traffic" for each in found.findings)
    text = "As planned, for other traffic." if traffic else "As planned, in everything that could be judged."
    return Paragraph(text=text, tone="good")


def _sentence(finding: Finding) -> str:
    text = finding.message
    if finding.causes:
        word = "likely" if not finding.certain else "because of"
        first, *more = finding.causes
        others = "".join(f"; {cause}" if cause.startswith("and ") else f"; or {cause}" for cause in more)
        text += f". {word.capitalize()}: {first}{others}"
    return f"{text}. Fix: {finding.fix}" if finding.fix else text


def _banded(value: Band | None, unit: str) -> str:
    return MISSING if value is None else band(value, lambda each: _written(each, unit))


def _seen(row: Compared) -> str:
    if row.observed is None:
        return MISSING
    if row.low is None or row.high is None:
        return _written(row.observed, row.unit)
    if row.high == float("inf"):
        return f"above {_written(row.low, row.unit)}"
    return band(Band(low=row.low, mid=row.observed, high=row.high), lambda each: _written(each, row.unit))


def _written(value: float, unit: str) -> str:
    match unit:
        case "s":
            return format_seconds(value)
        case "share":
            return percent(value)
        case "tokens":
            return f"{value:,.0f}"
        case _:
            return f"{value:,.0f}" if value >= 100 or value.is_integer() else rate(value)

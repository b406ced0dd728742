"""A trace in figures, as people and as programs read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.json import Record, finite, schema
from llmplan.report.numbers import percent, plural, rate
from llmplan.spec.traffic import RateSeries
from llmplan.spec.traffic_statistics import LengthStatistics, TrafficStatistics
from llmplan.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE, format_seconds

SHOWN_TENANTS = 10
ROUNDED_SHARE = 0.2
"""of requests with the time stamp of the one before, from which on times are likely rounded"""
_UNITS = {"s": "in seconds", "ms": "in milliseconds", "us": "in microseconds", "iso": "as dates"}
_KINDS = {SECONDS_PER_MINUTE: "minute", SECONDS_PER_HOUR: "hour"}


def document(
    found: TrafficStatistics,
    *,
    source: str,
    kind: str,
    unit: str | None,
    tenants: Sequence[str],
    problems: Sequence[str],
) -> Document:
    """`llmplan workload describe`."""
    return tuple(_blocks(found, source, kind, unit, tenants, problems))


def _blocks(
    found: TrafficStatistics, source: str, kind: str, unit: str | None, tenants: Sequence[str], problems: Sequence[str]
) -> Iterator[Block]:
    yield Paragraph(text=f"{source}: {found.requests:,} requests in {format_seconds(found.duration_s)}", heading=1)
    yield Paragraph(text=f"{kind} trace, times {_UNITS[unit or 's']}")
    yield Facts(pairs=tuple(_facts(found)))
    yield Table(
        columns=(Column(title="tokens"), *(Column(title=name, align="right") for name in _LENGTHS)),
        rows=(_length_row("input", found.input_tokens), _length_row("output", found.output_tokens)),
    )
    if len(found.tenants) > 1:
        yield _tenant_table(found, tenants)
    if found.equal_stamp_share >= ROUNDED_SHARE:
        share = percent(found.equal_stamp_share)
        text = (
            f"{share} of the requests have the time stamp of the one before: times are rounded, so that gaps and "
            "seconds say nothing. --jitter TIME spreads them again"
        )
        yield Items(title="Warnings", items=(text,), tone="warn")
    if problems:
        yield Items(title="Rows that could not be used as they are", items=tuple(problems), tone="warn")


_LENGTHS = ("mean", "p50", "p90", "p95", "p99", "max")


def _facts(found: TrafficStatistics) -> Iterator[tuple[str, str]]:
    yield "rate", f"{rate(found.requests_per_s)} request{plural(found.requests_per_s)} per second"
    if found.gap_cv is not None:
        yield "gaps", f"coefficient of variation {rate(found.gap_cv)} (1 is Poisson)"
    for bin_s, name in _KINDS.items():
        if (bins := found.bins.get(bin_s)) is None or bins.bins < 2:
            continue
        yield f"busiest {name}", f"{rate(bins.peak_to_mean)} × the mean of {bins.bins:,} {name}s"
        yield f"{name}s without a request", percent(bins.idle_share)
    if (minutes := found.bins.get(SECONDS_PER_MINUTE)) is not None and minutes.bins > 1:
        yield "dispersion by minute", f"variance {rate(minutes.dispersion)} × the mean (1 is Poisson)"
    yield "longest request", f"{found.longest_request_tokens:,} tokens, input plus output"
    if (prefixes := found.prefixes) is not None:
        at_least = "" if prefixes.exact else "at least "
        blocks = f"{prefixes.unique_blocks:,} different blocks of {prefixes.block_tokens} tokens"
        yield "prefix hits", f"{at_least}{percent(prefixes.hit_share)} of the input, cache of any size ({blocks})"
        if not prefixes.exact:
            yield "", "more different blocks than are remembered: those after count as new"


def _length_row(name: str, lengths: LengthStatistics) -> Row:
    values = (getattr(lengths, part) for part in _LENGTHS)
    return Row(cells=(name, *(f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" for value in values)))


def _tenant_table(found: TrafficStatistics, tenants: Sequence[str]) -> Table:
    shown = found.tenants[:SHOWN_TENANTS]
    rows = [
        Row(cells=(_tenant_name(each.tenant, tenants), percent(each.request_share), percent(each.token_share)))
        for each in shown
    ]
    if rest := found.tenants[SHOWN_TENANTS:]:
        requests, tokens = (sum(getattr(each, name) for each in rest) for name in ("request_share", "token_share"))
        rows.append(Row(cells=(f"{len(rest):,} others", percent(requests), percent(tokens))))
    columns = (Column(title="tenant"), Column(title="requests", align="right"), Column(title="tokens", align="right"))
    return Table(columns=columns, rows=tuple(rows))


def _tenant_name(number: int, tenants: Sequence[str]) -> str:
    return tenants[number] if number < len(tenants) else str(number)


def record(
    found: TrafficStatistics,
    *,
    source: str,
    kind: str,
    unit: str | None,
    tenants: Sequence[str],
    bad_rows: Mapping[str, Any],
) -> Record:
    """The same as JSON."""
    prefixes = found.prefixes
    return {
        "schema": schema("workload.describe"),
        "source": source,
        "kind": kind,
        "time_unit": unit,
        "requests": found.requests,
        "duration_s": found.duration_s,
        "requests_per_s": finite(found.requests_per_s),
        "cv_interarrival": found.gap_cv,
        "equal_stamp_share": found.equal_stamp_share,
        "bins": [
            {
                "bin_s": each.bin_s,
                "bins": each.bins,
                "peak_to_mean": each.peak_to_mean,
                "idle_share": each.idle_share,
                "dispersion": each.dispersion,
            }
            for each in found.bins.values()
        ],
        "input_tokens": _length_record(found.input_tokens),
        "output_tokens": _length_record(found.output_tokens),
        "longest_request_tokens": found.longest_request_tokens,
        "prefixes": None
        if prefixes is None
        else {
            "block_tokens": prefixes.block_tokens,
            "hit_share": prefixes.hit_share,
            "hit_block_share": prefixes.hit_block_share,
            "unique_blocks": prefixes.unique_blocks,
            "exact": prefixes.exact,
        },
        "tenants": [
            {
                "tenant": _tenant_name(each.tenant, tenants),
                "request_share": each.request_share,
                "token_share": each.token_share,
            }
            for each in found.tenants
        ],
        "bad_rows": dict(bad_rows),
    }


def _length_record(lengths: LengthStatistics) -> Record:
    return {name: getattr(lengths, name) for name in _LENGTHS}


def rates_document(series: RateSeries, *, source: str) -> Document:
    """A file of rates in figures."""
    pairs = (
        ("rate", f"{rate(series.mean)} request{plural(series.mean)} per second"),
        ("busiest bin", f"{rate(series.peak_to_mean)} × the mean"),
        ("bins without a request", percent(series.idle_share)),
    )
    bins = f"{len(series.rates):,} bins of {format_seconds(series.bin_s)}"
    return (Paragraph(text=f"{source}: rates in {bins}", heading=1), Facts(pairs=pairs))


def rates_record(series: RateSeries, *, source: str) -> Record:
    """The same as JSON."""
    return {
        "schema": schema("workload.describe"),
        "source": source,
        "kind": "rates",
        "duration_s": series.span_s,
        "requests_per_s": series.mean,
        "bins": [
            {
                "bin_s": series.bin_s,
                "bins": len(series.rates),
                "peak_to_mean": series.peak_to_mean,
                "idle_share": series.idle_share,
            }
        ],
    }

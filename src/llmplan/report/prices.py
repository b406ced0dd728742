"""Price rows as a list, and what an update would change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from llmplan.report.blocks import Column, Document, Paragraph, Row, Table
from llmplan.report.json import Record, schema
from llmplan.spec.price import HourlyOffer, ServerlessOffer, TokenOffer, UnpricedOffer
from llmplan.units import SECONDS_PER_HOUR, format_usd

UNDATED = "undated"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """One price as it is listed. `gpu_usd_per_hour` makes machines of all sizes comparable; None by the token."""

    provider: str
    region: str
    term: str
    item: str
    price: str
    gpu_usd_per_hour: float | None
    quality: str
    as_of: date | None
    source: str
    url: str | None
    record: Record


def hourly_row(offer: HourlyOffer) -> PriceRow:
    """A machine by the hour."""
    own = {
        "kind": "hourly", "instance": offer.instance, "gpu": offer.gpu_id, "gpus": offer.gpus,
        "usd_per_hour": offer.usd_per_hour, "per_gpu": offer.per_gpu, "upfront": offer.upfront,
        "interruption": offer.interruption,
    }  # fmt: skip
    return _row(
        offer, offer.term, f"{offer.gpus:g} x {offer.gpu_id}  {offer.instance}", f"{format_usd(offer.usd_per_hour)}/h",
        offer.usd_per_hour / offer.gpus, offer.quality, own,
    )  # fmt: skip


def serverless_row(offer: ServerlessOffer) -> PriceRow:
    """A GPU by the second."""
    own = {
        "kind": "serverless", "gpu": offer.gpu_id, "mode": offer.mode, "usd_per_gpu_s": offer.usd_per_gpu_s,
        "usd_per_vcpu_s": offer.usd_per_vcpu_s, "usd_per_gib_s": offer.usd_per_gib_s,
        "scales_to_zero": offer.scales_to_zero, "granularity_s": offer.granularity_s,
        "plan_fee_usd_per_month": offer.plan_fee_usd_per_month,
    }  # fmt: skip
    hourly = offer.usd_per_gpu_s * SECONDS_PER_HOUR
    return _row(
        offer, "per second", f"1 x {offer.gpu_id}  {offer.mode}", f"{format_usd(offer.usd_per_gpu_s)}/s",
        hourly, offer.quality, own,
    )  # fmt: skip


def token_row(offer: TokenOffer) -> PriceRow:
    """A model by the token."""
    own = {
        "kind": "tokens", "model": offer.model_id, "listed_as": offer.listed_as,
        "input_usd_per_mtok": offer.input_usd_per_mtok, "output_usd_per_mtok": offer.output_usd_per_mtok,
        "cached_input_usd_per_mtok": offer.cached_input_usd_per_mtok, "weights": offer.weights,
        "ends": offer.ends.isoformat() if offer.ends else None,
    }  # fmt: skip
    price = f"{format_usd(offer.input_usd_per_mtok)} in, {format_usd(offer.output_usd_per_mtok)} out /Mtok"
    return _row(offer, "per token", offer.listed_as, price, None, "listed", own)


def unpriced_record(offer: UnpricedOffer) -> Record:
    """A product without a known rate."""
    source = offer.provenance.source
    return {
        "provider": offer.provider, "product": offer.product, "gpu": offer.gpu_id, "note": offer.note,
        "source": source.title, "url": source.url,
    }  # fmt: skip


def list_record(rows: Sequence[PriceRow], unpriced: Sequence[UnpricedOffer], as_of: date) -> Record:
    """Every row, for machines."""
    return {
        "schema": schema("prices"),
        "as_of": as_of.isoformat(),
        "prices": [row.record for row in rows],
        "unpriced": [unpriced_record(offer) for offer in unpriced],
    }


def list_document(rows: Sequence[PriceRow], unpriced: Sequence[UnpricedOffer], total: int, as_of: date) -> Document:
    """The rows as a table."""
    columns = (
        Column(title="provider"), Column(title="region"), Column(title="term"), Column(title="what", share=2),
        Column(title="price", align="right"), Column(title="per GPU-h", align="right"), Column(title="as of"),
    )  # fmt: skip
    cells = tuple(
        Row(
            cells=(
                row.provider, row.region, row.term, row.item, row.price,
                "" if row.gpu_usd_per_hour is None else format_usd(row.gpu_usd_per_hour),
                _dated(row),
            ),
        )
        for row in rows
    )  # fmt: skip
    shown = f"{len(rows)} of {total} prices" if len(rows) < total else f"{total} prices"
    blocks: list[Any] = [Table(columns=columns, rows=cells)] if rows else []
    blocks.append(Paragraph(text=f"{shown} as of {as_of.isoformat()}", tone="dim"))
    if unpriced:
        names = "; ".join(f"{offer.provider}: {offer.product} ({offer.note})" for offer in unpriced)
        blocks.append(Paragraph(text=f"Without a price: {names}", tone="dim"))
    return tuple(blocks)


def _dated(row: PriceRow) -> str:
    day = row.as_of.isoformat() if row.as_of else UNDATED
    return day if row.quality == "listed" else f"{day} {row.quality}"


def _row(
    offer: HourlyOffer | ServerlessOffer | TokenOffer,
    term: str,
    item: str,
    price: str,
    gpu_usd_per_hour: float | None,
    quality: str,
    own: Record,
) -> PriceRow:
    source = offer.provenance.source
    record = {
        "provider": offer.provider, "region": offer.region, "term": term, **own, "quality": quality,
        "as_of": offer.from_date.isoformat() if offer.from_date else None,
        "source": source.title, "url": source.url, "note": offer.provenance.note,
    }  # fmt: skip
    return PriceRow(
        provider=offer.provider, region=offer.region, term=term, item=item, price=price,
        gpu_usd_per_hour=gpu_usd_per_hour, quality=quality, as_of=offer.from_date,
        source=source.title, url=source.url, record=record,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSummary:
    """What an update found: changed prices (provider, key, old, new), complaints and the files written."""

    changes: tuple[tuple[str, str, float | None, float], ...]
    problems: tuple[tuple[str, str, str], ...]
    written: tuple[str, ...]


def update_record(summary: UpdateSummary) -> Record:
    """The summary for machines."""
    return {
        "schema": schema("prices-update"),
        "changes": [
            {"provider": provider, "price": key, "old_usd": old, "new_usd": new}
            for provider, key, old, new in summary.changes
        ],
        "problems": [
            {"severity": severity, "provider": provider, "message": message}
            for severity, provider, message in summary.problems
        ],
        "written": list(summary.written),
    }


def update_document(summary: UpdateSummary, limit: int = 40) -> Document:
    """The summary as tables."""
    blocks: list[Any] = []
    if summary.changes:
        columns = (
            Column(title="provider"), Column(title="price", share=1), Column(title="old", align="right"),
            Column(title="new", align="right"), Column(title="change", align="right"),
        )  # fmt: skip
        rows = tuple(
            Row(cells=(provider, key, "new" if old is None else f"{old:g}", f"{new:g}", _percent(old, new)))
            for provider, key, old, new in summary.changes[:limit]
        )
        blocks.append(Table(columns=columns, rows=rows))
    if len(summary.changes) > limit:
        blocks.append(Paragraph(text=f"... and {len(summary.changes) - limit} more", tone="dim"))
    for severity, provider, message in summary.problems:
        blocks.append(Paragraph(text=f"{severity}: {provider}: {message}", tone="warn"))
    written = f"{len(summary.written)} files written" if summary.written else "nothing written"
    blocks.append(Paragraph(text=f"{len(summary.changes)} prices new or changed; {written}", tone="strong"))
    return tuple(blocks)


def _percent(old: float | None, new: float) -> str:
    return f"{(new / old - 1) * 100:+.1f} %" if old else ""

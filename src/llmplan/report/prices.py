"""Price rows as a list, and what the market asks before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any

from llmplan.report.blocks import Column, Document, Items, Paragraph, Row, Table
from llmplan.report.json import Record, schema
from llmplan.spec.price import CpuOffer, HourlyOffer, ServerlessOffer, TokenOffer, UnpricedOffer
from llmplan.units import GIB, SECONDS_PER_HOUR, format_usd

UNDATED = "undated"
LEFT_OUT = (
    "listed prices do not count in the medians, since firmer ones are known: means, undated prices of a seller who has "
    "dated ones, advertised prices per second, parts of a GPU"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """One price as it is listed. `unit_usd_per_hour`, of one GPU or vCPU, makes machines of all sizes comparable; None
    by the token."""

    provider: str
    region: str
    term: str
    item: str
    price: str
    unit_usd_per_hour: float | None
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
        offer, offer.term, f"{offer.gpus:g} x {offer.gpu_id}\n{offer.instance}", f"{format_usd(offer.usd_per_hour)}/h",
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
        offer, "per second", f"1 x {offer.gpu_id}\n{offer.mode}", f"{format_usd(offer.usd_per_gpu_s)}/s",
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
    price = f"{format_usd(offer.input_usd_per_mtok)} in\n{format_usd(offer.output_usd_per_mtok)} out /Mtok"
    return _row(offer, "per token", offer.listed_as, price, None, "listed", own)


def cpu_row(offer: CpuOffer) -> PriceRow:
    """A machine without a GPU by the hour."""
    own = {
        "kind": "cpu", "instance": offer.instance, "vcpus": offer.vcpus, "memory_bytes": offer.memory_bytes,
        "architecture": offer.architecture, "usd_per_hour": offer.usd_per_hour,
    }  # fmt: skip
    item = f"{offer.vcpus:g} vCPUs {offer.architecture}, {offer.memory_bytes / GIB:g} GiB\n{offer.instance}"
    price = f"{format_usd(offer.usd_per_hour)}/h"
    return _row(offer, offer.term, item, price, offer.usd_per_hour / offer.vcpus, offer.quality, own)


def unpriced_record(offer: UnpricedOffer) -> Record:
    """A product without a known rate."""
    source = offer.provenance.source
    return {
        "provider": offer.provider, "product": offer.product, "gpu": offer.gpu_id, "note": offer.note,
        "source": source.title, "url": source.url,
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketLine:
    """What the market asks for one GPU or model: the median over sellers, each of which counts once by his own median.

    `usd` and its range are per GPU-hour or vCPU-hour, or for a model `(input, output)` per million tokens.
    """

    subject: str
    term: str
    usd: tuple[float, ...]
    low_usd: tuple[float, ...]
    high_usd: tuple[float, ...]
    sellers: int
    rows: int
    undated: int
    oldest: date | None
    newest: date | None
    left_out: int = 0
    """listed prices that do not count, since there are firmer ones"""


def token_market(offers: Sequence[TokenOffer]) -> list[MarketLine]:
    """The median price of each model's tokens, over sellers, each by the median of his listings."""
    lines = []
    for model in sorted({offer.model_id for offer in offers}):
        sold = [offer for offer in offers if offer.model_id == model]
        sides = [
            [(offer.provider, offer.input_usd_per_mtok) for offer in sold],
            [(offer.provider, offer.output_usd_per_mtok) for offer in sold],
        ]
        days = sorted(offer.from_date for offer in sold if offer.from_date)
        lines.append(
            MarketLine(
                subject=model,
                term="per token",
                usd=tuple(_median_of_sellers(side) for side in sides),
                low_usd=tuple(min(price for _, price in side) for side in sides),
                high_usd=tuple(max(price for _, price in side) for side in sides),
                sellers=len({offer.provider for offer in sold}),
                rows=len(sold),
                undated=len(sold) - len(days),
                oldest=days[0] if days else None,
                newest=days[-1] if days else None,
            )
        )
    return lines


def cpu_market(offers: Sequence[CpuOffer]) -> list[MarketLine]:
    """The median price of an hour of one vCPU, by architecture and term, over sellers, each by his own median."""
    lines = []
    for architecture, term in sorted({(offer.architecture, offer.term) for offer in offers}):
        sold = [offer for offer in offers if (offer.architecture, offer.term) == (architecture, term)]
        priced = [(offer.provider, offer.usd_per_hour / offer.vcpus) for offer in sold]
        days = sorted(offer.from_date for offer in sold if offer.from_date)
        lines.append(
            MarketLine(
                subject=f"vCPU {architecture}",
                term=term,
                usd=(_median_of_sellers(priced),),
                low_usd=(min(price for _, price in priced),),
                high_usd=(max(price for _, price in priced),),
                sellers=len({offer.provider for offer in sold}),
                rows=len(sold),
                undated=len(sold) - len(days),
                oldest=days[0] if days else None,
                newest=days[-1] if days else None,
            )
        )
    return lines


def _median_of_sellers(priced: Sequence[tuple[str, float]]) -> float:
    by_seller: dict[str, list[float]] = {}
    for seller, price in priced:
        by_seller.setdefault(seller, []).append(price)
    return median(median(prices) for prices in by_seller.values())


def market_record(line: MarketLine) -> Record:
    """One line of the market, for machines."""
    kind = "model" if len(line.usd) == 2 else "cpu" if line.subject.startswith("vCPU ") else "gpu"
    names = {
        "gpu": ("usd_per_gpu_hour",), "cpu": ("usd_per_vcpu_hour",),
        "model": ("input_usd_per_mtok", "output_usd_per_mtok"),
    }[kind]  # fmt: skip
    amounts: Record = {}
    for bound, values in (("", line.usd), ("low_", line.low_usd), ("high_", line.high_usd)):
        amounts |= {f"{bound}{name}": value for name, value in zip(names, values, strict=True)}
    return {
        kind: line.subject.removeprefix("vCPU "), "term": line.term, **amounts, "sellers": line.sellers,
        "rows": line.rows, "undated": line.undated, "left_out": line.left_out,
        "oldest": line.oldest.isoformat() if line.oldest else None,
        "newest": line.newest.isoformat() if line.newest else None,
    }  # fmt: skip


def market_table(lines: Sequence[MarketLine]) -> Table:
    """What the market asks, a row for each GPU and term, or for each model."""
    columns = (
        Column(title="what, term", share=1), Column(title="median, range", align="right"),
        Column(title="sellers", align="right"), Column(title="rows, undated", align="right"),
        Column(title="newest, oldest"),
    )  # fmt: skip
    rows = tuple(
        Row(
            cells=(
                f"{line.subject}\n{line.term}", _asked(line), f"{line.sellers}", f"{line.rows}\n{line.undated}",
                f"{line.newest or UNDATED}\n{line.oldest or UNDATED}",
            )
        )
        for line in lines
    )  # fmt: skip
    title = "What the market asks, in USD per GPU-h, vCPU-h or million tokens: the median over sellers of their medians"
    return Table(columns=columns, rows=rows, title=title)


def _asked(line: MarketLine) -> str:
    """The median above its range; for tokens a line for each side."""
    ranges = [f"{format_usd(low)}–{format_usd(high)}" for low, high in zip(line.low_usd, line.high_usd, strict=True)]
    if len(line.usd) == 1:
        return f"{format_usd(line.usd[0])}\n{ranges[0]}"
    sides = zip(("in", "out"), line.usd, ranges, strict=True)
    return "\n".join(f"{side} {format_usd(price)} ({around})" for side, price, around in sides)


def list_record(
    rows: Sequence[PriceRow], unpriced: Sequence[UnpricedOffer], as_of: date, market: Sequence[MarketLine] = ()
) -> Record:
    """Every row, for machines."""
    return {
        "schema": schema("prices"),
        "as_of": as_of.isoformat(),
        "market": [market_record(line) for line in market],
        "prices": [row.record for row in rows],
        "unpriced": [unpriced_record(offer) for offer in unpriced],
    }


def list_document(
    rows: Sequence[PriceRow],
    unpriced: Sequence[UnpricedOffer],
    total: int,
    as_of: date,
    market: Sequence[MarketLine] = (),
) -> Document:
    """What the market asks, and the rows as a table."""
    columns = (
        Column(title="provider, region"), Column(title="what", share=1), Column(title="price", align="right"),
        Column(title="term, day, how sure, [source]"),
    )  # fmt: skip
    sources = list(dict.fromkeys(map(_source, rows)))
    cells = tuple(
        Row(
            cells=(
                f"{row.provider}\n{row.region}", row.item, _price(row), _known(row, sources.index(_source(row)) + 1),
            )
        )
        for row in rows
    )  # fmt: skip
    shown = f"{len(rows)} of {total} prices" if len(rows) < total else f"{total} prices"
    blocks: list[Any] = [market_table(market)] if market else []
    left_out = sum(line.left_out for line in market)
    blocks += [Paragraph(text=f"{left_out} {LEFT_OUT}", tone="dim")] if left_out else []
    blocks += [Table(columns=columns, rows=cells)] if rows else []
    blocks += [Items(title="Sources", items=tuple(sources), numbered=True)] if rows else []
    blocks.append(Paragraph(text=f"{shown} as of {as_of.isoformat()}", tone="dim"))
    if unpriced:
        names = "; ".join(f"{offer.provider}: {offer.product} ({offer.note})" for offer in unpriced)
        blocks.append(Paragraph(text=f"Without a price: {names}", tone="dim"))
    return tuple(blocks)


def _price(row: PriceRow) -> str:
    """The price as it is billed, and what an hour of one GPU or vCPU comes to."""
    if row.unit_usd_per_hour is None:
        return row.price
    unit = "vCPU" if row.record["kind"] == "cpu" else "GPU"
    return f"{row.price}\n{format_usd(row.unit_usd_per_hour)}/{unit}-h"


def _known(row: PriceRow, source: int) -> str:
    """On which term, since when, how firm and how sure a price is, and the number of its source."""
    day = row.as_of.isoformat() if row.as_of else UNDATED
    confidence = row.record["confidence"]
    sure = [] if row.quality == "listed" else [row.quality]
    sure += [f"sure: {confidence}"] if confidence else []
    return "\n".join((row.term, f"{day} [{source}]", *sure))


def _source(row: PriceRow) -> str:
    """Where a price was read, as the list of sources has it."""
    return f"{row.source}, {row.url}" if row.url else row.source


def _row(
    offer: HourlyOffer | ServerlessOffer | TokenOffer | CpuOffer,
    term: str,
    item: str,
    price: str,
    unit_usd_per_hour: float | None,
    quality: str,
    own: Record,
) -> PriceRow:
    source = offer.provenance.source
    record = {
        "provider": offer.provider, "region": offer.region, "term": term, **own, "quality": quality,
        "as_of": offer.from_date.isoformat() if offer.from_date else None,
        "source": source.title, "url": source.url, "locator": source.locator, "note": offer.provenance.note,
        "confidence": offer.confidence if isinstance(offer, HourlyOffer | ServerlessOffer) else None,
    }  # fmt: skip
    return PriceRow(
        provider=offer.provider, region=offer.region, term=term, item=item, price=price,
        unit_usd_per_hour=unit_usd_per_hour, quality=quality, as_of=offer.from_date,
        source=source.title, url=source.url, record=record,
    )  # fmt: skip

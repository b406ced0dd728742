"""Which rates of stored bills the sellers state differently today."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from llmplan.plan.drift import NOTHING, Drift, Reading, same
from llmplan.plan.outcome import Option, PriceFigure, QuoteLine
from llmplan.pricing.figures import fact_figure, hourly_figure, serverless_figure, token_figure
from llmplan.pricing.owned import WRITTEN_OFF
from llmplan.pricing.rates import OTHERS, assumed_rates, rate_figure
from llmplan.pricing.tiers import fact_usd
from llmplan.spec.price import CostFact, HourlyOffer, PriceBook, ServerlessOffer, TokenOffer

Row: TypeAlias = HourlyOffer | ServerlessOffer | TokenOffer | CostFact
RowKey: TypeAlias = tuple[str, str, str, str]


def moved_prices(options: Iterable[Option], prices: PriceBook) -> tuple[Drift, ...]:
    """The rates that are paid in `options`, where the same row of the same seller has another rate in `prices`.

    options: as stored, unit prices in USD per unit of their line; prices: the rows of one day [USD].
    A row is the same by provider, region, term and instance. Where several are (one instance on several payment
    plans), the nearest rate counts. A row that is gone has moved to no rate.
    Valid for every kind of bill; what is compared beside it (`alternatives`) is not paid. What the asker stated does
    not move, and what a purchase is written off by a month is no seller's rate. Reference: `PriceFigure`.
    """
    bought = [(option, line) for option in options for line in option.quote.lines if _is_a_rate(line)]
    wanted = {_key(line.figure) for _, line in bought if line.figure is not None}
    listed: dict[RowKey, list[tuple[Row, PriceFigure]]] = {}
    for row, figure in _rows(prices, {key[0] for key in wanted}):
        if _key(figure) in wanted:
            listed.setdefault(_key(figure), []).append((row, figure))
    drifts: dict[str, Drift] = {}
    for option, line in bought:
        assert line.figure is not None
        drift = _moved(option, line, line.figure, listed.get(_key(line.figure), ()))
        if drift is not None:
            drifts.setdefault(drift.path, drift)
    return tuple(drifts.values())


def _is_a_rate(line: QuoteLine) -> bool:
    return line.figure is not None and line.figure.quality != "stated" and line.unit != WRITTEN_OFF


def rate_now(line: QuoteLine, gpu_id: str | None, prices: PriceBook) -> Reading:
    """What the row behind a line states in `prices` [USD per unit of the line], with its source and day; `NOTHING`
    where the row is gone. Of several rows of one name (payment plans) the nearest rate counts.
    """
    assert line.figure is not None
    key = _key(line.figure)
    listed = ((row, figure) for row, figure in _rows(prices, {line.figure.provider}) if _key(figure) == key)
    return _nearest(line, gpu_id, listed)


def _key(figure: PriceFigure) -> RowKey:
    return figure.provider, figure.region, figure.term, figure.instance


def _rows(prices: PriceBook, providers: set[str]) -> Iterator[tuple[Row, PriceFigure]]:
    """Every row of some sellers, under the name that a bill has for it."""
    yield from ((offer, hourly_figure(offer)) for offer in prices.hourly if offer.provider in providers)
    yield from ((offer, serverless_figure(offer)) for offer in prices.serverless if offer.provider in providers)
    yield from ((offer, token_figure(offer)) for offer in prices.tokens if offer.provider in providers)
    yield from ((fact, fact_figure(fact)) for fact in prices.facts.values())
    if OTHERS in providers:
        names = {fact.id.rpartition(".")[2] for fact in prices.facts.values() if "." in fact.id}
        yield from ((fact, rate_figure(fact)) for name in sorted(names) for fact in assumed_rates(name, prices))


def _moved(
    option: Option, line: QuoteLine, figure: PriceFigure, listed: Iterable[tuple[Row, PriceFigure]]
) -> Drift | None:
    replica = option.deployment.replica
    gpu_id = replica.gpu.id if replica is not None else None
    planned, now = line.unit_price_usd, _nearest(line, gpu_id, listed)
    if now is not NOTHING and same(planned, now.value):
        return None
    what = line.name if line.unit == "Mtok" else line.unit
    return Drift(
        path=f"prices/{'/'.join(_key(figure))}/{what}",
        kind="price",
        planned=Reading(value=planned, source=figure.source, as_of=figure.as_of),
        now=now,
    )


def _nearest(line: QuoteLine, gpu_id: str | None, listed: Iterable[tuple[Row, PriceFigure]]) -> Reading:
    rates = [
        Reading(value=_rate(row, line), source=now.source, as_of=now.as_of)
        for row, now in listed
        if not isinstance(row, HourlyOffer) or (row.gpu_id == gpu_id and _unit(row) == line.unit)
    ]
    return min(rates, key=lambda rate: _distance(line.unit_price_usd, rate), default=NOTHING)


def _distance(planned: float | None, rate: Reading) -> float:
    if planned is None or not isinstance(rate.value, (int, float)):
        return 0.0 if planned == rate.value else math.inf
    return abs(rate.value - planned)


def _unit(offer: HourlyOffer) -> str:
    return "GPU-h" if offer.per_gpu else "instance-h"


def _rate(row: Row, line: QuoteLine) -> float | None:
    """The rate of a row that a line multiplies [USD per unit of the line]."""
    match row:
        case HourlyOffer():
            return row.usd_per_hour
        case ServerlessOffer():
            by_unit = {
                "GPU-s": row.usd_per_gpu_s, "vCPU-s": row.usd_per_vcpu_s, "GiB-s": row.usd_per_gib_s,
                "month": row.plan_fee_usd_per_month,
            }  # fmt: skip
            return by_unit.get(line.unit)
        case TokenOffer():
            by_name = {
                "input tokens": row.input_usd_per_mtok, "output tokens": row.output_usd_per_mtok,
                "cached input tokens": row.cached_input_usd_per_mtok,
            }  # fmt: skip
            return by_name.get(line.name)
        case CostFact():
            tiered = row.tiers and line.quantity > 0
            return fact_usd(line.quantity, row) / line.quantity if tiered else row.value

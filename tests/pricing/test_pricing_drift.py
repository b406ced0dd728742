"""A stored bill's rates beside a price book's."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

import plan_samples as sample
from llmplan.plan.outcome import Option, PriceFigure, QuoteLine
from llmplan.pricing import moved_prices
from llmplan.pricing.figures import fact_figure, hourly_figure, serverless_figure, token_figure
from llmplan.spec.price import CostFact, HourlyOffer, PriceBook, ServerlessOffer, TokenOffer

DAY = date(2026, 11, 20)
HOURLY = HourlyOffer(
    provider="lambda", instance="gpu_8x_h100", gpu_id="h100-sxm-80gb", gpus=8, region="us-east", term="on-demand",
    usd_per_hour=24.0, from_date=DAY, quality="listed", provenance=sample.PUBLISHED,
)  # fmt: skip
SECONDS = ServerlessOffer(
    provider="modal", gpu_id="h100-sxm-80gb", mode="flex", usd_per_gpu_s=0.001, scales_to_zero=True,
    granularity_s=None, idle_window_s=None, usd_per_vcpu_s=None, confidence="high", from_date=DAY,
    provenance=sample.PUBLISHED,
)  # fmt: skip
TOKENS = TokenOffer(
    provider="deepinfra", model_id="a/b", listed_as="deepinfra/b", input_usd_per_mtok=0.02, output_usd_per_mtok=0.04,
    from_date=DAY, provenance=sample.PUBLISHED,
)  # fmt: skip
POWER = CostFact(id="electricity", value=0.08, unit="USD/kWh", provenance=sample.PUBLISHED)
BOOK = PriceBook(hourly=(HOURLY,), serverless=(SECONDS,), tokens=(TOKENS,), facts={"electricity": POWER}, as_of=DAY)


def bill(figure: PriceFigure | None, unit: str, price: float | None, name: str = "rent") -> Option:
    """An option with one line."""
    line = QuoteLine(
        name=name, quantity=1, unit=unit, unit_price_usd=price, usd_per_month=price, figure=figure
    )  # fmt: skip
    return sample.option(quote=replace(sample.quote(), lines=(line,)))


BILLS = {
    "hourly": bill(hourly_figure(HOURLY), "instance-h", 24.0),
    "seconds": bill(serverless_figure(SECONDS), "GPU-s", 0.001),
    "vcpu": bill(serverless_figure(SECONDS), "vCPU-s", None),
    "input": bill(token_figure(TOKENS), "Mtok", 0.02, "input tokens"),
    "output": bill(token_figure(TOKENS), "Mtok", 0.04, "output tokens"),
    "power": bill(fact_figure(POWER), "kWh", 0.08),
    "owned": bill(None, "month", None),
}


def test_the_prices_that_a_plan_was_made_with_have_not_moved() -> None:
    assert moved_prices(BILLS.values(), BOOK) == ()


@pytest.mark.parametrize(
    ("which", "part", "change", "now"),
    [
        ("hourly", "hourly", {"usd_per_hour": 28.0}, 28.0),
        ("seconds", "serverless", {"usd_per_gpu_s": 0.0011}, 0.0011),
        ("vcpu", "serverless", {"usd_per_vcpu_s": 0.00001}, 0.00001),
        ("input", "tokens", {"input_usd_per_mtok": 0.03}, 0.03),
        ("output", "tokens", {"output_usd_per_mtok": 0.05}, 0.05),
    ],
)
def test_a_newer_rate_of_the_same_row(which: str, part: str, change: dict[str, Any], now: float) -> None:
    later = date(2026, 11, 24)
    (row,) = getattr(BOOK, part)
    book = replace(BOOK, **{part: (replace(row, from_date=later, **change),)})
    (drift,) = moved_prices([BILLS[which], BILLS[which]], book)
    (line,) = BILLS[which].quote.lines
    assert (drift.kind, drift.planned.value, drift.now.value) == ("price", line.unit_price_usd, now)
    assert (drift.planned.as_of, drift.now.as_of) == (DAY, later)
    assert moved_prices([each for name, each in BILLS.items() if name != which], book) == ()


def test_the_price_of_electricity() -> None:
    book = replace(BOOK, facts={"electricity": replace(POWER, value=0.1)})
    (drift,) = moved_prices(BILLS.values(), book)
    assert (drift.path, drift.now.value) == ("prices/general/global/rate/electricity/kWh", 0.1)


@pytest.mark.parametrize(
    "book",
    [
        replace(BOOK, hourly=()),
        replace(BOOK, hourly=(replace(HOURLY, region="us-west"),)),
        replace(BOOK, hourly=(replace(HOURLY, gpu_id="h200-sxm-141gb"),)),
        replace(BOOK, hourly=(replace(HOURLY, per_gpu=True, gpus=1),)),
    ],
)
def test_a_row_that_is_gone(book: PriceBook) -> None:
    (drift,) = moved_prices(BILLS.values(), book)
    assert drift.path == "prices/lambda/us-east/on-demand/gpu_8x_h100/instance-h"
    assert (drift.planned.value, drift.now.value) == (24.0, None)


def test_of_several_payment_plans_the_nearest_counts() -> None:
    reserved = replace(HOURLY, term="reserved-1y", upfront="none", usd_per_hour=20.0)
    plans = (reserved, replace(reserved, upfront="all", usd_per_hour=17.0))
    stored = bill(hourly_figure(reserved), "instance-h", 17.0)
    assert moved_prices([stored], replace(BOOK, hourly=plans)) == ()
    dearer = tuple(replace(each, usd_per_hour=each.usd_per_hour + 1) for each in plans)
    (drift,) = moved_prices([stored], replace(BOOK, hourly=dearer))
    assert drift.now.value == 18.0

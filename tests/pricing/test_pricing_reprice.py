"""A stored bill at other rates: the same rows and quantities, computed by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from pricing_builders import bill, book, deployment, hourly, per_second, per_token, traffic, usage

from llmplan.plan.outcome import QuoteLine
from llmplan.pricing import reprice
from llmplan.spec.price import PriceBook

LATER = date(2026, 11, 25)
H100 = "h100-sxm-80gb"


def on(day: date, prices: PriceBook) -> PriceBook:
    return replace(prices, as_of=day)


def test_machines_keep_their_seller_even_where_another_became_cheaper() -> None:
    """2 machines x 730 h x 3.00, where a rival now asks 1.00."""
    old = bill(deployment("hourly", replicas=2), prices=book(hourly("acme", 2.0)))
    new = reprice(old, H100, on(LATER, book(hourly("acme", 3.0, from_date=LATER), hourly("rival", 1.0))))
    (line,) = (each for each in new.lines if each.unit == "instance-h")
    assert (line.quantity, line.unit_price_usd, line.usd_per_month) == (1460.0, 3.0, 4380.0)
    assert line.figure is not None
    assert (line.figure.provider, line.figure.as_of) == ("acme", LATER)
    assert (new.as_of, new.alternatives) == (LATER, ())


def test_seconds_stay_and_the_rate_moves() -> None:
    """100,000 s of serving at 0.001 and then at 0.002 a second."""
    bought = deployment("serverless", strategy="serverless")
    old = bill(bought, prices=book(per_second("acme", 0.001)), usage=usage(100_000.0))
    new = reprice(old, H100, on(LATER, book(per_second("acme", 0.002))))
    before, after = (each.lines[0] for each in (old, new))
    assert (before.quantity, after.quantity) == (100_000.0, 100_000.0)
    assert (before.usd_per_month, after.usd_per_month) == (pytest.approx(100.0), pytest.approx(200.0))


def test_tokens_by_their_kind() -> None:
    """2,628 million tokens in at 0.5, then 1.0; 788.4 million out at 2.0, then 3.0: in doubles, out is half as much
    again."""
    old = bill(deployment("tokens", strategy="serverless"), prices=book(per_token("acme", 0.5, 2.0)))
    new = reprice(old, None, on(LATER, book(per_token("acme", 1.0, 3.0))))
    assert new.usd_per_month == pytest.approx(2628 * 1.0 + 788.4 * 3.0)
    assert new.usd_per_mtok_input == pytest.approx(2 * (old.usd_per_mtok_input or 0))
    assert new.usd_per_mtok_output == pytest.approx(1.5 * (old.usd_per_mtok_output or 0))
    assert new.input_tokens_per_month == pytest.approx(traffic().requests_per_s * 2_628_000 * 1000)  # type: ignore[operator]


def test_a_row_that_is_gone_makes_a_lower_bound() -> None:
    old = bill(deployment("hourly"), prices=book(hourly("acme", 2.0)))
    new = reprice(old, H100, on(LATER, book(hourly("rival", 1.0))))
    line = new.lines[0]
    assert (line.unit_price_usd, line.usd_per_month) == (None, None)
    assert line.note.startswith("not offered any more on 2026-11-25")
    assert not new.complete


def test_what_no_list_states_keeps_its_price() -> None:
    old = bill(deployment("hourly"), prices=book(hourly("acme", 2.0)))
    own = QuoteLine(name="people", quantity=2.0, unit="h", unit_price_usd=50.0, usd_per_month=100.0)
    figure = replace(old.lines[0].figure, quality="stated", provider="you")  # type: ignore[type-var]
    stated = replace(own, name="network", figure=figure)
    new = reprice(replace(old, lines=(*old.lines, own, stated)), H100, on(LATER, book(hourly("acme", 3.0))))
    assert new.lines[-2:] == (own, stated)


def test_at_its_own_prices_a_bill_is_the_same() -> None:
    prices = book(hourly("acme", 2.0), per_second("acme", 0.001), per_token("acme", 0.5, 2.0))
    for kind, more in (("hourly", {}), ("serverless", {"usage": usage(1000.0)}), ("tokens", {})):
        old = bill(deployment(kind), prices=prices, **more)
        again = reprice(old, None if kind == "tokens" else H100, prices)
        assert again == replace(old, alternatives=())

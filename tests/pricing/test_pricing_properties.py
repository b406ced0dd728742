"""What must hold of every bill."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing_builders import HOURS, bill, book, deployment, hourly, packaged, per_second, per_token, traffic, usage

from llmplan.plan.outcome import Quote
from llmplan.pricing.index import index_of
from llmplan.pricing.select import Need, fit
from llmplan.spec.price import HourlyOffer, PriceBook
from llmplan.spec.workload import Limits

PRICES = st.floats(min_value=0.1, max_value=50.0)
SIZES = st.sampled_from([1, 2, 4, 8])
OFFERS = st.lists(st.tuples(SIZES, PRICES), min_size=1, max_size=6).map(
    lambda rows: [hourly(f"p{i}", price * size, gpus=size) for i, (size, price) in enumerate(rows)]
)


def doubled(prices: PriceBook) -> PriceBook:
    return replace(
        prices,
        hourly=tuple(replace(o, usd_per_hour=2 * o.usd_per_hour) for o in prices.hourly),
        serverless=tuple(
            replace(
                o,
                usd_per_gpu_s=2 * o.usd_per_gpu_s,
                usd_per_vcpu_s=o.usd_per_vcpu_s and 2 * o.usd_per_vcpu_s,
                usd_per_gib_s=o.usd_per_gib_s and 2 * o.usd_per_gib_s,
                plan_fee_usd_per_month=o.plan_fee_usd_per_month and 2 * o.plan_fee_usd_per_month,
            )
            for o in prices.serverless
        ),
        tokens=tuple(
            replace(
                o,
                input_usd_per_mtok=2 * o.input_usd_per_mtok,
                output_usd_per_mtok=2 * o.output_usd_per_mtok,
                cached_input_usd_per_mtok=o.cached_input_usd_per_mtok and 2 * o.cached_input_usd_per_mtok,
            )
            for o in prices.tokens
        ),
    )


@pytest.mark.parametrize("kind", ["hourly", "serverless", "tokens"])
def test_doubling_every_price_doubles_the_bill(kind: str) -> None:
    asked: dict[str, Any] = {"usage": usage(1e5, 2e4, 3e3, 50)} if kind == "serverless" else {}
    wanted = deployment(kind, tp=2)
    once = bill(wanted, workload=traffic(prefix_share=0.3), **asked)
    twice = bill(wanted, prices=doubled(packaged()), workload=traffic(prefix_share=0.3), **asked)
    assert twice.usd_per_month == pytest.approx(2 * once.usd_per_month)


@given(offers=OFFERS, tp=SIZES, replicas=st.integers(1, 20))
@settings(max_examples=80, deadline=None)
def test_whole_instances_never_cost_less_than_the_gpus_used(offers: list[HourlyOffer], tp: int, replicas: int) -> None:
    need = Need(gpu_id="h100-sxm-80gb", gpus_per_replica=tp, replicas=replicas)
    for offer in offers:
        pick = fit(offer, need)
        if pick is None:
            assert offer.gpus < tp
            continue
        assert pick.instances * offer.gpus == need.gpus + pick.idle_gpus
        assert pick.idle_gpus >= 0
        assert pick.usd_per_hour >= offer.usd_per_hour / offer.gpus * need.gpus * (1 - 1e-12)


@given(offers=OFFERS, tp=SIZES, replicas=st.integers(1, 20))
@settings(max_examples=80, deadline=None)
def test_a_dominated_offer_changes_nothing(offers: list[HourlyOffer], tp: int, replicas: int) -> None:
    eight = hourly("eight", 30.0, gpus=8)
    worse = hourly("worse", 30.01, gpus=8)
    wanted = deployment("hourly", tp=tp, replicas=replicas)
    assert bill(wanted, prices=book(*offers, eight, worse)).lines == bill(wanted, prices=book(*offers, eight)).lines


@given(offers=OFFERS, cut=st.floats(0.1, 1.0))
@settings(max_examples=40, deadline=None)
def test_a_lower_price_never_makes_a_bill_higher(offers: list[HourlyOffer], cut: float) -> None:
    wanted = deployment("hourly", replicas=3)
    cheaper = [replace(offers[0], usd_per_hour=offers[0].usd_per_hour * cut), *offers[1:]]
    before, after = bill(wanted, prices=book(*offers)), bill(wanted, prices=book(*cheaper))
    assert after.usd_per_month <= before.usd_per_month * (1 + 1e-12)


@given(busy=st.floats(1, 1e7), idle=st.floats(0, 1e6), start=st.floats(0, 1e5), starts=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_more_seconds_never_cost_less(busy: float, idle: float, start: float, starts: int) -> None:
    prices = book(per_second("a", 0.001, usd_per_vcpu_s=1e-5, usd_per_gib_s=1e-6))
    less = bill(deployment("serverless"), prices=prices, usage=usage(busy, idle, start, starts))
    more = bill(deployment("serverless"), prices=prices, usage=usage(busy + 1, idle + 1, start + 1, starts + 1))
    assert more.usd_per_month > less.usd_per_month


def every_bill() -> list[Quote]:
    serverless: dict[str, Any] = {"usage": usage(1e5, 2e4, 3e3, 50)}
    prices = packaged()
    gpus = sorted({offer.gpu_id for offer in prices.hourly if offer.gpus >= 1})
    everyone = Limits(include_marketplaces=True)
    rents = [
        bill(deployment("hourly", gpu), Limits(include_marketplaces=True, terms=("on-demand", "spot"))) for gpu in gpus
    ]
    seconds = [
        bill(deployment("serverless", gpu), everyone, **serverless)
        for gpu in sorted({offer.gpu_id for offer in prices.serverless if offer.scales_to_zero})
    ]
    tokens = [
        bill(deployment("tokens", model_id=model), everyone, workload=traffic(into=500, out=100))
        for model in sorted({offer.model_id for offer in prices.tokens})
    ]
    return rents + seconds + tokens


def test_every_line_of_every_bill_resolves_to_a_row_with_its_source() -> None:
    prices = packaged()
    rows: tuple[Any, ...] = (*prices.hourly, *prices.serverless, *prices.tokens)
    titles = {row.provenance.source.title for row in rows}
    for found in every_bill():
        assert found.lines
        assert found.usd_per_month == sum(line.usd_per_month or 0.0 for line in found.lines)
        for line in (*found.lines, *found.alternatives):
            assert line.figure is not None
            assert line.figure.provider in prices.providers
            assert line.figure.region
            assert line.figure.term
            assert line.figure.instance
            assert line.figure.source in titles
            if line.usd_per_month is not None and line.unit_price_usd is not None:
                assert line.usd_per_month == pytest.approx(line.quantity * line.unit_price_usd)


def test_the_serverless_summary_equals_its_lines() -> None:
    prices = packaged()
    for gpu in ("l4-24gb", "h100-sxm-80gb", "a100-pcie-80gb"):
        asked = usage(1e5, 2e4, 3e3, 50)
        for line in bill(deployment("serverless", gpu), usage=asked).alternatives:
            assert line.figure is not None
            own = bill(deployment("serverless", gpu), Limits(provider_ids=(line.figure.provider,)), prices, usage=asked)
            assert own.usd_per_month == pytest.approx(line.usd_per_month)


def test_offers_are_sorted_once_for_a_price_book() -> None:
    prices = book(hourly("a", 1.0))
    assert index_of(prices) is index_of(prices)
    assert index_of(prices) is not index_of(replace(prices))


def test_tokens_scale_with_traffic_and_rent_does_not() -> None:
    prices = book(hourly("a", 1.0), per_token("a", 1.0, 2.0))
    tokens = [bill(deployment("tokens"), prices=prices, workload=traffic(rate)).usd_per_month for rate in (1.0, 3.0)]
    assert tokens[1] == pytest.approx(3 * tokens[0])
    assert bill(deployment("hourly"), prices=prices, workload=traffic(3.0)).usd_per_month == HOURS


def test_the_token_summary_equals_its_lines() -> None:
    asked = traffic(into=900, out=200, prefix_share=0.4)
    model = {"model_id": "openai/gpt-oss-120b"}
    others = bill(deployment("tokens", **model), workload=asked).alternatives
    assert others
    for line in others:
        assert line.figure is not None
        own = bill(deployment("tokens", **model), Limits(provider_ids=(line.figure.provider,)), workload=asked)
        assert own.usd_per_month == pytest.approx(line.usd_per_month)

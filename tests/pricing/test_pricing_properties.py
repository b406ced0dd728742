"""What must hold of every bill."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing_builders import HOURS, ROW, bill, book, deployment, hourly, packaged, per_second, per_token, traffic, usage

from llmplan.plan.outcome import Quote
from llmplan.pricing.index import index_of
from llmplan.pricing.rates import OTHERS
from llmplan.pricing.select import Need, fit
from llmplan.spec.expenses import Expenses
from llmplan.spec.price import CostFact, HourlyOffer, PriceBook
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


WHOLE: dict[str, Any] = {"expenses": Expenses(), "checkpoint_bytes": 2 * 10**10}
"""with all that comes beside the machines"""


def whole(kind: str, prices: PriceBook | None = None, rate: float = 1.0, **more: Any) -> Quote:
    asked: dict[str, Any] = {"usage": usage(1e5, 2e4, 3e3, 50)} if kind == "serverless" else {}
    wanted = deployment(kind, tp=2, replicas=2)
    return bill(wanted, prices=prices, workload=traffic(rate, prefix_share=0.3), **WHOLE, **asked, **more)


def doubled_facts(prices: PriceBook) -> PriceBook:
    def twice(fact: CostFact) -> CostFact:
        tiers = tuple(replace(tier, usd=2 * tier.usd) for tier in fact.tiers)
        return replace(fact, value=2 * fact.value, low=None, high=None, tiers=tiers)

    rates = {name: twice(fact) for name, fact in prices.facts.items() if fact.unit.startswith("USD")}
    return replace(prices, facts={**prices.facts, **rates})


@pytest.mark.parametrize("kind", ["hourly", "serverless", "tokens", "owned"])
def test_doubling_every_rate_doubles_a_whole_bill(kind: str) -> None:
    once, twice = whole(kind), whole(kind, doubled_facts(doubled(packaged())))
    assert twice.usd_per_month == pytest.approx(2 * once.usd_per_month, abs=0.02)


@pytest.mark.parametrize("kind", ["hourly", "serverless", "tokens", "owned"])
@given(rate=st.floats(0.0, 500.0), more=st.floats(0.0, 500.0))
@settings(max_examples=30, deadline=None)
def test_more_traffic_never_costs_less(kind: str, rate: float, more: float) -> None:
    less, greater = whole(kind, rate=rate), whole(kind, rate=rate + more)
    assert greater.usd_per_month >= less.usd_per_month - 0.01


@pytest.mark.parametrize("kind", ["hourly", "serverless", "tokens", "owned"])
@given(rate=st.floats(0.001, 1000.0))
@settings(max_examples=30, deadline=None)
def test_the_lines_add_up_to_the_cent(kind: str, rate: float) -> None:
    found = whole(kind, rate=rate)
    printed = sum(round(100 * line.usd_per_month) for line in found.lines if line.usd_per_month is not None)
    assert abs(printed / 100 - found.usd_per_month) <= 0.005 * len(found.lines) + 1e-6
    for line in found.lines:
        if line.usd_per_month is not None and line.unit_price_usd is not None:
            assert line.usd_per_month == pytest.approx(line.quantity * line.unit_price_usd)


@given(offers=OFFERS, rate=st.floats(0.01, 100.0))
@settings(max_examples=40, deadline=None)
def test_a_dominated_seller_changes_no_whole_bill(offers: list[HourlyOffer], rate: float) -> None:
    """Dearer by the hour, and with the same rates beside: those that everybody is assumed to have."""
    facts = packaged().facts
    some, all_of_them = ([*offers, hourly("eight", 30.0, gpus=8)], [*offers, hourly("eight", 30.0, gpus=8)])
    all_of_them.append(hourly("worse", 30.01, gpus=8))
    bills = [
        bill(
            deployment("hourly", replicas=3), prices=replace(book(*each), facts=facts), workload=traffic(rate), **WHOLE
        )
        for each in (some, all_of_them)
    ]
    assert bills[0].lines == bills[1].lines


@given(offers=OFFERS, rate=st.floats(0.01, 1000.0))
@settings(max_examples=40, deadline=None)
def test_no_other_seller_has_a_lower_total(offers: list[HourlyOffer], rate: float) -> None:
    """Each seller with an egress rate of its own: the one that is taken is the least of all."""
    prices = book(*offers)
    facts = {
        f"{each.provider}.egress": CostFact(
            id=f"{each.provider}.egress", value=0.01 * (7 - number), unit="USD/GB", provenance=ROW
        )
        for number, each in enumerate(offers)
    }  # fmt: skip
    prices = replace(prices, facts=facts)
    taken = bill(deployment("hourly"), prices=prices, workload=traffic(rate), **WHOLE)
    alone = [
        bill(deployment("hourly"), Limits(provider_ids=(each.provider,)), prices, workload=traffic(rate), **WHOLE)
        for each in offers
    ]
    assert taken.usd_per_month == pytest.approx(min(each.usd_per_month for each in alone))


def test_no_traffic_pays_for_what_stands_there_alone() -> None:
    found = whole("hourly", rate=0.0)
    assert "egress" not in {line.name for line in found.lines}
    assert (found.usd_per_request, found.usd_per_mtok_blended) == (None, None)
    assert found.usd_per_month > 0


def test_what_is_shared_by_ever_more_requests_costs_ever_less() -> None:
    """The limit is what each request costs by itself: its answer on the wire, at the last tier of its seller."""
    found = bill(
        deployment("hourly", "l4-24gb"), Limits(provider_ids=("aws",)), workload=traffic(1e9), expenses=Expenses()
    )
    assert found.usd_per_request == pytest.approx(300 * 300 / 1e9 * 0.05, rel=1e-3)


def test_every_line_beside_resolves_to_a_seller_or_to_those_who_state_a_rate() -> None:
    prices = packaged()
    for kind in ("hourly", "serverless"):
        for line in whole(kind).lines:
            assert line.figure is not None
            if line.figure.quality == "assumed":
                assert line.figure.provider == OTHERS
                assert line.figure.source.startswith("median of what")
            else:
                assert line.figure.provider in prices.providers
            assert line.figure.as_of is not None or "undated" in line.note or not line.beside

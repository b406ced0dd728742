"""A stored plan at the prices of another day: fleets as planned, bills by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

import plan_samples as sample
from llmplan.plan.deployment import Purchase
from llmplan.plan.outcome import Option, Rejection
from llmplan.plan.plan import Plan
from llmplan.planner import requote
from llmplan.spec.catalog import Catalog
from llmplan.spec.price import HourlyOffer, PriceBook, Provider, TokenOffer

DAY = date(2026, 11, 1)


def priced(base: Catalog, *offers: HourlyOffer | TokenOffer) -> Catalog:
    names = {offer.provider for offer in offers}
    prices = PriceBook(
        providers={name: Provider(id=name, name=name, tier="cloud") for name in names},
        hourly=tuple(offer for offer in offers if isinstance(offer, HourlyOffer)),
        tokens=tuple(offer for offer in offers if isinstance(offer, TokenOffer)),
        as_of=DAY,
    )
    return replace(base, prices=prices)


def machine(provider: str, usd_per_hour: float) -> HourlyOffer:
    return HourlyOffer(
        provider=provider, instance="p5", gpu_id="h100-sxm-80gb", gpus=1, region="r1", term="on-demand",
        usd_per_hour=usd_per_hour, from_date=DAY, quality="listed", provenance=sample.PUBLISHED,
    )  # fmt: skip


def tokens(provider: str, into: float, out: float) -> TokenOffer:
    return TokenOffer(
        provider=provider, model_id="meta-llama/Llama-3.1-8B-Instruct", listed_as="llama", input_usd_per_mtok=into,
        output_usd_per_mtok=out, from_date=DAY, provenance=sample.PUBLISHED,
    )  # fmt: skip


def plan(**changes: object) -> Plan:
    one = sample.option()
    assert one.deployment.replica is not None
    parallel = replace(one.deployment.replica.parallel, tp=1, pp=1, dp=1)
    replica = replace(one.deployment.replica, parallel=parallel, offload=None)
    fleet = replace(one.deployment, replica=replica, replicas=3)
    return replace(sample.plan(sample.token_option(), replace(one, deployment=fleet)), **changes)  # type: ignore[arg-type]


def option(made: Plan, strategy: str) -> Option:
    found = made.outcomes[strategy]  # type: ignore[index]
    assert isinstance(found, Option)
    return found


def rent(found: Option) -> float:
    return sum(line.usd_per_month or 0.0 for line in found.quote.lines if line.unit == "instance-h")


def test_the_fleet_stays_and_the_cheapest_seller_of_the_day_is_paid(catalog: Catalog) -> None:
    """3 machines x 730 h x 2.50."""
    old = plan()
    new = requote(old, priced(catalog, machine("acme", 4.0), machine("rival", 2.5), tokens("acme", 0.1, 0.2)))
    assert rent(option(new, "dedicated")) == pytest.approx(3 * 730 * 2.5)
    assert option(new, "dedicated").deployment == option(old, "dedicated").deployment
    assert (new.price_date, new.question.limits.price_date, new.recommended) == (DAY, DAY, "dedicated")
    api = option(new, "serverless").quote
    into, out = 5 * 2_628_000 * 1000 / 1e6, 5 * 2_628_000 * 300 / 1e6
    lines = {line.name: line.usd_per_month for line in api.lines}
    assert lines["input tokens"] == pytest.approx(into * 0.1)
    assert lines["output tokens"] == pytest.approx(out * 0.2)


def test_what_nobody_sells_then_is_a_rejection_and_no_longer_recommended(catalog: Catalog) -> None:
    new = requote(plan(), priced(catalog, tokens("acme", 0.1, 0.2)))
    assert isinstance(new.outcomes["dedicated"], Rejection)
    assert new.recommended is None
    assert isinstance(new.outcomes["serverless"], Option)


def test_seconds_and_closed_loops(catalog: Catalog) -> None:
    """A worker by the second keeps its lines; users in a closed loop keep the rate that they came to."""
    old = plan()
    dedicated = option(old, "dedicated")
    worker = replace(dedicated, deployment=replace(dedicated.deployment, purchase=Purchase(kind="serverless")))
    rows = {**old.outcomes, "dedicated": worker}
    new = requote(replace(old, outcomes=rows), priced(catalog, machine("acme", 4.0), tokens("a", 0.1, 0.2)))
    before, after = worker.quote, option(new, "dedicated").quote
    assert [line.quantity for line in before.lines] == [line.quantity for line in after.lines]
    users = replace(old.question, workload=replace(old.question.workload, requests_per_s=None, concurrency=4.0))
    closed = requote(replace(old, question=users), priced(catalog, machine("acme", 4.0), tokens("a", 0.1, 0.2)))
    volume = option(old, "dedicated").quote.input_tokens_per_month
    assert option(closed, "dedicated").quote.input_tokens_per_month == pytest.approx(volume)


def test_rejections_stay(catalog: Catalog) -> None:
    old = plan()
    new = requote(old, priced(catalog, machine("acme", 4.0), tokens("acme", 0.1, 0.2)))
    assert new.outcomes["quantized"] is old.outcomes["quantized"]

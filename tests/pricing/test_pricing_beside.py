"""What comes beside the machines, to the cent, from the rates as their sellers write them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pricing_builders import DAY, HOURS, ROW, bill, book, deployment, hourly, packaged, per_second, traffic, usage

from llmplan.plan.outcome import Quote, QuoteLine
from llmplan.pricing import least_usd_per_month
from llmplan.pricing.beside import EGRESS_BYTES_PER_TOKEN
from llmplan.pricing.rates import OTHERS, rate_at
from llmplan.spec.expenses import Expenses
from llmplan.spec.price import CostFact, PriceBook, PriceTier, Provider
from llmplan.spec.workload import Limits

SECONDS = HOURS * 3600
CHECKPOINT = 16_060_522_496
"""bytes of an 8B in bf16"""
ASKED: dict[str, Any] = {"expenses": Expenses(), "checkpoint_bytes": CHECKPOINT}


def by(*providers: str, **more: Any) -> Limits:
    return Limits(provider_ids=providers, **more)


def named(found: Quote) -> dict[str, QuoteLine]:
    return {line.name: line for line in found.lines if line.beside}


def fact(name: str, value: float, unit: str, **more: Any) -> CostFact:
    return CostFact(id=name, value=value, unit=unit, provenance=ROW, **more)


def stated(prices: PriceBook, *facts: CostFact) -> PriceBook:
    return replace(prices, facts={each.id: each for each in facts})


def test_an_event_of_the_openai_api_takes_what_is_assumed() -> None:
    chunk = {
        "id": "chatcmpl-" + 32 * "0", "object": "chat.completion.chunk", "created": 1764000000,
        "model": "Qwen/Qwen3-32B",
        "choices": [{"index": 0, "delta": {"content": " token"}, "logprobs": None, "finish_reason": None}],
    }  # fmt: skip
    event = len("data: " + json.dumps(chunk, separators=(",", ":")) + "\n\n")
    chunked, tls, tcp_ip = len(f"{event:x}\r\n\r\n"), 5 + 1 + 16, 20 + 12 + 20
    assert event == 227
    assert event + chunked + tls + tcp_ip == pytest.approx(EGRESS_BYTES_PER_TOKEN, rel=0.05)


AWS = {
    "storage of weights": 16.060522496 * 0.08,
    "egress": (SECONDS * 300 * 300 / 1e9 - 100) * 0.09,  # the first 100 GB are free; 237 GB in all
}


def test_a_replica_at_aws_pays_for_its_volume_and_its_answers() -> None:
    found = bill(deployment("hourly", "l4-24gb", terms=("on-demand",)), by("aws"), **ASKED)

    lines = named(found)
    assert {name: line.usd_per_month for name, line in lines.items()} == pytest.approx(AWS, abs=0.005)
    assert found.usd_per_month == pytest.approx(0.8048 * HOURS + sum(AWS.values()), abs=0.005)
    assert found.complete
    assert lines["egress"].quantity == pytest.approx(236.52)
    assert [line.figure.provider for line in lines.values() if line.figure] == ["aws", "aws"]


def test_more_replicas_need_a_cluster_a_balancer_and_a_copy_for_each_machine() -> None:
    found = bill(deployment("hourly", "l4-24gb", replicas=3, terms=("on-demand",)), by("aws"), **ASKED)

    expected = {**AWS, "storage of weights": 3 * AWS["storage of weights"], "cluster": 73.0, "load balancer": 16.425}
    assert {name: line.usd_per_month for name, line in named(found).items()} == pytest.approx(expected, abs=0.005)


def test_replicas_in_one_machine_share_its_copy() -> None:
    found = bill(deployment("hourly", tp=4, replicas=2, terms=("on-demand",)), by("aws"), **ASKED)
    assert named(found)["storage of weights"].quantity == pytest.approx(16.060522496)


def test_gcp_has_no_free_gigabytes_and_oci_ten_thousand() -> None:
    wanted = {"workload": traffic(100.0), **ASKED}  # 23,652 GB of answers
    gb = 23_652.0
    gcp = bill(deployment("hourly", "l4-24gb", terms=("on-demand",)), by("gcp"), **wanted)
    oci = bill(deployment("hourly", "a10-24gb", terms=("on-demand",)), by("oci"), **wanted)

    expected = 1_000 * 0.12 + 9_000 * 0.11 + (gb - 10_000) * 0.08
    assert named(gcp)["egress"].usd_per_month == pytest.approx(expected, abs=0.01)
    assert named(oci)["egress"].usd_per_month == pytest.approx((gb - 10_000) * 0.0085, abs=0.01)


def test_a_seller_without_a_rate_gets_the_median_and_says_whose() -> None:
    line = named(bill(deployment("hourly", replicas=2), by("hyperstack"), **ASKED))["load balancer"]

    assert line.unit_price_usd == pytest.approx((0.0225 + 0.025) / 2)
    assert line.figure is not None
    assert (line.figure.provider, line.figure.quality) == (OTHERS, "assumed")
    for seller in ("aws", "azure", "gcp", "oci"):
        assert seller in line.note


def test_sellers_of_its_kind_come_before_all_others() -> None:
    """Hyperscalers charge for traffic; no cloud of GPUs that says anything does, and the line says so."""
    line = named(bill(deployment("hourly"), by("hyperstack"), **ASKED))["egress"]

    assert (line.unit_price_usd, line.usd_per_month) == (0.0, 0.0)
    assert line.quantity == pytest.approx(236.52)
    assert line.figure is not None
    assert line.figure.quality == "assumed"
    assert "lambda 0" in line.note
    assert "aws" not in line.note


def test_a_product_takes_the_rates_of_its_company() -> None:
    rate = rate_at("google-cloud-run", "egress", packaged())
    assert rate is not None
    assert rate.id == "gcp.egress"


def test_a_seller_that_charges_nothing_has_no_line() -> None:
    assert "egress" not in named(bill(deployment("hourly"), by("lambda"), **ASKED))


def test_seconds_have_one_copy_and_no_cluster() -> None:
    found = bill(deployment("serverless", replicas=4), by("modal"), usage=usage(1e6, peak=4), **ASKED)

    lines = named(found)
    assert set(lines) == {"storage of weights", "egress"}
    assert lines["storage of weights"].quantity == pytest.approx(16.060522496)
    assert all(line.figure and line.figure.quality == "assumed" for line in lines.values())


def test_a_hosted_api_holds_everything_but_people() -> None:
    people = Expenses(engineering_hours_per_month=12.0, engineering_usd_per_hour=85.0)
    plain, with_people = (bill(deployment("tokens"), by("wandb"), expenses=each) for each in (Expenses(), people))

    assert named(plain) == {}
    assert with_people.usd_per_month == pytest.approx(plain.usd_per_month + 12 * 85)


def test_what_the_asker_states_comes_first() -> None:
    said = Expenses(
        clusters=2, egress_bytes_per_token=5.0, load_balancer_usd_per_month=40.0,
        engineering_hours_per_month=10.0, engineering_usd_per_hour=100.0,
    )  # fmt: skip
    found = bill(
        deployment("hourly", "l4-24gb", replicas=2, terms=("on-demand",)), by("aws"), workload=traffic(100.0),
        expenses=said,
    )  # fmt: skip

    lines = named(found)
    expected = {
        "egress": (100 * SECONDS * 300 * 5 / 1e9 - 100) * 0.09, "cluster": 2 * 73.0, "load balancer": 40.0,
        "engineering": 1000.0,
    }  # fmt: skip
    assert {name: line.usd_per_month for name, line in lines.items()} == pytest.approx(expected, abs=0.005)
    assert lines["engineering"].figure is not None
    assert lines["engineering"].figure.quality == "stated"


def test_half_a_statement_of_people_is_no_line() -> None:
    found = bill(deployment("tokens"), by("wandb"), expenses=Expenses(engineering_hours_per_month=12.0))
    assert named(found) == {}


def test_no_cluster_where_none_is_wanted() -> None:
    found = bill(deployment("hourly", "l4-24gb", replicas=3), by("aws"), expenses=Expenses(clusters=0))
    assert "cluster" not in named(found)


def test_a_rate_that_nobody_states_has_no_line_and_leaves_the_total_whole() -> None:
    prices = book(hourly("a", 1.0))
    found = bill(deployment("hourly", replicas=2), prices=prices, **ASKED)
    assert found.complete
    assert found.usd_per_month == 2 * HOURS


def test_the_seller_with_the_lowest_total_is_taken_not_the_lowest_rent() -> None:
    """1,000 requests/s of 300 tokens are 236,520 GB a month: a cent each outweighs a rent of a dollar an hour."""
    prices = stated(
        book(hourly("near", 2.0), hourly("far", 1.0)),
        fact("near.egress", 0.001, "USD/GB"), fact("far.egress", 0.02, "USD/GB"),
    )  # fmt: skip
    quiet, busy = (
        bill(deployment("hourly"), prices=prices, workload=traffic(rate), **ASKED) for rate in (0.001, 1000.0)
    )

    assert [quiet.lines[0].figure.provider, busy.lines[0].figure.provider] == ["far", "near"]  # type: ignore[union-attr]
    assert busy.usd_per_month == pytest.approx(2 * HOURS + 236_520 * 0.001)
    assert "far" in {line.figure.provider for line in busy.alternatives if line.figure}


def test_platforms_are_ranked_by_what_comes_beside_too() -> None:
    prices = stated(
        book(per_second("near", 0.002), per_second("far", 0.001)),
        fact("near.egress", 0.0, "USD/GB"), fact("far.egress", 0.1, "USD/GB"),
    )  # fmt: skip
    found = bill(deployment("serverless"), prices=prices, workload=traffic(10.0), usage=usage(100_000), **ASKED)
    assert found.lines[0].figure.provider == "near"  # type: ignore[union-attr]


def test_tiers_are_paid_one_after_the_other_and_their_mean_is_shown() -> None:
    tiers = (PriceTier(up_to=100, usd=0.0), PriceTier(up_to=200, usd=0.5), PriceTier(up_to=None, usd=0.1))
    prices = stated(book(hourly("a", 1.0)), fact("a.egress", 0.5, "USD/GB", tiers=tiers))

    line = named(bill(deployment("hourly"), prices=prices, **ASKED))["egress"]

    assert line.usd_per_month == pytest.approx(100 * 0.5 + 36.52 * 0.1)
    assert line.unit_price_usd == pytest.approx(line.usd_per_month / 236.52)
    assert "$0.5 up to 200 GB" in line.note


def test_the_bound_is_never_above_a_real_bill() -> None:
    for gpu_id in ("h100-sxm-80gb", "a10-24gb", "l4-24gb", "h200-sxm-141gb"):
        for replicas, rate in ((1, 0.1), (2, 5.0), (5, 50.0)):
            wanted, asked = deployment("hourly", gpu_id, replicas=replicas), traffic(rate)
            found = bill(wanted, workload=asked, **ASKED)
            least = least_usd_per_month(gpu_id, replicas, replicas, Limits(), packaged(), asked, Expenses())
            assert 0 < least <= found.usd_per_month + 1e-9


def test_without_expenses_the_machines_stand_alone() -> None:
    found = bill(deployment("hourly", "l4-24gb", replicas=3, terms=("on-demand",)), by("aws"))
    assert found.usd_per_month == pytest.approx(3 * 0.8048 * HOURS)
    assert found.beside_usd_per_month == 0


def test_a_company_is_a_company_by_either_name() -> None:
    prices = replace(
        stated(book(hourly("a", 1.0)), fact("a.egress", 0.3, "USD/GB")),
        providers={
            "a": Provider(id="a", name="A", tier="cloud"), "b": Provider(id="b", name="B", tier="cloud", company="a"),
        },
        as_of=DAY,
    )  # fmt: skip
    assert rate_at("b", "egress", prices) == prices.facts["a.egress"]


def test_a_request_and_a_tenant_have_their_share() -> None:
    found = bill(deployment("hourly", "l4-24gb"), by("aws"), workload=traffic(2.0, tenants=4), **ASKED)

    assert found.requests_per_month == 2 * SECONDS
    assert found.usd_per_request == pytest.approx(found.usd_per_month / (2 * SECONDS))
    assert found.usd_per_tenant_month == pytest.approx(found.usd_per_month / 4)
    assert found.serving[0].usd_per_month == pytest.approx(found.usd_per_month - found.beside_usd_per_month)
    egress = named(found)["egress"].usd_per_month
    assert found.traffic_usd_per_month == egress
    assert found.fleet_usd_per_month == pytest.approx(found.usd_per_month - (egress or 0.0))

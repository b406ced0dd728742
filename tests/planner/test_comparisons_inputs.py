"""GPUs, terms, duels, influences and the dollar band: each held against the planner asked anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan.plan.comparisons import Comparisons, GpuValue
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.planner import compare, evaluate, recommend
from llmplan.planner.comparisons.base import context_of
from llmplan.planner.comparisons.gpus import wins_by
from llmplan.planner.comparisons.influences import rates_of_what_serves
from llmplan.planner.comparisons.pace import at_pace, slower
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Workload
from tests_support import LLAMA_8B, LLAMA_70B, Ask, with_gpus

PAIR = ("h100-sxm-80gb", "a10-24gb")


@pytest.fixture(scope="module")
def plan(catalog: Catalog, ask: Ask) -> Plan:
    return recommend(ask(LLAMA_8B, requests_per_s=40, ttft_p95_s=2.0, privacy="private"), catalog)


@pytest.fixture(scope="module")
def found(plan: Plan, catalog: Catalog) -> Comparisons:
    return compare(plan, catalog, gpu_ids=PAIR)


def bill(plan: Plan, catalog: Catalog, workload: Workload, **limits: object) -> float:
    """What the recommended deployment comes to for other traffic or limits, by the planner asked anew."""
    assert plan.chosen is not None
    question = replace(plan.question, workload=workload, limits=replace(plan.question.limits, **limits))  # type: ignore[arg-type]
    deployment = plan.chosen.deployment
    fresh = replace(deployment, replicas=None, purchase=replace(deployment.purchase, terms=plan.question.limits.terms))
    outcome = evaluate(fresh, Context.of(question, catalog))
    assert isinstance(outcome, Option)
    return outcome.quote.usd_per_month


def test_the_load_moves_the_bill_as_the_planner_says(plan: Plan, found: Comparisons, catalog: Catalog) -> None:
    load = next(each for each in found.influences if each.input == "load")
    assert (load.low, load.mid, load.high) == (20.0, 40.0, 80.0)
    assert load.usd_per_month_low == pytest.approx(bill(plan, catalog, with_rate(plan.question.workload, 20.0)))
    assert load.usd_per_month_high == pytest.approx(bill(plan, catalog, with_rate(plan.question.workload, 80.0)))


def test_peaks_and_the_utilization_limit_too(plan: Plan, found: Comparisons, catalog: Catalog) -> None:
    work = plan.question.workload
    by_name = {each.input: each for each in found.influences}
    peak = by_name["busiest hour / mean"]
    assert peak.usd_per_month_high == pytest.approx(bill(plan, catalog, replace(work, peak_to_mean=peak.high)))
    limit = by_name["utilization limit"]
    assert limit.usd_per_month_low == pytest.approx(bill(plan, catalog, work, max_utilization=0.5))
    assert limit.usd_per_month_high == pytest.approx(bill(plan, catalog, work, max_utilization=0.9))


def test_a_fifth_of_the_price_is_a_fifth_of_the_bill(plan: Plan, found: Comparisons) -> None:
    assert plan.chosen is not None
    price = next(each for each in found.influences if each.input == "its price")
    usd = plan.chosen.quote.usd_per_month
    fifth = 0.2 * sum(line.usd_per_month or 0.0 for line in plan.chosen.quote.serving)
    assert price.usd_per_month_low == pytest.approx(usd - fifth)
    assert price.usd_per_month_high == pytest.approx(usd + fifth)
    assert "assumed" in price.note


def test_sellers_of_different_machines_share_no_price(catalog: Catalog, ask: Ask) -> None:
    """They may well share what is assumed of storage and egress, which is not the price of either."""
    plan = recommend(ask("Qwen/Qwen3-32B", requests_per_s=2, ttft_p95_s=2, tpot_p95_s=0.06, privacy="private"), catalog)
    rows = [plan.outcomes["dedicated"], plan.outcomes["quantized"]]
    own, other = (row.quote for row in rows if isinstance(row, Option))
    assert own.serving != other.serving
    assert {line.figure for line in own.lines} & {line.figure for line in other.lines}
    assert not rates_of_what_serves(own) & rates_of_what_serves(other)


def test_the_widest_swing_comes_first(found: Comparisons) -> None:
    swings = [each.swing_usd_per_month for each in found.influences if each.swing_usd_per_month is not None]
    assert swings == sorted(swings, reverse=True)
    assert len(swings) >= 6


def test_an_end_that_cannot_be_done_says_why(catalog: Catalog, ask: Ask) -> None:
    """8,192 tokens is all that Llama 3 takes; twice the input is more."""
    question = ask("meta-llama/Meta-Llama-3-8B-Instruct", requests_per_s=2, isl=6000, osl=300, privacy="private")
    if question.model_id not in catalog.models:
        pytest.skip("the catalogue has no model with a short context")
    found = compare(recommend(question, catalog), catalog)
    length = next(each for each in found.influences if each.input == "input length")
    assert length.usd_per_month_high is None
    assert "exceed" in length.note
    assert found.influences[0].swing_usd_per_month is None


def test_floor_is_one_replica_and_full_is_busy(found: Comparisons) -> None:
    for each in found.gpus:
        assert each.floor_usd_per_month <= each.usd_per_month * (1 + 1e-9)
        assert each.usd_per_mtok_full > 0
        assert 0 < each.utilization <= 0.7 + 1e-6
        assert each.seller


def test_the_cheap_gpu_wins_by_its_floor_and_loses_by_work(catalog: Catalog, ask: Ask) -> None:
    """A10 against H100: at two requests a minute it is the cheaper one, and never per token when both are full."""
    for rate, cheaper in ((2 / 60, True), (40.0, False)):
        plan = recommend(ask(LLAMA_8B, requests_per_s=rate, privacy="private"), catalog)
        by_id = {each.gpu_id: each for each in compare(plan, catalog, gpu_ids=PAIR).gpus}
        h100, a10 = (by_id[gpu_id] for gpu_id in PAIR)
        assert h100.against is None
        assert a10.against == "h100-sxm-80gb"
        assert (a10.usd_per_month < h100.usd_per_month) == cheaper
        assert a10.floor_usd_per_month < h100.floor_usd_per_month
        assert a10.usd_per_mtok_full > h100.usd_per_mtok_full
        assert a10.wins_by == ("floor" if cheaper else None)


def test_every_gpu_is_compared_in_a_format_that_may_be_recommended(catalog: Catalog, ask: Ask) -> None:
    """A lossy format that the plan happens to have on one GPU does not meet full quality on another, nor the memory of
    a host: each row is what `--gpu` alone would recommend, to the tie."""
    question = ask("Qwen/Qwen3-8B", requests_per_s=2.0, isl=1000, osl=200)
    found = {each.gpu_id: each for each in compare(recommend(question, catalog), catalog, gpu_ids=PAIR).gpus}
    assert "quadro-rtx-6000-24gb" in found  # the plan has it in 4 bits only
    for gpu_id in ("quadro-rtx-6000-24gb", "a10-24gb"):
        alone = recommend(replace(question, limits=replace(question.limits, gpu_ids=(gpu_id,))), catalog)
        dedicated = alone.outcomes["dedicated"]
        assert isinstance(dedicated, Option)
        assert found[gpu_id].usd_per_month == pytest.approx(dedicated.quote.usd_per_month)
        assert found[gpu_id].what.endswith(("bf16", "fp16"))


def value(usd: float, floor: float, full: float) -> GpuValue:
    return GpuValue(
        gpu_id="g", what="g", replicas=1, usd_per_month=usd, floor_usd_per_month=floor, usd_per_mtok_full=full,
        utilization=0.1,
    )  # fmt: skip


def test_what_wins() -> None:
    reference = value(100.0, 50.0, 1.0)
    assert wins_by(value(100.0, 10.0, 0.1), reference) is None
    assert wins_by(value(90.0, 10.0, 2.0), reference) == "floor"
    assert wins_by(value(90.0, 60.0, 0.5), reference) == "work per dollar"
    assert wins_by(value(90.0, 10.0, 0.5), reference) == "both"
    assert wins_by(value(90.0, 60.0, 2.0), reference) is None


def test_terms_are_the_same_machines(catalog: Catalog, ask: Ask) -> None:
    question = ask(LLAMA_70B, requests_per_s=40, ttft_p95_s=2.0, gpu_ids=("h100-sxm-80gb",), provider_ids=("aws",))
    found = {each.term: each for each in compare(recommend(question, catalog), catalog).terms}
    assert {"on-demand", "reserved-3y"} <= set(found)
    flexible, bound = found["on-demand"], found["reserved-3y"]
    machines = int(bound.what.split()[0])
    assert bound.what == f"{machines} x p5.48xlarge (reserved-3y)"
    assert bound.committed_usd == pytest.approx(machines * 20.695 * 730 * 36)
    assert bound.committed_usd < 36 * bound.usd_per_month  # storage, egress and the cluster bind nobody
    assert bound.break_even_months == pytest.approx(36 * 20.695 / 55.04)
    assert flexible.committed_usd is None


def test_fewer_bits_or_more_gpus(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_70B, requests_per_s=5, ttft_p95_s=2.0), catalog)
    duel = next(each for each in compare(plan, catalog).duels if each.title.startswith("fewer bits"))
    full = recommend(ask(LLAMA_70B, requests_per_s=5, ttft_p95_s=2.0, weight_formats=("bf16",)), catalog)
    best = full.outcomes["dedicated"]
    assert isinstance(best, Option)
    assert duel.second_usd_per_month == pytest.approx(best.quote.usd_per_month)
    assert duel.first_usd_per_month is not None
    assert duel.second_usd_per_month is not None
    assert duel.first_usd_per_month < duel.second_usd_per_month


def test_one_fleet_or_one_each(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_8B, requests_per_s=1, tenants=5, privacy="private"), catalog)
    duel = next(each for each in compare(plan, catalog).duels if each.title.startswith("one fleet"))
    alone = recommend(ask(LLAMA_8B, requests_per_s=0.2, privacy="private"), catalog).outcomes["dedicated"]
    assert isinstance(alone, Option)
    assert duel.second_usd_per_month == pytest.approx(5 * alone.quote.usd_per_month)


def test_no_duel_without_another_side(found: Comparisons) -> None:
    assert not any(each.title.startswith("one fleet") for each in found.duels)


def test_a_bill_lies_within_its_band(plan: Plan, found: Comparisons) -> None:
    options = {name: row for name, row in plan.outcomes.items() if isinstance(row, Option)}
    assert {each.strategy for each in found.bands} == set(options)
    for each in found.bands:
        assert each.usd_per_month == options[each.strategy].quote.usd_per_month
        if each.usd_per_month_low is not None:
            assert each.usd_per_month_low <= each.usd_per_month * (1 + 1e-9)
        if each.usd_per_month_high is not None:
            assert each.usd_per_month_high >= each.usd_per_month * (1 - 1e-9)
        assert each.usd_per_month_high is not None or each.note


def test_an_api_has_a_point_and_no_band(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_8B, requests_per_s=0.03, ttft_p95_s=2.0), catalog)
    row = next(each for each in compare(plan, catalog).bands if each.strategy == "serverless")
    assert row.usd_per_month_low == row.usd_per_month == row.usd_per_month_high
    assert "by the token" in row.note


def test_time_stretched_is_load_and_promise_scaled(plan: Plan, catalog: Catalog) -> None:
    """Twice as slow: twice the load against half the promise, and still the true traffic is paid for."""
    context = context_of(plan, catalog)
    there = slower(context, 2.0)
    assert there.workload.requests_per_s == 80.0
    assert there.slo.ttft_p95_s == 1.0
    assert plan.chosen is not None
    slow, same = at_pace(plan.chosen, context, 2.0), at_pace(plan.chosen, context, 1.0)
    assert same is plan.chosen
    assert isinstance(slow, Option)
    assert (slow.deployment.replicas or 0) > (plan.chosen.deployment.replicas or 0)
    assert slow.quote.output_tokens_per_month == pytest.approx(plan.chosen.quote.output_tokens_per_month)


def test_owned_hardware_is_compared_too(catalog: Catalog, ask: Ask) -> None:
    question = ask(LLAMA_8B, requests_per_s=2, inventory=with_gpus(1, 4, "a10-24gb"))
    found = compare(recommend(question, catalog), catalog)
    assert found.terms == ()
    assert found.gpus == ()
    assert any("of your own" in each.above for each in found.break_evens)
    assert all(each.tried_requests_per_s > 0 for each in found.break_evens)

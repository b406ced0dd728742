"""What puts one option before another, one rule a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from llmplan.plan.deployment import Deployment, Purchase
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.planner import recommend
from llmplan.planner.context import Context
from llmplan.planner.order import FIRM, LOWER_BOUND, UNDATED, VAGUE, best_of, firmness, never_idle
from llmplan.planner.rank import choose
from llmplan.spec.catalog import Catalog
from tests_support import LLAMA_8B, LLAMA_70B, Ask, with_gpus


def option_of(plan: Plan, strategy: str) -> Option:
    row = plan.outcomes[strategy]  # type: ignore[index]
    assert isinstance(row, Option), row
    return row


@pytest.fixture(scope="module")
def steady(catalog: Catalog, ask: Ask) -> Plan:
    return recommend(ask(LLAMA_8B, requests_per_s=3, ttft_p95_s=2.0, privacy="private"), catalog)


@pytest.fixture(scope="module")
def context(catalog: Catalog, ask: Ask) -> Context:
    return Context.of(ask(LLAMA_8B, requests_per_s=3, ttft_p95_s=2.0, privacy="private"), catalog)


def with_cost(option: Option, usd_per_month: float, **figure: object) -> Option:
    """The option with one line of that price."""
    line = option.quote.lines[0]
    assert line.figure is not None
    changed = replace(line, usd_per_month=usd_per_month, figure=replace(line.figure, **figure))  # type: ignore[arg-type]
    return replace(option, quote=replace(option.quote, lines=(changed,)))


def test_firmness_is_that_of_the_weakest_line(steady: Plan) -> None:
    option = option_of(steady, "dedicated")
    assert firmness(with_cost(option, 1.0, quality="listed", as_of=option.quote.as_of).quote) == FIRM
    assert firmness(with_cost(option, 1.0, quality="average", as_of=option.quote.as_of).quote) == VAGUE
    assert firmness(with_cost(option, 1.0, quality="listed", as_of=date(2025, 6, 28)).quote) == VAGUE
    assert firmness(with_cost(option, 1.0, as_of=None).quote) == UNDATED
    open_line = replace(option.quote.lines[0], usd_per_month=None)
    assert firmness(replace(option.quote, lines=(open_line,))) == LOWER_BOUND


def test_costs_within_five_per_cent_are_decided_on_merit(steady: Plan, context: Context) -> None:
    option = option_of(steady, "dedicated")
    assert option.estimate is not None
    slow = with_cost(option, 100.0)
    tpot = option.estimate.tpot_s
    quick = replace(with_cost(option, 104.0), estimate=replace(option.estimate, tpot_s=tpot.scaled(0.5)))
    dear = replace(quick, quote=with_cost(option, 106.0).quote)
    assert best_of([slow, quick], context) is quick
    assert best_of([slow, dear], context) is slow


def test_a_fleet_that_never_idles_does_not_hide_an_api_as_cheap(catalog: Catalog, ask: Ask) -> None:
    """Within 5 % of the API the fleet has failover, but the choice among the rows would pass it over."""
    question = ask("Qwen/Qwen3-8B", requests_per_s=4.0, isl=1000, osl=200)
    row = option_of(recommend(question, catalog), "serverless")
    context = Context.of(question, catalog)
    fleet = option_of(
        recommend(replace(question, limits=replace(question.limits, privacy="private")), catalog), "serverless"
    )
    assert never_idle(fleet)
    assert not never_idle(row)
    tie = with_cost(fleet, 1.04 * row.quote.usd_per_month)
    assert best_of([tie, row], context) is row


def test_measured_speed_comes_before_a_lower_price(steady: Plan, context: Context) -> None:
    option = option_of(steady, "dedicated")
    assert option.estimate is not None
    guess = replace(with_cost(option, 10.0), estimate=replace(option.estimate, extrapolated=True))
    measured = replace(with_cost(option, 100.0), estimate=replace(option.estimate, extrapolated=False))
    assert best_of([guess, measured], context) is measured


def test_own_gpus_are_not_used_up_for_speed_that_nobody_asked_for(catalog: Catalog, ask: Ask) -> None:
    """An 8B for a few users on eight H100s takes one of them, not all."""
    plan = recommend(ask(LLAMA_8B, concurrency=8, inventory=with_gpus(1, 8, "h100-sxm-80gb")), catalog)
    assert plan.chosen is not None
    assert plan.chosen.deployment.gpus == 1


def test_a_commitment_says_what_is_paid_today(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_70B, requests_per_s=15, ttft_p95_s=1.5), catalog)
    assert plan.chosen is not None
    (reason,) = (each for each in plan.reasons if "binds for" in each)
    (rent,) = plan.chosen.quote.serving
    upfront = (rent.usd_per_month or 0.0) * 12 * int(reason.split("binds for ")[1].split()[0])
    assert f"${upfront:,.0f} paid today" in reason


def test_every_cheaper_row_is_accounted_for(catalog: Catalog, ask: Ask) -> None:
    """Whatever costs less than the recommended row is mentioned with what it lacks."""
    questions = (
        ask(LLAMA_8B, requests_per_s=0.1, ttft_p95_s=2.0, privacy="private"),
        ask(LLAMA_70B, requests_per_s=2, isl=1500, osl=250, gpu_ids=("h100-sxm-80gb", "a10-24gb")),
        ask("Qwen/Qwen3-14B", requests_per_s=5),
    )
    for question in questions:
        plan = recommend(question, catalog)
        assert plan.chosen is not None
        told = " ".join(plan.reasons)
        for name, row in plan.outcomes.items():
            cheaper = isinstance(row, Option) and row.quote.usd_per_month * 1.05 < plan.chosen.quote.usd_per_month
            if cheaper and row is not plan.chosen:
                assert name.replace("_", " ") in told or "hosted API" in told, (question.model_id, name)


def test_one_machine_is_no_failover(catalog: Catalog, ask: Ask) -> None:
    question = ask(LLAMA_70B, requests_per_s=15, ttft_p95_s=1.5, provider_ids=("aws",), gpu_ids=("h100-sxm-80gb",))
    plan = recommend(question, catalog)
    assert plan.chosen is not None
    assert any("one machine" in warning for warning in plan.warnings)


def test_a_hair_beyond_the_quality_limit_is_not_worth_four_times_the_price(catalog: Catalog, ask: Ask) -> None:
    """An 8B on T4s: FP16 needs four of them at one seller, 4 bits (1.1 % measured loss) need one."""
    plan = recommend(ask(LLAMA_8B, concurrency=1, gpu_ids=("t4-16gb",)), catalog)
    assert plan.recommended == "quantized"
    assert plan.chosen is not None
    assert plan.chosen.deployment.gpus == 1
    assert "beyond the 1.0% accepted" in " ".join(plan.reasons)


def hosted(option: Option, usd_per_month: float) -> Option:
    """A hosted API of the option's model at that price."""
    deployment = Deployment(
        strategy="serverless", model=option.deployment.model, replica=None, purchase=Purchase(kind="tokens"), levers=()
    )
    bare = replace(option, deployment=deployment, memory=None, estimate=None, quality=None, meets_slo=None)
    return with_cost(bare, usd_per_month)


def test_a_hosted_api_is_held_against_the_lighter_format_that_won(catalog: Catalog, ask: Ask) -> None:
    """FP16 at $100, 4 bits at $20: an API must cost half of the $20, which half of the $100 does not show."""
    question = ask(LLAMA_8B, concurrency=1, gpu_ids=("t4-16gb",), ttft_p95_s=10.0)
    plan, context = recommend(question, catalog), Context.of(question, catalog)
    heavy = with_cost(option_of(plan, "dedicated"), 100.0)
    light = with_cost(option_of(plan, "quantized"), 20.0)
    own = {"dedicated": heavy, "quantized": light}
    chosen, reasons = choose({**own, "serverless": hosted(heavy, 15.0)}, context)  # type: ignore[dict-item]
    assert chosen == "quantized"
    assert "beyond the 1.0% accepted" in " ".join(reasons)
    assert "the hosted API would cost $15" in " ".join(reasons)
    chosen, reasons = choose({**own, "serverless": hosted(heavy, 9.0)}, context)  # type: ignore[dict-item]
    assert chosen == "serverless"
    assert "($20" in reasons[0]

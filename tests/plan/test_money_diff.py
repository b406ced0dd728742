"""What two bills differ by: every part by hand, and that the parts always add up."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import plan_samples as sample
from llmplan.plan.deployment import Parallelism
from llmplan.plan.money.diff import BillChange, CostDiff, diff
from llmplan.plan.money.side import Bill, Side, fields_of, side_of
from llmplan.plan.money.steps import between
from llmplan.plan.outcome import Option, PriceFigure, Quote, QuoteLine
from llmplan.plan.plan import Figure, Plan

DAY, LATER = date(2026, 10, 1), date(2026, 11, 1)


def figure(provider: str = "aws", instance: str = "p5", as_of: date = DAY) -> PriceFigure:
    return PriceFigure(
        provider=provider, region="us-east-1", term="on-demand", instance=instance, source="a list", as_of=as_of
    )


def line(
    quantity: float, price: float | None, name: str = "1 x p5 (on-demand)", unit: str = "instance-h", **more: Any
) -> QuoteLine:
    return QuoteLine(
        name=name, quantity=quantity, unit=unit, unit_price_usd=price,
        usd_per_month=None if price is None else quantity * price, figure=more.pop("figure", figure()), **more,
    )  # fmt: skip


def quote(*lines: QuoteLine) -> Quote:
    return Quote(lines=lines, input_tokens_per_month=1e9, output_tokens_per_month=3e8, as_of=DAY)


def option(*lines: QuoteLine, **changes: Any) -> Option:
    return sample.option(quote=quote(*lines), **changes)


def plan(*lines: QuoteLine, rate: float = 5.0, **changes: Any) -> Plan:
    made = sample.plan(option(*lines), **changes)
    workload = replace(made.question.workload, requests_per_s=rate)
    return replace(made, question=replace(made.question, workload=workload))


def compared(old: Plan, new: Plan) -> CostDiff:
    return diff(side_of(old, "old.yaml"), side_of(new, "now"))


def dedicated(found: CostDiff) -> BillChange:
    return next(bill for bill in found.bills if bill.strategy == "dedicated")


def causes(found: CostDiff) -> dict[str, float]:
    return {effect.cause: pytest.approx(effect.usd_per_month) for effect in dedicated(found).effects}


def test_the_same_plan_does_not_differ() -> None:
    found = compared(plan(line(730, 2.0)), plan(line(730, 2.0)))
    assert not found.changed
    assert (found.usd_per_month, found.effects, found.moves.question) == (0.0, (), ())


def test_a_price_that_moved() -> None:
    """730 h at 2.00, then at 2.50: 365 USD more, all of it the price's."""
    dearer = replace(line(730, 2.5), figure=figure(as_of=LATER))
    found = compared(plan(line(730, 2.0)), plan(dearer, price_date=LATER))
    assert causes(found) == {"price": 365.0}
    assert dedicated(found).effects[0].why == "aws us-east-1 on-demand: 2026-10-01 → 2026-11-01"


def test_traffic_that_moved() -> None:
    """Two machines more at 2.00: 2 x 730 x 2 = 2,920 USD."""
    found = compared(plan(line(730, 2.0)), plan(line(3 * 730, 2.0, name="3 x p5 (on-demand)"), rate=15.0))
    assert causes(found) == {"workload": 2920.0}
    assert dedicated(found).effects[0].why == "requests_per_s 5 → 15"
    assert [change.kind for change in dedicated(found).lines] == ["~"]


def test_quantity_at_the_old_price_then_price_at_the_new_quantity() -> None:
    """(1,460 - 730) x 2.00 = 1,460 of traffic, then 1,460 x (2.50 - 2.00) = 730 of price: 3,650 - 1,460 = 2,190."""
    dearer = line(1460, 2.5, name="2 x p5 (on-demand)", figure=figure(as_of=LATER))
    old, new = plan(line(730, 2.0)), plan(dearer, rate=10.0)
    assert causes(compared(old, new)) == {"workload": 1460.0, "price": 730.0}
    assert compared(old, new).usd_per_month == pytest.approx(2190.0)


def test_a_tier_that_more_traffic_reached_is_the_traffics() -> None:
    """The same row of the same day: 100 GB at 0.09 = 9, 1,000 GB at a mean of 0.05 = 50."""
    old = line(100, 0.09, name="egress", unit="GB", figure=figure("aws", "egress"))
    new = line(1000, 0.05, name="egress", unit="GB", figure=figure("aws", "egress"))
    found = compared(plan(old), plan(new, rate=50.0))
    assert causes(found) == {"workload": 41.0}
    assert "the price has tiers" in dedicated(found).effects[0].why


def with_figures(made: Plan, **values: float) -> Plan:
    gpu = "h100-sxm-80gb"
    return replace(
        made,
        figures=tuple(
            Figure(path=f"gpus/{gpu}/{name}", value=value, unit="", provenance=sample.PUBLISHED)
            for name, value in values.items()
        ),
    )


def test_a_figure_that_moved_at_the_same_question() -> None:
    old = with_figures(plan(line(730, 2.0)), memory_bytes=80.0, tdp_w=700.0)
    new = with_figures(plan(line(1460, 2.0, name="2 x p5 (on-demand)")), memory_bytes=60.0, tdp_w=700.0)
    found = compared(old, new)
    assert causes(found) == {"figure": 1460.0}
    assert "memory_bytes 80 → 60" in dedicated(found).effects[0].why


def test_a_figure_of_another_gpu_is_no_reason() -> None:
    """Both plans state a figure of a GPU that this bill does not use."""
    stray = Figure(path="gpus/t4-16gb/memory_bytes", value=1.0, unit="", provenance=sample.PUBLISHED)
    old = replace(plan(line(730, 2.0)), figures=(stray,))
    new = replace(plan(line(1460, 2.0), rate=9.0), figures=(replace(stray, value=2.0),))
    assert causes(compared(old, new)) == {"workload": 1460.0}
    assert [change.path for change in compared(old, new).moves.figures] == ["gpus/t4-16gb/memory_bytes"]


def test_what_moved_at_once_is_said_to_be_inseparable() -> None:
    old = plan(line(730, 2.0))
    new = plan(line(1460, 2.0), rate=9.0)
    new = replace(new, question=replace(new.question, slo=replace(new.question.slo, ttft_p95_s=1.0)))
    found = compared(old, new)
    assert causes(found) == {"several": 1460.0}
    assert "workload: requests_per_s 5 → 9; promise: ttft_p95_s 2 → 1" in dedicated(found).effects[0].why


def test_a_bill_on_the_way_tells_them_apart() -> None:
    """730 h first, 1,095 h at the new rate, 1,460 h with the promise too, all at 2.00: 730 USD each."""
    old, new = plan(line(730, 2.0)), plan(line(1460, 2.0), rate=9.0)
    promise = replace(new.question.slo, ttft_p95_s=1.0)
    new = replace(new, question=replace(new.question, slo=promise))
    asked = between(old.question, new.question)
    assert asked == (old.question, replace(old.question, workload=new.question.workload))
    answers = [replace(old, question=asked[0]), replace(plan(line(1095, 2.0)), question=asked[1])]
    sides = [side_of(each, "between") for each in answers]
    found = diff(side_of(old, "old"), side_of(new, "now"), sides)
    assert causes(found) == {"workload": 730.0, "promise": 730.0}
    assert [(each.cause, each.usd_per_month) for each in found.effects] == [("workload", 730.0), ("promise", 730.0)]
    without = [replace(side, bills={"dedicated": "does not fit"}) for side in sides]
    assert causes(diff(side_of(old, "old"), side_of(new, "now"), without)) == {"several": 1460.0}


def test_figures_and_prices_are_the_first_step() -> None:
    """The old question is asked again of newer figures only where the question moved too."""
    old, new = sample.plan().question, sample.plan().question
    assert between(old, new) == ()
    later = replace(new, limits=replace(new.limits, price_date=LATER))
    assert between(old, later) == ()
    busier = replace(later, workload=replace(later.workload, requests_per_s=9.0))
    assert between(old, busier) == (later,)
    assert between(old, replace(busier, model_id="another/model")) == ()


@given(bills=st.lists(st.lists(st.floats(min_value=0, max_value=1e4), min_size=1, max_size=3), min_size=3, max_size=5))
def test_steps_add_up_whatever_lies_between(bills: list[list[float]]) -> None:
    plans = [plan(*(line(hours, 2.0) for hours in each), rate=5.0 + place) for place, each in enumerate(bills)]
    promise = replace(plans[-1].question.slo, ttft_p95_s=1.0)
    plans[-1] = replace(plans[-1], question=replace(plans[-1].question, slo=promise))
    sides = [side_of(each, "") for each in plans]
    bill = dedicated(diff(sides[0], sides[-1], sides[1:-1]))
    assert bill.usd_per_month is not None
    assert math.fsum(each.usd_per_month for each in bill.effects) == pytest.approx(bill.usd_per_month, abs=1e-6)


def test_tokens_are_the_traffics_whatever_else_moved() -> None:
    tokens = [line(quantity, 0.5, name="input tokens", unit="Mtok") for quantity in (100.0, 300.0)]
    old, new = plan(tokens[0]), plan(tokens[1], rate=15.0)
    new = replace(new, question=replace(new.question, slo=replace(new.question.slo, ttft_p95_s=1.0)))
    assert causes(compared(old, new)) == {"workload": 100.0}


def test_another_machine_is_one_line_gone_and_one_come() -> None:
    """730 h x 2.00 = 1,460 goes, 730 h x 3.00 = 2,190 comes."""
    other = replace(line(730, 3.0), name="1 x a3 (on-demand)", figure=figure("gcp", "a3"))
    old, new = plan(line(730, 2.0)), plan(other)
    found = compared(old, new)
    assert [(change.kind, change.usd_per_month) for change in dedicated(found).lines] == [("+", 2190.0), ("-", -1460.0)]
    assert causes(found) == {"deployment": 730.0}
    assert dedicated(found).effects[0].why == "bought elsewhere: aws us-east-1 on-demand → gcp us-east-1 on-demand"


def test_another_format_is_a_deployment_and_names_what_made_it_so() -> None:
    old = plan(line(730, 2.0))
    wide = sample.replica(parallel=Parallelism(tp=2))
    new = sample.plan(sample.option(of=wide, quote=quote(line(1460, 2.0))))
    new = replace(new, question=replace(new.question, slo=replace(new.question.slo, ttft_p95_s=0.5)))
    found = compared(old, new)
    assert causes(found) == {"deployment": 1460.0}
    said = dedicated(found).effects[0].why
    assert said.startswith("parallel TP")
    assert said.endswith("promise moved: ttft_p95_s 2 → 0.5")


def test_a_seller_of_tokens_who_is_another_on_another_day() -> None:
    def tokens(seller: str, price: float) -> QuoteLine:
        return line(100, price, name="input tokens", unit="Mtok", figure=figure(seller, "model"))

    found = compared(plan(tokens("acme", 0.5)), plan(tokens("bravo", 0.4), price_date=LATER))
    assert causes(found) == {"deployment": -10.0}
    assert dedicated(found).effects[0].why == (
        "bought elsewhere: acme us-east-1 on-demand → bravo us-east-1 on-demand; only the prices are of another day: "
        "2026-11-22 → 2026-11-01"
    )


def test_what_a_seller_gives_free_is_the_sellers_and_said_once() -> None:
    """315 GB at 0.12 = 37.80, of another seller 215 at 0.09 = 19.35 and 9 GB-month at 0.07 after 0.10: one cause."""

    def beside(seller: str, gigabytes: float, price: float, storage: float) -> tuple[QuoteLine, QuoteLine]:
        return (
            line(gigabytes, price, name="egress", unit="GB", figure=figure(seller, "egress")),
            line(9, storage, name="storage", unit="GB-month", figure=figure(seller, "storage")),
        )

    found = compared(plan(*beside("gcp", 315, 0.12, 0.10)), plan(*beside("aws", 215, 0.09, 0.07), price_date=LATER))
    assert causes(found) == {"deployment": 19.35 - 37.80 + 9 * (0.07 - 0.10)}
    assert dedicated(found).effects[0].why == (
        "bought elsewhere: gcp us-east-1 on-demand → aws us-east-1 on-demand; only the prices are of another day: "
        "2026-11-22 → 2026-11-01"
    )


def test_a_charge_that_only_one_bill_has() -> None:
    storage = line(100, 0.08, name="weights", unit="GiB-month", figure=None)
    found = compared(plan(line(730, 2.0)), plan(line(730, 2.0), storage))
    assert causes(found) == {"coverage": 8.0}
    assert [change.kind for change in dedicated(found).lines] == ["+"]
    gone = compared(plan(line(730, 2.0), storage), plan(line(730, 2.0)))
    assert causes(gone) == {"coverage": -8.0}


def test_a_price_that_became_known_and_one_that_is_no_longer() -> None:
    old, new = plan(line(730, None)), plan(line(730, 2.0))
    assert causes(compared(old, new)) == {"price": 1460.0}
    assert "became known" in dedicated(compared(old, new)).effects[0].why
    assert causes(compared(new, old)) == {"price": -1460.0}
    assert not side_of(old, "").bills["dedicated"].complete  # type: ignore[union-attr]


def test_another_recommendation_is_a_choice_at_the_old_prices() -> None:
    """Before: the token API 1,000, dedicated 1,460. Now dedicated 2,190 is taken: 460 of choice and 730 of traffic."""
    api = replace(sample.token_option(), quote=quote(line(1000, 1.0, name="input tokens", unit="Mtok")))
    old = sample.plan(api, option(line(730, 2.0)), recommended="serverless")
    new = sample.plan(api, option(line(1095, 2.0)), recommended="dedicated")
    workload = replace(new.question.workload, requests_per_s=8.0)
    found = compared(old, replace(new, question=replace(new.question, workload=workload)))
    assert [(effect.cause, effect.usd_per_month) for effect in found.effects] == [
        ("choice", 460.0),
        ("workload", 730.0),
    ]
    assert found.usd_per_month == pytest.approx(1190.0)


def test_a_strategy_that_became_feasible_and_one_that_is_no_longer() -> None:
    old, new = sample.plan(option(line(730, 2.0))), sample.plan(sample.option("quantized"), recommended="quantized")
    found = {bill.strategy: bill for bill in compared(old, new).bills}
    assert (found["quantized"].before, found["quantized"].why_none_before) == (None, "does not fit")
    assert (found["dedicated"].after, found["dedicated"].why_none_after) == (None, "does not fit")
    assert found["quantized"].changed
    assert not found["serverless"].changed
    (effect,) = compared(old, new).effects
    assert effect.cause == "choice"
    assert effect.usd_per_month == pytest.approx(2500.0 - 1460.0)


def test_nothing_recommended_on_one_side() -> None:
    found = compared(sample.plan(option(line(730, 2.0)), recommended=None), plan(line(730, 2.0)))
    assert (found.usd_per_month, found.effects) == (None, ())
    assert found.changed


def test_the_day_of_the_prices_and_names_are_no_fields_of_a_question() -> None:
    asked = sample.plan().question
    same = replace(
        asked,
        workload=replace(asked.workload, name="another name", id="x"),
        limits=replace(asked.limits, price_date=LATER),
    )
    assert compared(sample.plan(), replace(sample.plan(), question=same)).moves.question == ()
    fields = fields_of(asked)
    assert fields["workload.requests_per_s"] == 5.0
    assert fields["workload.input_tokens.mean"] == 1000
    assert not any(path.endswith((".provenance", ".name", ".id")) for path in fields)


def test_own_prefixes_are_not_none() -> None:
    """0 (each request its own) and None (one a tenant) are different questions; an empty list and None are not."""
    asked = sample.plan().question
    other = replace(asked, workload=replace(asked.workload, prefixes=0))
    (change,) = compared(sample.plan(), replace(sample.plan(), question=other)).moves.question
    assert change.describe() == "prefixes unset → 0"


AMOUNTS = st.floats(min_value=0, max_value=1e7, allow_nan=False)
PRICES = st.none() | st.floats(min_value=0, max_value=1e4, allow_nan=False)
NAMES = st.sampled_from(["input tokens", "output tokens", "1 x p5 (on-demand)", "2 x p5 (on-demand)", "storage"])
UNITS = st.sampled_from(["Mtok", "instance-h", "GPU-h", "GiB-month"])
FIGURES = st.none() | st.builds(figure, st.sampled_from(["aws", "gcp"]), st.sampled_from(["p5", "a3"]))
LINES = st.builds(
    lambda quantity, price, name, unit, row: line(quantity, price, name, unit, figure=row),
    AMOUNTS, PRICES, NAMES, UNITS, FIGURES,
)  # fmt: skip
BILLS = st.lists(LINES, max_size=6).map(tuple)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=BILLS, after=BILLS, rates=st.tuples(st.sampled_from([5.0, 9.0]), st.sampled_from([5.0, 9.0])))
def test_parts_add_up_to_lines_and_lines_to_totals(
    before: tuple[QuoteLine, ...], after: tuple[QuoteLine, ...], rates: tuple[float, float]
) -> None:
    found = compared(plan(*before, rate=rates[0]), plan(*after, rate=rates[1]))
    bill = dedicated(found)
    scale = 1e-9 * (1.0 + sum(each.usd_per_month or 0.0 for each in (*before, *after)))
    for change in bill.lines:
        parts = math.fsum(effect.usd_per_month for effect in change.effects)
        assert parts == pytest.approx(change.usd_per_month, abs=scale)
    assert bill.usd_per_month is not None
    lines = math.fsum(change.usd_per_month for change in bill.lines)
    assert lines == pytest.approx(bill.usd_per_month, abs=scale)
    assert math.fsum(each.usd_per_month for each in found.effects) == pytest.approx(bill.usd_per_month, abs=scale)


@given(bill=BILLS)
def test_a_bill_never_differs_from_itself(bill: tuple[QuoteLine, ...]) -> None:
    assert not compared(plan(*bill), plan(*bill)).changed


def test_a_bill_with_an_open_line_is_a_lower_bound() -> None:
    bill = Bill(lines=(line(730, 2.0), line(1, None)), built={})
    assert (bill.usd_per_month, bill.complete) == (1460.0, False)


def test_a_side_without_a_strategy_says_not_asked() -> None:
    side = side_of(sample.plan(), "old")
    empty = Side(
        name="old", model_id=side.model_id, price_date=side.price_date, made_with=side.made_with,
        question=side.question, bills={}, recommended=None, figures={},
    )  # fmt: skip
    assert dedicated(diff(empty, side)).why_none_before == "not asked"

"""A bill against an older one as it is printed: marks, reasons, and cents that add up."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import API, DEDICATED, PLAN, QUOTE

from llmplan.plan.money.diff import CostDiff, Effect, diff
from llmplan.plan.money.side import side_of
from llmplan.plan.outcome import QuoteLine
from llmplan.plan.plan import Plan
from llmplan.report import cost_diff, json_against, markdown
from llmplan.report.blocks import Table
from llmplan.report.cost_cents import by_cause, effects_of, in_minor, shared
from llmplan.report.currency import USD, Currency


def with_lines(*lines: QuoteLine, rate: float = 5.0) -> Plan:
    option = replace(DEDICATED, quote=replace(QUOTE, lines=lines))
    asked = replace(PLAN.question, workload=replace(PLAN.question.workload, requests_per_s=rate))
    return replace(PLAN, outcomes={**PLAN.outcomes, "dedicated": option}, question=asked)


def against(old: Plan, new: Plan) -> CostDiff:
    return diff(side_of(old, "old.yaml"), side_of(new, "now"))


MACHINE, DISK = QUOTE.lines
TWO = replace(MACHINE, quantity=1460.0, usd_per_month=2927.30)
CACHE = replace(DISK, name="cache", usd_per_month=1.0, unit_price_usd=1.0, quantity=1.0)
CHANGED = against(with_lines(MACHINE, DISK), with_lines(TWO, CACHE, rate=10.0))


def text_of(found: CostDiff, currency: Currency = USD) -> str:
    return markdown.render(tuple(cost_diff.blocks(found, currency)))


def test_marks_totals_and_reasons() -> None:
    """1,463.65 + 8.00 = 1,471.65 before; 2,927.30 + 1.00 = 2,928.30 after: 1,456.65 more."""
    text = text_of(CHANGED)
    for part in (
        "## Against old.yaml",
        "question: requests_per_s 5 → 10",
        "| ▸ dedicated | $1,471.65 | $2,928.30 | +$1,456.65 |",
        "| ~ g.4 instance",
        "730 h<br>→ 1,460 h",
        "$1,463.65<br>→ $2,927.30 | +$1,463.65 |",
        "| + cache | 1 GB | $1 | $1.00 | +$1.00 |",
        "| - disk | 100 GB | $0.08004 | $8.00 | -$8.00 |",
        "dedicated: workload +$1,456.65: requests_per_s 5 → 10",
        "| serverless | ≥ $1,471.65 | ≥ $1,471.65 | $0.00 * | unchanged |",
    ):
        assert part in text, part


def test_unchanged_is_said() -> None:
    text = text_of(against(PLAN, PLAN))
    assert "No line of any bill changed." in text
    assert "question: the same" in text


def test_days_versions_figures_and_models_that_differ_are_said() -> None:
    figure = replace(PLAN.figures[0], value=PLAN.figures[0].value / 2)
    other = replace(
        PLAN, figures=(figure,), price_date=date(2026, 11, 25), made_with="llmplan 0.2.0",
        question=replace(PLAN.question, model_id="example/other"),
    )  # fmt: skip
    text = text_of(against(PLAN, other))
    for part in (
        "model: example/tiny-1b → example/other", "prices: of 2026-11-20 → 2026-11-25",
        "memory_bytes 2.57698e+10 → 1.28849e+10", "made with: llmplan 0.1.0 → llmplan 0.2.0", "question: the same",
    ):  # fmt: skip
        assert part in text, part


def test_another_recommendation() -> None:
    priced = replace(API, quote=replace(QUOTE, lines=(MACHINE,)))
    old = replace(PLAN, outcomes={**PLAN.outcomes, "serverless": priced}, recommended="serverless")
    new = replace(PLAN, outcomes={**PLAN.outcomes, "serverless": priced})
    text = text_of(against(old, new))
    assert "**recommended: serverless → dedicated** | **$1,463.65** | **$1,471.65** | **+$8.00**" in text
    assert "recommended: choice +$8.00: dedicated instead of serverless, as both were priced before" in text


def test_feasible_on_one_side_only() -> None:
    text = text_of(against(PLAN, replace(PLAN, outcomes={**PLAN.outcomes, "quantized": DEDICATED})))
    assert "| quantized | – | $1,471.65 | – | was not feasible: the weights do not fit |" in text


def cents(text: str) -> int:
    found = re.sub(r"[^0-9.\-]", "", text)
    return round(float(found) * 100)


LINES = st.lists(
    st.builds(
        lambda quantity, price, name: QuoteLine(
            name=name, quantity=quantity, unit="GB", unit_price_usd=price, usd_per_month=quantity * price
        ),
        st.floats(min_value=0, max_value=1e5),
        st.floats(min_value=0, max_value=10),
        st.sampled_from(["disk", "cache", "traffic"]),
    ),
    max_size=5,
)


@given(before=LINES, after=LINES, rate=st.sampled_from([5.0, 7.0]))
def test_printed_parts_add_up_to_the_cent(before: list[QuoteLine], after: list[QuoteLine], rate: float) -> None:
    found = against(with_lines(*before), with_lines(*after, rate=rate))
    bill = next(each for each in found.bills if each.strategy == "dedicated")
    tables = [block for block in cost_diff.blocks(found, USD) if isinstance(block, Table)]
    row = next(row for row in tables[0].rows if row.cells[0].endswith("dedicated"))
    assert cents(row.cells[2]) - cents(row.cells[1]) == cents(row.cells[3])
    assert sum(in_minor(line, USD) for line in bill.lines) == cents(row.cells[3])
    assert sum(minor for _, minor, _ in by_cause(bill, USD)) == cents(row.cells[3])
    for line in bill.lines:
        assert sum(minor for _, minor in effects_of(line, USD)) == in_minor(line, USD)
    if bill.lines:
        lines = next(table for table in tables if table.title.startswith("dedicated"))
        assert sum(cents(row.cells[4]) for row in lines.rows) == cents(lines.footer[4]) == cents(row.cells[3])


@given(parts=st.lists(st.floats(min_value=-1e5, max_value=1e5), min_size=1, max_size=4), more=st.integers(-500, 500))
def test_a_difference_in_cents_is_shared_out_whole(parts: list[float], more: int) -> None:
    effects = tuple(Effect(cause="workload", usd_per_month=part) for part in parts)
    minor = round(sum(parts) * 100) + more
    assert sum(part for _, part in shared(effects, minor, USD)) == minor


def test_steps_are_printed_with_their_order() -> None:
    (bill,) = (each for each in CHANGED.bills if each.strategy == "dedicated")
    steps = (Effect(cause="workload", usd_per_month=1000.0), Effect(cause="promise", usd_per_month=456.646))
    bills = tuple(replace(each, steps=steps) if each is bill else each for each in CHANGED.bills)
    text = text_of(replace(CHANGED, bills=bills))
    assert "workload +$1,000.00, promise +$456.65" in text
    assert "in the order figures and prices, workload, promise, limits, expenses" in text


def test_json_states_every_part_in_usd() -> None:
    record = json_against.against(CHANGED)
    (row,) = (each for each in record["strategies"] if each["strategy"] == "dedicated")
    assert [line["change"] for line in row["lines"]] == ["~", "+", "-"]
    assert row["usd_per_month"]["difference"] == pytest.approx(2928.30 - 1471.654)
    assert sum(effect["usd_per_month"] for effect in record["effects"]) == pytest.approx(
        record["usd_per_month"]["difference"]
    )
    assert record["question"] == [{"field": "workload.requests_per_s", "before": 5.0, "after": 10.0}]
    assert row["lines"][1]["quantity"] == {"before": None, "after": 1.0}


def test_in_another_currency() -> None:
    text = text_of(CHANGED, Currency(code="EUR", per_usd=2.0))
    assert "$" not in text
    assert "+€2,913.29" in text  # 5,854.60 + 2.00 - 2,927.30 - 16.01

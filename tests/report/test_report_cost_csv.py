"""CSV of a bill: read again by the standard library, exact, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import API, DEDICATED, FIGURE, OUTCOMES, PLAN, QUOTE

from llmplan.plan.money.diff import diff
from llmplan.plan.money.side import side_of
from llmplan.plan.outcome import Option
from llmplan.report.cost_answer import CostAnswer
from llmplan.report.cost_csv import FORMULA_STARTS, render, written
from llmplan.report.currency import Currency


def rows_of(answer: CostAnswer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(answer), newline="")))


def test_one_row_for_each_line_and_one_for_each_refusal() -> None:
    rows = rows_of(CostAnswer(plan=PLAN))
    lines = sum(len(each.quote.lines) if isinstance(each, Option) else 1 for each in OUTCOMES.values())
    assert len(rows) == lines == 3 + 2 + 3
    machine = next(row for row in rows if row["strategy"] == "dedicated")
    assert machine["recommended"] == "yes"
    assert (float(machine["quantity"]), float(machine["unit_price_usd"])) == (730.0, 2.005)
    assert float(machine["usd_per_month"]) == 1463.65
    assert (machine["provider"], machine["region"], machine["term"], machine["instance"], machine["as_of"]) == (
        "exampleco", "eu-1", "on-demand", "g.4", "2026-11-01",
    )  # fmt: skip
    refused = next(row for row in rows if row["strategy"] == "quantized")
    assert (refused["status"], refused["note"]) == ("not feasible", "the weights do not fit")


def test_what_has_no_price_is_an_empty_cell() -> None:
    egress = next(row for row in rows_of(CostAnswer(plan=PLAN)) if row["line"] == "egress")
    assert (egress["unit_price_usd"], egress["usd_per_month"], egress["source"]) == ("", "", "")
    assert API.quote.lines[2].usd_per_month is None


def test_another_currency_stands_in_the_titles() -> None:
    row = rows_of(CostAnswer(plan=PLAN, currency=Currency(code="EUR", per_usd=0.5)))[3]
    assert (float(row["unit_price_eur"]), float(row["eur_per_month"])) == (2.005 / 2, 1463.65 / 2)
    assert "usd_per_month" not in row


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_a_text_that_a_spreadsheet_would_compute_is_a_text(start: str) -> None:
    nasty = f'{start}HYPERLINK("http://example.org","x"),rest'
    line = replace(QUOTE.lines[0], name=nasty, note=nasty, figure=replace(FIGURE, source=nasty, instance=nasty))
    option = replace(DEDICATED, quote=replace(QUOTE, lines=(line,)))
    row = rows_of(CostAnswer(plan=replace(PLAN, outcomes={**PLAN.outcomes, "dedicated": option})))[3]
    for name in ("line", "note", "source", "instance"):
        assert row[name] == f"'{nasty}"


@given(st.lists(st.lists(st.text() | st.none() | st.floats(allow_nan=False), min_size=2, max_size=4), min_size=1))
def test_any_text_comes_back_on_one_line(rows: list[list[str | float | None]]) -> None:
    found = list(csv.reader(io.StringIO(written(rows), newline="")))
    assert len(found) == len(rows) == len(written(rows).splitlines())
    for row, cells in zip(rows, found, strict=True):
        for value, cell in zip(row, cells, strict=True):
            if isinstance(value, str):
                said = " ".join(value.splitlines())
                assert cell in (said, f"'{said}")
                assert not cell.startswith(FORMULA_STARTS)
            elif isinstance(value, float):
                assert float(cell) == value
            else:
                assert cell == ""


def test_against_an_older_bill_only_what_changed() -> None:
    dearer = replace(QUOTE.lines[0], unit_price_usd=3.0, usd_per_month=2190.0)
    option = replace(DEDICATED, quote=replace(QUOTE, lines=(dearer,)))
    new = replace(PLAN, outcomes={**PLAN.outcomes, "dedicated": option, "quantized": DEDICATED})
    found = diff(side_of(PLAN, "old"), side_of(new, "now"))
    rows = rows_of(CostAnswer(plan=new, against=found))
    assert [(row["strategy"], row["change"], row["line"]) for row in rows] == [
        ("dedicated", "changed", "g.4 instance"),
        ("dedicated", "removed", "disk"),
        ("quantized", "added", "g.4 instance"),
        ("quantized", "added", "disk"),
    ]
    assert float(rows[0]["difference_usd"]) == pytest.approx(2190.0 - 1463.65)
    assert rows[0]["causes"] == "price +$726.35"
    assert (rows[1]["usd_per_month_before"], rows[1]["usd_per_month_after"]) == ("8.004", "")
    assert rows[2]["why"] == "was not feasible: the weights do not fit"
    assert rows[0]["seller_before"] == "exampleco eu-1 on-demand g.4"

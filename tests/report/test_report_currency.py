"""Money in another currency: what is printed adds up, and every dollar of a text is converted once."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import DEDICATED, OPEN_QUOTE, PLAN, QUOTE

from llmplan.report import cost, markdown, tree
from llmplan.report.blocks import Column as Heading
from llmplan.report.blocks import Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.cost_answer import CostAnswer
from llmplan.report.currency import MINOR_DIGITS, USD, Currency, converted

EURO = Currency(code="EUR", per_usd=0.92)


def number(text: str, currency: Currency) -> int:
    """A printed amount in minor units."""
    digits = re.sub(r"[^0-9.]", "", text)
    return round(float(digits) * 10**currency.digits)


@pytest.mark.parametrize(
    ("currency", "usd", "exact", "rounded", "unit"),
    [
        (USD, 1463.65, "$1,463.65", "$1,464", "$1,463.65"),
        (EURO, 1000.0, "€920.00", "€920.00", "€920"),
        (Currency(code="JPY", per_usd=150.0), 1463.65, "¥219,548", "¥219,548", "¥219,548"),
        (Currency(code="KWD", per_usd=0.3), 10.0, "KWD 3.000", "KWD 3.00", "KWD 3"),
        (Currency(code="CHF", per_usd=0.8), 2.005, "CHF 1.60", "CHF 1.60", "CHF 1.604"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(
    currency: Currency, usd: float, exact: str, rounded: str, unit: str
) -> None:
    assert (currency.exact(usd), currency.rounded(usd), currency.unit_price(usd)) == (exact, rounded, unit)


@pytest.mark.parametrize("quote", [QUOTE, OPEN_QUOTE])
@pytest.mark.parametrize("code", sorted(MINOR_DIGITS))
def test_a_total_is_the_sum_of_the_printed_lines_in_every_currency(quote: object, code: str) -> None:
    currency = Currency(code=code, per_usd=1.0 / 3.0)
    table = tree.quote_table(quote, title="", currency=currency)  # type: ignore[arg-type]
    printed = [number(row.cells[3], currency) for row in table.rows if row.cells[3] != "–"]
    assert sum(printed) == number(table.footer[3], currency)
    assert table.columns[3].title == f"{currency.unit}/month"


@given(st.lists(st.floats(min_value=0, max_value=1e9, allow_nan=False), max_size=8))
def test_minor_units_are_what_is_written(amounts: list[float]) -> None:
    for code in ("EUR", "JPY", "BHD"):
        currency = Currency(code=code, per_usd=0.7)
        total = sum(currency.minor(amount) for amount in amounts)
        assert number(currency.written(total), currency) == total
        assert sum(number(currency.exact(amount), currency) for amount in amounts) == total


def test_signs() -> None:
    assert [EURO.written(minor, signed=True) for minor in (5, 0, -5)] == ["+€0.05", "€0.00", "-€0.05"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$1,234 of it", "€1,135 of it"),
        ("$0.02 and $795.70", "€0.0184 and €732.04"),
        ("≥ $1,000.00", "≥ €920.00"),
        ("-$3.00", "-€2.76"),
        ("$0.00 a month", "€0.00 a month"),
        ("$/month", "€/month"),
        ("A$5 and US$5 stay", "A$5 and US$5 stay"),
        ("a $ alone, $x", "a $ alone, $x"),
    ],
)
def test_dollars_in_a_text(text: str, said: str) -> None:
    assert EURO.converted(text) == said
    assert USD.converted(text) == text


def test_every_block_is_converted_and_none_twice() -> None:
    document: Document = (
        Paragraph(text="$1.00"),
        Items(title="$/month", items=("$1.00",)),
        Facts(pairs=(("name", "$1.00"),)),
        Table(
            title="of $1.00", columns=(Heading(title="$/h"),), rows=(Row(cells=("$1.00",)),), footer=("$1.00",)
        ),
    )  # fmt: skip
    text = markdown.render(converted(document, Currency(code="AUD", per_usd=1.5)))
    assert "$" not in text
    assert text.count("AUD 1.50") == 6
    assert text.count("AUD/") == 2
    assert converted(document, USD) is document


def test_an_answer_in_euros_holds_no_dollar_and_says_whose_rate_it_is() -> None:
    answer = CostAnswer(plan=PLAN, by_gpu={"example-24gb": DEDICATED}, currency=EURO)
    text = markdown.render(cost.document(answer, explained=True))
    assert "$" not in text
    assert "EUR at 0.92 per USD, a rate given with --usd-rate; prices are kept in USD" in text
    assert "€1,353.92" in text  # 1463.65 x 0.92 = 1346.558 and 8.004 x 0.92 = 7.36368: 1,346.56 + 7.36
    assert "730 h × €1.8446" in text  # 2.005 x 0.92

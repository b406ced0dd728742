"""`--explain`: each line's formula with the numbers put in, and the number of its source."""

from __future__ import annotations

from llmplan.plan.ledger import Ledger
from llmplan.plan.outcome import PriceFigure, Quote, QuoteLine
from llmplan.report.blocks import Column, Row, Table
from llmplan.report.currency import USD, Currency
from llmplan.report.numbers import MISSING, rate
from llmplan.report.views import Sources, amount


def ledger_lines(ledger: Ledger, sources: Sources, *, title: str) -> Table:
    """Every line of a ledger with its formula."""
    rows = tuple(
        Row(
            cells=(
                line.name,
                amount(line.amount, ledger.unit),
                " ".join(part for part in (line.formula, sources.cite(line.provenance)) if part) or MISSING,
            )
        )
        for line in ledger.lines
    )
    return Table(
        title=title,
        columns=(Column(title="line"), Column(title="amount", align="right"), Column(title="formula", share=1)),
        rows=rows,
    )


LEAST_QUANTITY = 1e-6


def quote_lines(quote: Quote, sources: Sources, *, title: str, currency: Currency = USD) -> Table:
    """Every line of a quote as quantity times unit price."""
    rows = tuple(
        Row(cells=(line.name, currency.exact(line.usd_per_month), f"{formula(line, currency)}{_cite(line, sources)}"))
        for line in quote.lines
    )
    return Table(
        title=title,
        columns=(
            Column(title="line"),
            Column(title=f"{currency.unit}/month", align="right"),
            Column(title="formula", share=1),
        ),
        rows=rows,
    )


def formula(line: QuoteLine, currency: Currency = USD) -> str:
    """`730 h × $0.8048`, or why there is no amount."""
    if line.unit_price_usd is None:
        return f"{quantity(line)} × no known price" + (f" ({line.note})" if line.note else "")
    text = f"{quantity(line)} × {currency.unit_price(line.unit_price_usd)}"
    return text + (f" ({line.note})" if line.note else "")


def quantity(line: QuoteLine) -> str:
    """The quantity with its unit; less than a millionth is nothing."""
    return f"{rate(line.quantity) if abs(line.quantity) >= LEAST_QUANTITY else 0} {line.unit}".strip()


def figure_source(figure: PriceFigure) -> str:
    """The row of price data behind a line, for the numbered sources."""
    where = " ".join(part for part in (figure.provider, figure.instance, figure.region, figure.term) if part)
    when = figure.as_of.isoformat() if figure.as_of else "undated"
    return f"{where}: {figure.source} ({when})" + (f" {figure.url}" if figure.url else "")


def _cite(line: QuoteLine, sources: Sources) -> str:
    return "" if line.figure is None else f" [{sources.number(figure_source(line.figure))}]"

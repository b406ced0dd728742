"""Money as lines: each strategy with the lines under it, and totals that are the sums of what is printed."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.outcome import Quote, QuoteLine
from llmplan.report.blocks import Column, Row, Table
from llmplan.report.explain import quantity, unit_price
from llmplan.report.numbers import LOWER_BOUND, MISSING, cents, to_cents

COLUMNS = (
    Column(title="line", share=1),
    Column(title="quantity", align="right"),
    Column(title="price", align="right"),
    Column(title="$/month", align="right"),
)


def quote_table(quote: Quote, *, title: str) -> Table:
    """The lines of a quote and their total."""
    return Table(
        title=title,
        columns=COLUMNS,
        rows=tuple(line_rows(quote.lines)),
        footer=("total", "", "", total(quote)),
    )


def line_rows(lines: tuple[QuoteLine, ...]) -> Iterator[Row]:
    """One row for each line, with what it was priced from."""
    for line in lines:
        last = line is lines[-1]
        yield Row(
            cells=(
                f"{'└─' if last else '├─'} {name(line)}",
                quantity(line),
                MISSING if line.unit_price_usd is None else unit_price(line.unit_price_usd),
                cents(line.usd_per_month),
            )
        )


def name(line: QuoteLine) -> str:
    """What is paid for, and the row of price data behind it."""
    figure = line.figure
    if figure is None:
        return line.name + (f" ({line.note})" if line.note else "")
    parts = [figure.provider, figure.region, figure.term]
    if figure.instance and figure.instance not in line.name:
        parts.insert(1, figure.instance)
    return f"{line.name} ({', '.join(part for part in parts if part)})"


def total(quote: Quote) -> str:
    """The sum of the printed lines, to the cent; a lower bound where a line has no price."""
    summed = sum(to_cents(line.usd_per_month) for line in quote.lines if line.usd_per_month is not None)
    return ("" if quote.complete else LOWER_BOUND) + f"${summed / 100:,.2f}"

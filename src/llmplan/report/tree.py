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
    """One row for each line; under its name the row of price data that it was priced from."""
    for position, line in enumerate(lines, start=1):
        last = position == len(lines)
        branch, below = "└─ " if last else "├─ ", "   "
        origin = "".join(f"\n{below}{text}" for text in priced_from(line))
        yield Row(
            cells=(
                f"{branch}{line.name}{origin}",
                quantity(line),
                MISSING if line.unit_price_usd is None else unit_price(line.unit_price_usd),
                cents(line.usd_per_month),
            )
        )


def priced_from(line: QuoteLine) -> tuple[str, ...]:
    """Seller, region, term and date of the offer; then its instance and the note, where there are any."""
    figure = line.figure
    if figure is None:
        return (line.note,) if line.note else ()
    when = figure.as_of.isoformat() if figure.as_of else "undated"
    offer = ", ".join(part for part in (figure.provider, figure.region, figure.term, when) if part)
    instance = "" if figure.instance in line.name else figure.instance
    rest = "; ".join(part for part in (instance, line.note) if part)
    return (offer, rest) if rest else (offer,)


def total(quote: Quote) -> str:
    """The sum of the printed lines, to the cent; a lower bound where a line has no price."""
    summed = sum(to_cents(line.usd_per_month) for line in quote.lines if line.usd_per_month is not None)
    return ("" if quote.complete else LOWER_BOUND) + f"${summed / 100:,.2f}"

"""Money as lines: each strategy with the lines under it, and totals that are the sums of what is printed."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.outcome import Quote, QuoteLine
from llmplan.report.blocks import Block, Column, Items, Row, Table
from llmplan.report.currency import USD, Currency
from llmplan.report.explain import LEAST_QUANTITY, quantity
from llmplan.report.numbers import LOWER_BOUND, MISSING

UNKNOWN_USAGE = "usage unknown"
FIRM = "listed"
HALF_A_CENT = 0.005


class Footnotes:
    """Numbers what is to be known of figures in the order in which they first stand in a bill."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, line: QuoteLine) -> str:
        """` (1)` where something is to be known of the line."""
        text = footnote(line)
        return f" ({self._numbers.setdefault(text, len(self._numbers) + 1)})" if text else ""

    def blocks(self) -> Iterator[Block]:
        """The notes that were referred to."""
        if self._numbers:
            items = tuple(f"({number}) {text}" for text, number in self._numbers.items())
            yield Items(title="Notes on the lines", items=items, tone="dim")


def quote_table(quote: Quote, *, title: str, currency: Currency = USD, notes: Footnotes | None = None) -> Table:
    """The lines of a quote and their total. With `notes` what is to be known of a line stands there, else under it."""
    return Table(
        title=title,
        columns=(
            Column(title="line", share=1),
            Column(title="quantity", align="right"),
            Column(title="price", align="right"),
            Column(title=f"{currency.unit}/month", align="right"),
        ),
        rows=tuple(line_rows(quote.lines, currency, notes)),
        footer=("total", "", "", total(quote, currency)),
    )


def line_rows(lines: tuple[QuoteLine, ...], currency: Currency = USD, notes: Footnotes | None = None) -> Iterator[Row]:
    """One row for each line; under its name the row of price data that it was priced from."""
    shown = [line for line in lines if not nothing(line)]
    for position, line in enumerate(shown, start=1):
        last = position == len(shown)
        branch, below = "└─ " if last else "├─ ", "   "
        texts = priced_from(line) if notes is None else offered(line)
        origin = "".join(f"\n{below}{text}" for text in texts)
        mark = "" if notes is None else notes.mark(line)
        yield Row(
            cells=(
                f"{branch}{line.name}{mark}{origin}",
                UNKNOWN_USAGE if usage_unknown(line) else quantity(line),
                price(line, currency),
                currency.exact(line.usd_per_month),
            )
        )


def nothing(line: QuoteLine) -> bool:
    """Whether none of it is bought."""
    return line.usd_per_month is not None and abs(line.quantity) < LEAST_QUANTITY and line.usd_per_month < HALF_A_CENT


def usage_unknown(line: QuoteLine) -> bool:
    """Whether a unit has a price, and nobody knows how many it takes."""
    return line.unit_price_usd is not None and line.usd_per_month is None


def price(line: QuoteLine, currency: Currency = USD) -> str:
    """The price of a unit; with the unit where no quantity says it."""
    if line.unit_price_usd is None:
        return MISSING
    text = currency.unit_price(line.unit_price_usd)
    return f"{text}/{line.unit}" if usage_unknown(line) else text


def priced_from(line: QuoteLine) -> tuple[str, ...]:
    """Seller, region, term and date of the offer; then its instance and the note, where there are any."""
    offer = offered(line)
    instance = "" if line.figure is None or line.figure.instance in line.name else line.figure.instance
    rest = "; ".join(part for part in (instance, footnote(line)) if part)
    return (*offer, rest) if rest else offer


def offered(line: QuoteLine) -> tuple[str, ...]:
    """Seller, region, term and date of the offer."""
    figure = line.figure
    if figure is None:
        return ()
    when = figure.as_of.isoformat() if figure.as_of else "undated"
    return (", ".join(part for part in (figure.provider, figure.region, figure.term, when) if part),)


def footnote(line: QuoteLine) -> str:
    """How firm a figure is that no list states, and what else is to be known of the line."""
    quality = line.figure.quality if line.figure is not None else FIRM
    said = [] if quality == FIRM or quality in line.note else [quality]
    return "; ".join([*said, line.note] if line.note else said)


def total(quote: Quote, currency: Currency = USD) -> str:
    """The sum of the printed lines, to the cent; a lower bound where a line has no price."""
    return ("" if quote.complete else LOWER_BOUND) + currency.written(sum_of_lines(quote.lines, currency))


def rounded_total(quote: Quote, currency: Currency = USD) -> str:
    """The same sum in as many digits as carry meaning, for where totals stand beside each other."""
    return currency.rounded_minor(sum_of_lines(quote.lines, currency), complete=quote.complete)


def sum_of_lines(lines: tuple[QuoteLine, ...], currency: Currency = USD) -> int:
    """What the printed lines add up to, in whole minor units."""
    return sum(currency.minor(line.usd_per_month) for line in lines if line.usd_per_month is not None)

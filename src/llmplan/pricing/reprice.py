"""A stored bill at the rates of another day: the same rows of the same sellers, the same quantities."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from llmplan.plan.drift import NOTHING
from llmplan.plan.outcome import Quote, QuoteLine
from llmplan.pricing.drift import rate_now
from llmplan.pricing.owned import WRITTEN_OFF
from llmplan.spec.price import PriceBook

OWN_WORD: Final = ("assumed", "stated")
"""figures that no seller states: no list has another one for another day"""


def reprice(quote: Quote, gpu_id: str | None, prices: PriceBook) -> Quote:
    """Every line of a quote at what its row states in `prices`.

    quote: quantities stay [units of each line]. gpu_id: of the machines, to tell rows of one name apart. A line whose
    row is gone has no price, and the total becomes a lower bound; a line without a row keeps the price that it has.
    Other sellers' offers are left out: they were found for the old day. Reference: `pricing.quote`, which chooses the
    seller and the quantities anew.
    """
    lines = tuple(_line(line, gpu_id, prices) for line in quote.lines)
    return replace(
        quote,
        lines=lines,
        alternatives=(),
        as_of=prices.as_of,
        usd_per_mtok_input=_moved(quote.usd_per_mtok_input, quote.lines, lines, "input"),
        usd_per_mtok_output=_moved(quote.usd_per_mtok_output, quote.lines, lines, "output"),
        usd_per_mtok_cached_input=_moved(quote.usd_per_mtok_cached_input, quote.lines, lines, "cached input"),
    )


def _line(line: QuoteLine, gpu_id: str | None, prices: PriceBook) -> QuoteLine:
    if line.figure is None or line.figure.quality in OWN_WORD or line.unit == WRITTEN_OFF:
        return line
    now = rate_now(line, gpu_id, prices)
    if now is NOTHING or not isinstance(now.value, int | float):
        gone = f"not offered any more on {prices.as_of.isoformat()}"
        note = "; ".join(part for part in (gone, line.note) if part)
        return replace(line, unit_price_usd=None, usd_per_month=None, note=note)
    figure = replace(line.figure, source=now.source, as_of=now.as_of)
    return replace(line, unit_price_usd=now.value, usd_per_month=line.quantity * now.value, figure=figure)


def _moved(old: float | None, lines: tuple[QuoteLine, ...], repriced: tuple[QuoteLine, ...], kind: str) -> float | None:
    """A price by the kind of token, where the bill has one: in the proportion in which its lines moved."""
    before, after = _spent(lines, kind), _spent(repriced, kind)
    if old is None or after is None:
        return None
    return old * after / before if before else old


def _spent(lines: tuple[QuoteLine, ...], kind: str) -> float | None:
    """What the lines of one kind of token cost; None where one of them has no price."""
    amounts = [line.usd_per_month for line in lines if kind in line.name and line.unit == "Mtok"]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None

"""A monthly bill as a price per million tokens."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.plan.outcome import Quote
from llmplan.units import TOKENS_PER_MTOK


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrices:
    """USD per million tokens; None where nothing says how to split or no tokens are known."""

    input: float | None
    output: float | None
    blended: float | None


def usd_per_million_tokens(quote: Quote) -> TokenPrices:
    """What a million tokens of this traffic come to.

    Parameters
    ----------
    quote : the bill of a month and the tokens that it serves [USD, tokens]

    Notes
    -----
    blended = usd_per_month / (input + output tokens) x 1e6. Input and output have prices of their own only where a
    seller bills them apart; rent pays for both at once and any split would be invented, so it is None there. At
    partial load the blended price is high because the rent is the same: it is never divided by what the machine
    could do.

    References
    ----------
    The quote's own lines.

    >>> from datetime import date
    >>> from llmplan.plan.outcome import QuoteLine
    >>> line = QuoteLine(name="rent", quantity=730, unit="instance-h", unit_price_usd=1.0, usd_per_month=730.0)
    >>> day = date(2026, 11, 25)
    >>> bill = Quote(lines=(line,), input_tokens_per_month=600e6, output_tokens_per_month=130e6, as_of=day)
    >>> usd_per_million_tokens(bill).blended
    1.0
    """
    tokens = quote.input_tokens_per_month + quote.output_tokens_per_month
    blended = quote.usd_per_month / tokens * TOKENS_PER_MTOK if tokens > 0 else None
    return TokenPrices(input=quote.usd_per_mtok_input, output=quote.usd_per_mtok_output, blended=blended)

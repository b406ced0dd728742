"""The same machines on every term: what they cost, what is owed, and for how long they have to be needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmplan.plan.comparisons import TermValue
from llmplan.plan.outcome import Option, Quote, QuoteLine
from llmplan.planner.comparisons.base import source_of
from llmplan.planner.context import Context
from llmplan.planner.evaluate import rented
from llmplan.spec.price import TERMS, Term

MONTHS_PER_YEAR = 12


def term_values(option: Option, context: Context) -> Iterator[TermValue]:
    """The fleet of the option from the cheapest seller on each term that anybody offers, limits on terms aside."""
    if option.deployment.purchase.kind != "hourly":
        return
    quotes = {term: quote for term in TERMS if (quote := _on(term, option, context)) is not None}
    flexible = quotes.get("on-demand")
    for term, quote in quotes.items():
        yield _value(term, quote, flexible)


def _on(term: Term, option: Option, context: Context) -> Quote | None:
    assert option.memory is not None
    fleet = replace(option.deployment, purchase=replace(option.deployment.purchase, terms=(term,)))
    limits = replace(context.limits, terms=TERMS)
    anyhow = replace(context, question=replace(context.question, limits=limits))
    quote = rented(fleet, option.memory, context.workload, anyhow)
    return quote if isinstance(quote, Quote) else None


def _value(term: Term, quote: Quote, flexible: Quote | None) -> TermValue:
    years, usd = committed_years(term), quote.usd_per_month
    owed = usd * MONTHS_PER_YEAR * years if years else None
    return TermValue(
        term=term,
        what=rent_of(quote).name,
        seller=source_of(quote),
        usd_per_month=usd,
        break_even_months=pays_after_months(owed, usd, flexible.usd_per_month) if flexible and owed else None,
        committed_usd=owed,
        note=rent_of(quote).note,
    )


def rent_of(quote: Quote) -> QuoteLine:
    """The line of the machines."""
    return max(quote.lines, key=lambda line: line.usd_per_month or 0.0)


def committed_years(term: Term) -> int:
    """Years that a term binds for, 0 if it does not.

    >>> committed_years("reserved-3y"), committed_years("spot")
    (3, 0)
    """
    return int(term.removeprefix("reserved-").removesuffix("y")) if term.startswith("reserved-") else 0


def pays_after_months(owed_usd: float, usd_per_month: float, flexible_usd_per_month: float) -> float | None:
    """Months of need from which a commitment is cheaper than on demand for as long; None where it never is.

    owed_usd [USD]: of the whole commitment; usd_per_month, flexible_usd_per_month [USD/month]: committed, on demand.
    owed = months x flexible. Valid for a price on demand that stays as it is. Reference: arithmetic.

    >>> pays_after_months(4800.0, 400.0, 1000.0), pays_after_months(12000.0, 1000.0, 900.0)
    (4.8, None)
    """
    return owed_usd / flexible_usd_per_month if usd_per_month < flexible_usd_per_month else None

"""The same machines on every term: what they cost, what is owed, and for how long they have to be needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmplan.plan.comparisons import TermValue
from llmplan.plan.outcome import Option, Quote, QuoteLine
from llmplan.planner.comparisons.base import source_of
from llmplan.planner.context import Context
from llmplan.planner.evaluate import rented
from llmplan.pricing.commitment import break_even_months, committed_usd, committed_years
from llmplan.spec.price import TERMS, Term


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
    """What is bound are the machines; what comes beside them stops with the need for them."""
    years, bound_usd = committed_years(term), _machines_usd(quote)
    months = break_even_months(bound_usd, _machines_usd(flexible), years) if flexible and years else None
    return TermValue(
        term=term,
        what=rent_of(quote).name,
        seller=source_of(quote),
        usd_per_month=quote.usd_per_month,
        break_even_months=months,
        committed_usd=committed_usd(bound_usd, years) if years else None,
        note=rent_of(quote).note,
    )


def _machines_usd(quote: Quote) -> float:
    return sum(line.usd_per_month or 0.0 for line in quote.serving)


def rent_of(quote: Quote) -> QuoteLine:
    """The line of the machines."""
    return max(quote.lines, key=lambda line: line.usd_per_month or 0.0)

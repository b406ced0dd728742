"""What a unit comes to: a million tokens of each kind, a request, a tenant's month."""

from __future__ import annotations

from typing import Final

from llmplan.plan.outcome import Option, Outcome
from llmplan.plan.plan import Plan
from llmplan.report import rows
from llmplan.report.blocks import Column, Row, Table, Tone
from llmplan.report.currency import Currency
from llmplan.report.numbers import MISSING

ALWAYS: Final = ("blended", "1,000 requests")
"""columns that are shown even where nothing is known"""


def per_unit(plan: Plan, currency: Currency) -> Table:
    """Every strategy by the unit. Input and output have prices of their own only where they are billed apart; a
    column that would be empty is left out, as is that of a single tenant."""
    columns = {
        "input": [_known(outcome, "usd_per_mtok_input", currency) for outcome in plan.outcomes.values()],
        "cached": [_known(outcome, "usd_per_mtok_cached_input", currency) for outcome in plan.outcomes.values()],
        "output": [_known(outcome, "usd_per_mtok_output", currency) for outcome in plan.outcomes.values()],
        "blended": [_known(outcome, "usd_per_mtok_blended", currency) for outcome in plan.outcomes.values()],
        "1,000 requests": [_known(outcome, "usd_per_request", currency, 1000) for outcome in plan.outcomes.values()],
        "tenant and month": [_tenant(outcome, currency) for outcome in plan.outcomes.values()],
    }
    shown = {name: cells for name, cells in columns.items() if name in ALWAYS or set(cells) != {MISSING}}
    marked = [(rows.RECOMMENDED if name == plan.recommended else rows.INDENT) + name for name in plan.outcomes]
    return Table(
        title=f"By the unit, in {currency.unit} per million tokens, thousand requests, tenant",
        columns=(
            Column(title=f"{rows.INDENT}strategy", share=1),
            *(Column(title=name, align="right") for name in shown),
        ),
        rows=tuple(
            Row(cells=(name, *(cells[place] for cells in shown.values())), tone=_tone(name))
            for place, name in enumerate(marked)
        ),
    )


def _tone(name: str) -> Tone:
    return "good" if name.startswith(rows.RECOMMENDED) else "plain"


def _known(outcome: Outcome, name: str, currency: Currency, units: int = 1) -> str:
    """A figure of the quote; a lower bound where it follows from a total that is one."""
    if not isinstance(outcome, Option):
        return MISSING
    value: float | None = getattr(outcome.quote, name)
    whole = name in ("usd_per_mtok_blended", "usd_per_request")
    complete = outcome.quote.complete or not whole
    return currency.rounded(None if value is None else value * units, complete=complete)


def _tenant(outcome: Outcome, currency: Currency) -> str:
    if not isinstance(outcome, Option) or outcome.quote.tenants == 1:
        return MISSING
    return currency.rounded(outcome.quote.usd_per_tenant_month, complete=outcome.quote.complete)

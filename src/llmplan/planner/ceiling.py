"""The user's ceiling on money: an option above it, or not provably below it, is a rejection with its price."""

from __future__ import annotations

import math

from llmplan.plan.outcome import Option, Outcome, Rejection
from llmplan.planner.context import Context
from llmplan.units import format_usd


def within_budget(option: Option, context: Context) -> Outcome:
    """The option, unless it costs more than the user's ceiling."""
    ceiling = context.limits.max_usd_per_month
    cost = option.quote.usd_per_month
    owned = option.deployment.purchase.kind == "owned"
    if ceiling is None or (cost <= ceiling and (option.quote.complete or owned)):
        return option
    if cost <= ceiling:
        return Rejection(
            strategy=option.deployment.strategy,
            reason="a charge has no known price, so it cannot be shown to stay within the budget",
            needed=f"at least {format_usd(cost)} a month",
            available=f"{format_usd(ceiling)} a month",
            fix="leave --max-usd-per-month out to see the lower bound",
            deployment=option.deployment,
            code="price_unknown",
            closeness=0.5,
        )
    return Rejection(
        strategy=option.deployment.strategy,
        reason="over the budget",
        needed=f"{format_usd(cost)} a month",
        available=f"{format_usd(ceiling)} a month",
        fix=f"--max-usd-per-month {math.ceil(cost)}",
        deployment=option.deployment,
        code="over_budget",
        closeness=ceiling / cost,
    )

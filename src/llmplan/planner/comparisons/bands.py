"""The dollar band that follows from the speed band: each strategy's fleet sized as fast and as slow as it may be."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.comparisons import BillBand
from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome
from llmplan.plan.plan import Plan
from llmplan.planner.comparisons.base import options_of
from llmplan.planner.comparisons.pace import at_pace, band_of
from llmplan.planner.context import Context

POINT = "by the token: no speed moves its bill"


def bill_bands(plan: Plan, context: Context) -> Iterator[BillBand]:
    """Each feasible strategy's bill at both ends of the band of its step times."""
    for strategy, option in options_of(plan).items():
        yield _band(strategy, option, context)


def _band(strategy: StrategyId, option: Option, context: Context) -> BillBand:
    replica, usd = option.deployment.replica, option.quote.usd_per_month
    if replica is None:
        return BillBand(strategy=strategy, usd_per_month=usd, usd_per_month_low=usd, usd_per_month_high=usd, note=POINT)
    band = band_of(replica, context)
    fast, slow = at_pace(option, context, band.low_ratio), at_pace(option, context, band.high_ratio)
    note = f"steps {band.low_ratio:.2f} to {band.high_ratio:.2f} times as long as predicted"
    reason = "" if isinstance(slow, Option) else f"; at the slow end: {slow.reason}"
    return BillBand(
        strategy=strategy,
        usd_per_month=usd,
        usd_per_month_low=usd_of(fast),
        usd_per_month_high=usd_of(slow),
        note=note + reason,
    )


def usd_of(outcome: Outcome) -> float | None:
    """What it costs, None where it cannot be done [USD/month]."""
    return outcome.quote.usd_per_month if isinstance(outcome, Option) else None

"""What weakens an answer: old, undated or missing prices, a binding purchase, a region nobody names, extrapolation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmplan import pricing
from llmplan.plan.deployment import StrategyId
from llmplan.plan.outcome import Option, Outcome, PriceFigure
from llmplan.planner.context import Context
from llmplan.spec.price import GLOBAL_REGION, STALE_PRICE_DAYS
from llmplan.units import HOURS_PER_MONTH, format_seconds, format_usd

LONG_WAIT_S = 30.0
"""Beyond this nobody waits for a first token, whether or not a limit was stated."""


def warnings_of(rows: Mapping[StrategyId, Outcome], recommended: StrategyId | None, context: Context) -> list[str]:
    """What weakens the recommended row, then the bills of the others."""
    chosen = rows[recommended] if recommended else None
    if not isinstance(chosen, Option):
        return []
    found = [f"{check.message} ({check.id}): {check.fix}" for check in chosen.checks if check.severity == "warning"]
    found += _of_the_bill(chosen, context)
    if not chosen.quote.complete:
        found.append("the total is a lower bound: a charge has no known price")
    found += _of_the_fleet(chosen)
    others: dict[str, list[str]] = {}
    for name, row in rows.items():
        if isinstance(row, Option) and row.quote != chosen.quote:
            for text in _of_the_bill(row, context):
                others.setdefault(text, []).append(name)
    return [*found, *(f"{', '.join(names)}: {text}" for text, names in others.items())]


def _of_the_bill(option: Option, context: Context) -> list[str]:
    """Old and undated rates, what binds, who names no region."""
    as_of = context.prices.as_of
    offers = [line.figure for line in option.quote.serving if line.figure and line.figure.term != "rate"]
    found = []
    dates = [figure.as_of for figure in offers if figure.as_of]
    if dates and (as_of - min(dates)).days > STALE_PRICE_DAYS:
        age_days = (as_of - min(dates)).days
        found.append(f"prices from {min(dates)} are {age_days} days old (llmplan prices update reads newer ones)")
    if any(figure.as_of is None for figure in offers):
        found.append("a price has no date in its source: check it before you sign")
    found += _binding(option)
    found += _regions(offers, context)
    found += _idle(option, context)
    return found


def _binding(option: Option) -> Iterator[str]:
    """What is owed whether the machines are needed or not."""
    for line in option.quote.serving:
        years = pricing.committed_years(line.figure.term) if line.figure else 0
        if years and line.usd_per_month is not None:
            owed = format_usd(pricing.committed_usd(line.usd_per_month, years))
            yield f"it binds for {years} year{'s' if years > 1 else ''}: {owed} in all (--term on-demand does not)"


def _regions(offers: list[PriceFigure], context: Context) -> Iterator[str]:
    """Sellers of one price for everywhere, where a region was asked for."""
    asked = context.limits.regions
    sellers = sorted({figure.provider for figure in offers if figure.region == GLOBAL_REGION})
    if asked and sellers:
        verb = "names" if len(sellers) == 1 else "name"
        yield f"{', '.join(sellers)} {verb} no region in the price: ask whether it is to be had in {', '.join(asked)}"


def _idle(option: Option, context: Context) -> Iterator[str]:
    """Hardware of one's own that stands by: no line of the bill is for it."""
    inventory = context.limits.inventory
    if inventory is not None and option.deployment.gpus < inventory.gpus:
        used = option.deployment.gpus
        yield f"the bill is for the {used} GPUs in use of your {inventory.gpus}; idle ones cost their owner too"


def _of_the_fleet(option: Option) -> Iterator[str]:
    if one_machine(option):
        yield "every replica, the spare too, sits in one machine: that machine has no failover"
    if option.estimate is not None and option.estimate.ttft_p95_s > LONG_WAIT_S:
        wait = format_seconds(option.estimate.ttft_p95_s)
        yield f"TTFT p95 is {wait}: the load is near what this hardware can do; state --ttft-p95-ms to size for it"
    if option.estimate is not None and option.estimate.extrapolated:
        yield (
            "the speed is extrapolated: no measurements of this engine on this GPU generation with so many sequences "
            "at once, all on the GPU"
        )


def one_machine(option: Option) -> bool:
    """Whether several replicas were bought as a single instance."""
    rent = [line for line in option.quote.lines if line.unit == "instance-h"]
    alone = len(rent) == 1 and rent[0].quantity <= HOURS_PER_MONTH * 1.001
    return alone and (option.deployment.replicas or 0) > 1

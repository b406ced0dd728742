"""Two ways to the same end: fewer bits against more GPUs, one fleet for all against one each, host memory against a
bigger GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmplan.plan.comparisons import Duel
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.planner.comparisons.base import by_the_machine, machine_label, options_of, source_of
from llmplan.planner.context import Context
from llmplan.planner.isolation import best_for_one, context_of_one_tenant
from llmplan.planner.market import build_market
from llmplan.planner.order import offloads
from llmplan.planner.search import search
from llmplan.spec.model import ModelSpec
from llmplan.strategies import STRATEGIES

FULL_BITS = 16
ALONE = next(strategy for strategy in STRATEGIES if strategy.id == "dedicated")


def duels(plan: Plan, model: ModelSpec, context: Context) -> Iterator[Duel]:
    """Each pair of which the plan has one side at least."""
    rows = {name: option for name, option in options_of(plan).items() if by_the_machine(option)}
    if "quantized" in rows and not context.limits.weight_formats:
        yield from _bits_or_gpus(rows["quantized"], model, context)
    if "multi_tenant" in rows and context.workload.tenants > 1:
        yield _shared_or_apart(rows["multi_tenant"], context)
    if "hybrid_offload" in rows and "dedicated" in rows and offloads(rows["hybrid_offload"]):
        yield _pair("host memory or a bigger GPU", rows["hybrid_offload"], rows["dedicated"])


def _bits_or_gpus(quantized: Option, model: ModelSpec, context: Context) -> Iterator[Duel]:
    """The best fleet in the checkpoint's own 16 bit, at the same promise."""
    market = build_market(context.question, context.catalog, model)
    own = market.weight_formats[model.checkpoint_format]
    if own.bits < FULL_BITS:
        return
    limits = replace(context.limits, weight_formats=(own.id,))
    asked = replace(context.question, limits=limits)
    full = search(ALONE, replace(market, question=asked), replace(context, question=asked)).outcome(market)
    title = f"fewer bits or more GPUs ({own.id} at the same promise)"
    if isinstance(full, Option):
        yield _pair(title, quantized, full)
    else:
        yield Duel(
            title=title, first=what(quantized), first_usd_per_month=quantized.quote.usd_per_month, second=own.id,
            second_usd_per_month=None, note=full.reason,
        )  # fmt: skip


def _shared_or_apart(shared: Option, context: Context) -> Duel:
    tenants = context.workload.tenants
    one = best_for_one(shared, context_of_one_tenant(context, tenants))
    apart = one.quote.usd_per_month * tenants if isinstance(one, Option) else None
    return Duel(
        title="one fleet for all tenants or one each",
        first=what(shared),
        first_usd_per_month=shared.quote.usd_per_month,
        second=f"{tenants} x ({what(one)})" if isinstance(one, Option) else "one deployment each",
        second_usd_per_month=apart,
        note=source_of(one.quote) if isinstance(one, Option) else one.reason,
    )


def _pair(title: str, first: Option, second: Option) -> Duel:
    return Duel(
        title=title,
        first=what(first),
        first_usd_per_month=first.quote.usd_per_month,
        second=what(second),
        second_usd_per_month=second.quote.usd_per_month,
        note=f"{source_of(first.quote)}; {source_of(second.quote)}",
    )


def what(option: Option) -> str:
    """`2 replicas of 4 x l40s-48gb by the hour, bf16`."""
    replica, count = option.deployment.replica, option.deployment.replicas or 1
    assert replica is not None
    many = f"{count} replicas of " if count > 1 else ""
    return f"{many}{machine_label(option)}, {replica.weights.id}"

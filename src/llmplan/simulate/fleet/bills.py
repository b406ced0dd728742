"""What a simulated fleet costs: by the second, by the hour as replicas come and go, or by the month."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from llmplan import pricing
from llmplan.plan.deployment import Deployment
from llmplan.plan.outcome import Quote, QuoteLine, Rejection
from llmplan.plan.simulated import Simulated, SimulatedBill
from llmplan.plan.usage import ServerlessUsage
from llmplan.simulate.fleet.billing import idle_window_s, rented_s, serverless_usage
from llmplan.spec.expenses import Expenses
from llmplan.spec.price import PriceBook
from llmplan.spec.workload import Lengths, Limits, Workload
from llmplan.units import SECONDS_PER_MONTH

Price: TypeAlias = Callable[..., Quote | Rejection]
BY_THE_SECOND = "billed by the second while a replica is there, rounded up for each"


def workload_of(run: Simulated) -> Workload:
    """The traffic of a run in steady terms, for the tokens of a month."""
    answered = max(1, run.answered)
    return Workload(
        id="simulated",
        name="simulated traffic",
        requests_per_s=max(run.requests_per_s, 1e-12),
        input_tokens=Lengths.fixed(run.input_tokens / answered),
        output_tokens=Lengths.fixed(run.output_tokens / answered),
    )


def bills(
    run: Simulated,
    deployment: Deployment,
    limits: Limits,
    prices: PriceBook,
    *,
    cold_start_s: float = 0.0,
    window_s: float | None = None,
    by_lives: bool = False,
    host_bytes: int = 0,
    checkpoint_bytes: int = 0,
    expenses: Expenses | None = None,
) -> tuple[SimulatedBill, ...] | Rejection:
    """What the sellers within the limits charge for a run, cheapest first.

    run: its replicas' lives; deployment: replica and purchase, sized; limits, prices: sellers and rows; cold_start_s
    [s]: of a worker; window_s [s]: the idle window that was simulated; by_lives: machines by the hour are rented only
    while a replica is on them, else all the time; host_bytes [B]: that each replica needs beside its GPUs;
    checkpoint_bytes [B]: of the weights as stored; expenses: what comes beside the machines (None: nothing does).
    Reference: `billing`, and docs/how-it-works/traffic.md.
    """
    start_s = cold_start_s or None
    price = partial(
        pricing.quote, prices=prices, expenses=expenses, host_bytes=host_bytes, checkpoint_bytes=checkpoint_bytes,
        replacement_s=start_s,
    )  # fmt: skip
    if deployment.purchase.kind == "serverless":
        found = sorted(_by_second(run, deployment, limits, prices, cold_start_s, window_s, price), key=_order)
        if found:
            return tuple(found)
    elif by_lives and deployment.purchase.kind == "hourly":
        return _by_lives(run, deployment, limits, price)
    quote = price(deployment, workload_of(run), limits)
    return quote if isinstance(quote, Rejection) else (_bill(run, quote),)


def _by_lives(
    run: Simulated, deployment: Deployment, limits: Limits, price: Price
) -> tuple[SimulatedBill, ...] | Rejection:
    """Machines while a replica is on them, and what comes beside a fleet of the most that there were."""
    one = price(replace(deployment, replicas=1), workload_of(run), limits)
    if isinstance(one, Rejection):
        return one
    seller = _seller(one)
    all_of_them = price(deployment, workload_of(run), replace(limits, provider_ids=(seller,)) if seller else limits)
    beside = () if isinstance(all_of_them, Rejection) else [line for line in all_of_them.lines if line.beside]
    there = _while_there(one, run)
    return (_bill(run, replace(there, lines=(*there.serving, *beside)), notes=(BY_THE_SECOND,)),)


def _by_second(
    run: Simulated,
    deployment: Deployment,
    limits: Limits,
    prices: PriceBook,
    cold_start_s: float,
    window_s: float | None,
    price: Price,
) -> Iterator[SimulatedBill]:
    """One bill for each platform: with its own rounding, on the workers that were simulated."""
    assert deployment.replica is not None
    seen = set[str]()
    for offer in pricing.serverless_offers(deployment.replica.gpu.id, limits, prices):
        if offer.provider in seen:
            continue
        seen.add(offer.provider)
        usage = serverless_usage(run, offer, cold_start_s)
        only_this = replace(limits, provider_ids=(offer.provider,))
        quote = price(deployment, workload_of(run), only_this, usage=usage)
        if isinstance(quote, Quote):
            own_s = offer.idle_window_s
            differs = window_s is not None and own_s is not None and own_s != window_s
            note = f"its own idle window is {idle_window_s(offer):g} s, {window_s:g} s were simulated"
            yield _bill(run, quote, usage=usage, notes=(note,) if differs else ())


def _bill(
    run: Simulated, quote: Quote, *, usage: ServerlessUsage | None = None, notes: tuple[str, ...] = ()
) -> SimulatedBill:
    return SimulatedBill(
        seller=_seller(quote),
        quote=quote,
        usd=quote.usd_per_month * run.span_s / SECONDS_PER_MONTH,
        usage=usage,
        notes=notes,
    )


def _seller(quote: Quote) -> str:
    """Who is paid for what serves."""
    figures = [line.figure for line in quote.serving if line.figure is not None]
    return figures[0].provider if figures else ""


def _while_there(one: Quote, run: Simulated) -> Quote:
    """The bill of one machine that is always there -> of those that come and go."""
    share = rented_s(run.lives, run.span_s) / run.span_s if run.span_s > 0 else 0.0
    return replace(one, lines=tuple(_scaled(line, share) for line in one.lines), alternatives=())


def _scaled(line: QuoteLine, share: float) -> QuoteLine:
    usd = None if line.usd_per_month is None else line.usd_per_month * share
    return replace(line, quantity=line.quantity * share, usd_per_month=usd)


def _order(bill: SimulatedBill) -> tuple[object, ...]:
    return (not bill.quote.complete, bill.quote.usd_per_month, bill.seller)

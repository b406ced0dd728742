"""Rent by the hour: every hour of the month, whole instances, whatever the load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from llmplan.plan.outcome import QuoteLine, Rejection
from llmplan.pricing.beside import Beside, beside_rent
from llmplan.pricing.commitment import commitment_note
from llmplan.pricing.figures import hourly_figure, row_notes
from llmplan.pricing.index import index_of
from llmplan.pricing.select import Need, Pick, rank, rentable, steady
from llmplan.pricing.sellers import limits_key
from llmplan.pricing.spot import CARRIED
from llmplan.spec.price import TERMS, PriceBook, Term
from llmplan.spec.workload import Limits
from llmplan.units import HOURS_PER_MONTH, format_bytes, format_seconds, format_usd

OTHER_SELLERS: Final = 5
SPOT: Final = "spot"
_QUALITY_NOTES: Final = {
    "advertised": "the seller's lowest advertised price",
    "average": "a mean over offers, not an offer",
    "derived": "computed from published figures",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rent:
    """The machines of the seller with the lowest total, and the same from others and on other terms, machines only."""

    pick: Pick
    lines: tuple[QuoteLine, ...]
    alternatives: tuple[QuoteLine, ...]


def rent(
    need: Need, limits: Limits, terms: tuple[Term, ...], prices: PriceBook, beside: Beside | None = None
) -> Rent | Rejection:
    """The cheapest rent with what comes `beside` it (None: the machines alone), or why there is none."""
    answers = index_of(prices).answers
    key = ("rent", need, terms, limits_key(limits), beside)
    if key not in answers:
        answers[key] = _rent(need, limits, terms, prices, beside)
    result: Rent | Rejection = answers[key]
    return result


def rent_line(pick: Pick, need: Need, prices: PriceBook) -> QuoteLine:
    """usd_per_month = instances x 730 h x price of an instance."""
    offer = pick.offer
    hours = pick.instances * HOURS_PER_MONTH
    return QuoteLine(
        name=f"{pick.instances} x {offer.instance} ({offer.term})",
        quantity=hours,
        unit="GPU-h" if offer.per_gpu else "instance-h",
        unit_price_usd=offer.usd_per_hour,
        usd_per_month=hours * offer.usd_per_hour,
        figure=hourly_figure(offer),
        note="; ".join(_notes(pick, need, prices)),
    )


def _rent(
    need: Need, limits: Limits, terms: tuple[Term, ...], prices: PriceBook, beside: Beside | None
) -> Rent | Rejection:
    picks = _ranked(need, limits, terms, prices)
    if not picks:
        return _rejection(need, limits, terms, prices)
    best = picks[0] if beside is None else _least_total(picks, need, beside, prices)
    more = beside_rent(best.offer.provider, copies(best, need), beside, prices).lines
    return Rent(
        pick=best,
        lines=(rent_line(best, need, prices), *more),
        alternatives=_alternatives(best, need, limits, terms, prices),
    )


def _ranked(need: Need, limits: Limits, terms: tuple[Term, ...], prices: PriceBook) -> list[Pick]:
    """The machines that hold the replicas, cheapest first: unless they may be spot, the same whatever the weights."""
    need = need if SPOT in terms else steady(need)
    answers = index_of(prices).answers
    key = ("ranked", need, terms, limits_key(limits))
    found: list[Pick] | None = answers.get(key)
    if found is None:
        found = answers[key] = rank(rentable(need.gpu_id, limits, terms, prices, need.host_bytes), need)
    return found


def _alternatives(
    best: Pick, need: Need, limits: Limits, terms: tuple[Term, ...], prices: PriceBook
) -> tuple[QuoteLine, ...]:
    """The same machines from other sellers on these terms, then the cheapest on each other term; spot comes last."""
    base = need if SPOT in terms else steady(need)
    answers = index_of(prices).answers
    key = ("alternatives", base, terms, limits_key(limits), best.offer.provider, best.offer.term)
    found: tuple[QuoteLine, ...] | None = answers.get(key)
    if found is None:
        sellers: dict[str, Pick] = {}
        for pick in _ranked(base, limits, terms, prices):
            if pick.offer.provider != best.offer.provider:
                sellers.setdefault(pick.offer.provider, pick)
        picks = list(sellers.values())[:OTHER_SELLERS]
        for term in TERMS:
            if term not in (best.offer.term, SPOT):
                picks += _ranked(base, limits, (term,), prices)[:1]
        found = answers[key] = tuple(rent_line(pick, base, prices) for pick in dict.fromkeys(picks))
    if best.offer.term == SPOT:
        return found
    spot = tuple(rent_line(pick, need, prices) for pick in _ranked(need, limits, (SPOT,), prices)[:1])
    return (*found, *(line for line in spot if line not in found))


def _least_total(picks: Sequence[Pick], need: Need, beside: Beside, prices: PriceBook) -> Pick:
    """The lowest rent plus what comes beside it. `picks` are ordered by rent, so that only a few are looked at."""
    best, least_usd = picks[0], math.inf
    for pick in picks:
        rent_usd = pick.usd_per_hour * HOURS_PER_MONTH
        if rent_usd >= least_usd:
            break
        total_usd = rent_usd + beside_rent(pick.offer.provider, copies(pick, need), beside, prices).usd
        if total_usd < least_usd:
            best, least_usd = pick, total_usd
    return best


def copies(pick: Pick, need: Need) -> int:
    """Copies of the weights [-]: one for each machine; where GPUs are priced and not machines, one for each replica.

    pick: the machines; need: the replicas. Valid for rented machines, whose volumes belong to one each. Reference:
    `stored_gb_month`.
    """
    return math.ceil(pick.instances / need.gpus_per_replica) if pick.offer.per_gpu else pick.instances


def _notes(pick: Pick, need: Need, prices: PriceBook) -> list[str]:
    offer = pick.offer
    notes = []
    if pick.idle_gpus:
        idle_usd = pick.usd_per_hour * HOURS_PER_MONTH * pick.idle_gpus / (pick.instances * offer.gpus)
        notes.append(f"{pick.idle_gpus} GPUs stay unused, {format_usd(idle_usd)} of it")
    if offer.per_gpu and need.gpus_per_replica > 1:
        notes.append(f"priced per GPU: ask the seller for {need.gpus_per_replica} in one machine")
    if need.host_bytes and offer.memory_bytes is None:
        notes.append(f"the row states no host memory: ask the seller for {format_bytes(need.host_bytes)} a replica")
    bound = commitment_note(offer, pick.usd_per_hour * HOURS_PER_MONTH, prices)
    notes += [bound] if bound else []
    if offer.term == "spot":
        notes.append(_taken_away(pick, need))
    notes += [_QUALITY_NOTES[offer.quality]] if offer.quality in _QUALITY_NOTES else []
    return notes + row_notes(offer)


def _taken_away(pick: Pick, need: Need) -> str:
    """How often spot machines go, and what that takes."""
    stated, bucket = need.interruptions_per_month, pick.offer.interruption
    if stated is None and not bucket:
        return "interrupted at a rate nobody states (--spot-interruptions-per-month): none added for that"
    rate = f"in {bucket} of months" if stated is None else f"{stated:g} times a month as stated"
    if pick.there_share is None or need.replacement_s is None:
        return f"interrupted {rate}: none added, nobody states how long a replacement takes"
    added = f"{pick.extra} of them stand in" if pick.extra else "none added"
    return (
        f"interrupted {rate}, {format_seconds(need.replacement_s)} each until a replacement answers: {added} for the "
        f"load to be carried {CARRIED:.1%} of the time; many taken at once are not in that"
    )


def _rejection(need: Need, limits: Limits, terms: tuple[Term, ...], prices: PriceBook) -> Rejection:
    """What there would be if one limit were lifted."""
    asked = f"{need.replicas} x {need.gpus_per_replica} {need.gpu_id} on {', '.join(terms) or 'no term'}"
    smaller = rentable(need.gpu_id, limits, terms, prices)
    if smaller and not rentable(need.gpu_id, limits, terms, prices, need.host_bytes):
        most = max(offer.memory_bytes or 0 for offer in smaller)
        return Rejection(
            code="no_price", reason="nobody prices a machine with enough memory beside the GPU", needed=asked
            + f" with {format_bytes(need.host_bytes)}", available=f"machines of up to {format_bytes(most)}",
            fix="a smaller --weights format, or --provider of another seller",
        )  # fmt: skip
    if smaller:
        largest = max(int(offer.gpus) for offer in smaller)
        return Rejection(
            code="no_price", reason="nobody prices a machine with enough GPUs for one replica", needed=asked,
            available=f"machines of up to {largest} GPU{'s' if largest > 1 else ''}",
            fix="a smaller replica, or --provider of another seller",
        )  # fmt: skip
    relaxations = (
        ("other terms", "--term", limits, TERMS),
        ("other regions", "--region", replace(limits, regions=()), terms),
        ("other providers", "--provider", replace(limits, provider_ids=()), terms),
        ("marketplaces", "--include-marketplaces", replace(limits, include_marketplaces=True), terms),
    )
    for what, flag, relaxed, relaxed_terms in relaxations:
        picks = rank(rentable(need.gpu_id, relaxed, relaxed_terms, prices, need.host_bytes), need)
        if picks:
            offer = picks[0].offer
            return Rejection(
                code="no_price", reason=f"nobody rents out {need.gpu_id} within the limits", needed=asked,
                available=f"with {what}: {offer.provider} {offer.region} {offer.term}", fix=f"change {flag}",
            )  # fmt: skip
    return Rejection(
        code="no_price", reason=f"no price of {need.gpu_id} is known", needed=asked,
        available="no offer", fix="llmplan prices show --gpu " + need.gpu_id,
    )  # fmt: skip

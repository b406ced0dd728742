"""Rent by the hour: every hour of the month, whole instances, whatever the load."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from llmplan.plan.outcome import QuoteLine, Rejection
from llmplan.pricing.figures import hourly_figure, row_notes
from llmplan.pricing.index import index_of
from llmplan.pricing.select import Need, Pick, rank, rentable
from llmplan.pricing.sellers import limits_key
from llmplan.spec.price import TERMS, PriceBook, Term
from llmplan.spec.workload import Limits
from llmplan.units import HOURS_PER_MONTH, format_bytes, format_usd

OTHER_SELLERS: Final = 5
_QUALITY_NOTES: Final = {
    "advertised": "the seller's lowest advertised price",
    "average": "a mean over offers, not an offer",
    "derived": "computed from published figures",
}
_UPFRONT_NOTES: Final = {"all": "paid in advance, shown per month", "partial": "partly paid in advance"}


def rent(
    need: Need, limits: Limits, terms: tuple[Term, ...], prices: PriceBook
) -> tuple[QuoteLine, tuple[QuoteLine, ...]] | Rejection:
    """The cheapest rent and what else there is, or why there is none."""
    answers = index_of(prices).answers
    key = ("rent", need, terms, limits_key(limits))
    if key not in answers:
        answers[key] = _rent(need, limits, terms, prices)
    result: tuple[QuoteLine, tuple[QuoteLine, ...]] | Rejection = answers[key]
    return result


def rent_line(pick: Pick, need: Need) -> QuoteLine:
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
        note="; ".join(_notes(pick, need)),
    )


def _rent(
    need: Need, limits: Limits, terms: tuple[Term, ...], prices: PriceBook
) -> tuple[QuoteLine, tuple[QuoteLine, ...]] | Rejection:
    picks = rank(rentable(need.gpu_id, limits, terms, prices, need.host_bytes), need)
    if not picks:
        return _rejection(need, limits, terms, prices)
    others = [pick for pick in picks[1:] if pick.offer.provider != picks[0].offer.provider]
    sellers: dict[str, Pick] = {}
    for pick in others:
        sellers.setdefault(pick.offer.provider, pick)
    alternatives = list(sellers.values())[:OTHER_SELLERS]
    for term in TERMS:
        if term != picks[0].offer.term:
            alternatives += rank(rentable(need.gpu_id, limits, (term,), prices, need.host_bytes), need)[:1]
    unique = list(dict.fromkeys(alternatives))
    return rent_line(picks[0], need), tuple(rent_line(pick, need) for pick in unique)


def _notes(pick: Pick, need: Need) -> list[str]:
    offer = pick.offer
    notes = []
    if pick.idle_gpus:
        idle_usd = pick.usd_per_hour * HOURS_PER_MONTH * pick.idle_gpus / (pick.instances * offer.gpus)
        notes.append(f"{pick.idle_gpus} GPUs stay unused, {format_usd(idle_usd)} of it")
    if offer.per_gpu and need.gpus_per_replica > 1:
        notes.append(f"priced per GPU: ask the seller for {need.gpus_per_replica} in one machine")
    if need.host_bytes and offer.memory_bytes is None:
        notes.append(f"the row states no host memory: ask the seller for {format_bytes(need.host_bytes)} a replica")
    if offer.term.startswith("reserved"):
        years = offer.term.removeprefix("reserved-").removesuffix("y")
        notes.append(f"a commitment of {years} year{'s' if years != '1' else ''}")
        notes += [_UPFRONT_NOTES[offer.upfront]] if offer.upfront in _UPFRONT_NOTES else []
    if offer.term == "spot":
        rate = f"in {offer.interruption} of months" if offer.interruption else "at a rate nobody states"
        notes.append(f"interrupted {rate}; no discount taken for that")
    notes += [_QUALITY_NOTES[offer.quality]] if offer.quality in _QUALITY_NOTES else []
    return notes + row_notes(offer)


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

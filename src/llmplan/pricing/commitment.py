"""What a commitment binds to, and how long the machines have to be needed before it pays."""

from __future__ import annotations

import math
from typing import Final

from llmplan.pricing.index import index_of
from llmplan.spec.price import HourlyOffer, PriceBook
from llmplan.units import format_usd

MONTHS_PER_YEAR: Final = 12


def committed_years(term: str) -> int:
    """Years that a term binds for; 0 where it does not.

    term: of an offer. `reserved-1y` is 1, `reserved-3y` is 3. Valid for the terms of `spec.price`. Reference: TERMS.

    >>> committed_years("reserved-3y"), committed_years("on-demand")
    (3, 0)
    """
    return int(term.removeprefix("reserved-").removesuffix("y")) if term.startswith("reserved-") else 0


def committed_usd(usd_per_month: float, years: int) -> float:
    """All that is owed under a commitment, whether the machines are needed or not.

    Parameters
    ----------
    usd_per_month : the committed price, whatever is paid in advance [USD/month]
    years : length of the commitment [years]

    Notes
    -----
    owed = 12 x years x price. No interest on what is paid in advance.

    References
    ----------
    Arithmetic.

    >>> committed_usd(1000.0, 3)
    36000.0
    """
    return MONTHS_PER_YEAR * years * usd_per_month


def break_even_months(usd_per_month: float, flexible_usd_per_month: float, years: int) -> float | None:
    """Months that the machines have to be needed before a commitment is cheaper than paying for as long on demand.

    Parameters
    ----------
    usd_per_month : the committed price [USD/month]
    flexible_usd_per_month : the same machines on demand [USD/month]
    years : length of the commitment [years]

    Notes
    -----
    12 x years x c = months x d, so months = 12 x years x c / d. None where that is the whole term or longer: then it
    never pays. Valid while the price on demand stays as it is, for machines needed without a gap; no interest on what
    is paid in advance, and nothing for capacity that on demand may be sold out.

    References
    ----------
    Arithmetic.

    >>> break_even_months(400.0, 1000.0, 1), break_even_months(1000.0, 900.0, 1)
    (4.8, None)
    """
    if flexible_usd_per_month <= usd_per_month:
        return None
    return committed_usd(usd_per_month, years) / flexible_usd_per_month


def upfront_usd(usd_per_month: float, years: int, upfront: str | None) -> float | None:
    """What is paid on the first day; None where the seller does not say how much.

    usd_per_month [USD/month]: the committed price; years: of the commitment; upfront: `all`, `partial`, `none` or not
    stated. All of what is owed, or nothing; a partial payment has a size that no price row here states.
    Valid for prices spread evenly over the term. Reference: the sellers' payment options, as cited by each offer.

    >>> upfront_usd(1000.0, 3, "all"), upfront_usd(1000.0, 3, "none"), upfront_usd(1000.0, 3, "partial")
    (36000.0, 0.0, None)
    """
    return {"all": committed_usd(usd_per_month, years), "none": 0.0}.get(upfront or "")


def flexible_twin(offer: HourlyOffer, prices: PriceBook) -> HourlyOffer | None:
    """The same machine of the same seller on demand: in the same region, else its cheapest; None where it has none.

    A row whose region nobody states holds against any region. Machines are the same by instance name, or where the
    seller prices GPUs and not machines, by GPU and number.
    """
    twins = [
        each
        for each in index_of(prices).hourly.get(offer.gpu_id, ())
        if each.term == "on-demand" and each.provider == offer.provider and _same_machine(each, offer)
    ]
    here = [each for each in twins if each.region == offer.region]
    return min(here or twins, key=lambda each: (each.usd_per_hour, each.region), default=None)


def _same_machine(one: HourlyOffer, other: HourlyOffer) -> bool:
    return one.per_gpu == other.per_gpu and one.gpus == other.gpus and (one.per_gpu or one.instance == other.instance)


def commitment_note(offer: HourlyOffer, usd_per_month: float, prices: PriceBook) -> str:
    """What an offer binds to, in words; empty where it does not bind.

    offer: the row; usd_per_month: of all its instances [USD/month]; prices: for the same machine on demand.
    """
    years = committed_years(offer.term)
    if not years:
        return ""
    owed = committed_usd(usd_per_month, years)
    text = f"a commitment of {years} year{'s' if years > 1 else ''}, {format_usd(owed)} in all"
    text += {"all": ", paid in advance", "partial": ", partly paid in advance"}.get(offer.upfront or "", "")
    twin = flexible_twin(offer, prices)
    if twin is None:
        return text
    flexible = usd_per_month * twin.usd_per_hour / offer.usd_per_hour
    months = break_even_months(usd_per_month, flexible, years)
    if months is None:
        return f"{text}; never cheaper than on demand ({format_usd(flexible)} a month)"
    beyond = f"{math.ceil(months * 10 - 1e-9) / 10:g}"
    return f"{text}; cheaper than on demand ({format_usd(flexible)} a month) if needed for {beyond} months or longer"

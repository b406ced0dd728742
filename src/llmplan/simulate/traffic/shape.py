"""What a generator needs, from what a workload states: parts that are not known follow from its steady figures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from llmplan.errors import UsageError
from llmplan.simulate.traffic.columns import BLOCK_TOKENS
from llmplan.simulate.traffic.quantiles import Quantiles, quantiles
from llmplan.spec.traffic import Arrivals, Pauses, RateSeries, Sessions, SharedPrefix, TrafficShape
from llmplan.spec.workload import Workload
from llmplan.units import HOURS_PER_DAY, SECONDS_PER_HOUR

DAYS_PER_WEEK = 7
THINK_S = 60.0
"""between the turns of a conversation, where nobody says: people read an answer and write a question"""
_QUARTERS_PER_HOUR = 4


def shape_of(workload: Workload) -> TrafficShape:
    """The shape with every part put in: the workload's own, else derived from its figures.

    `cv_interarrival` becomes gamma gaps, `idle_share` pauses on the grid of `idle_bin_s`, `peak_to_mean` and
    `hours_per_day` a profile of the day with the trough at its start (and of the week, where one hour of the day holds
    too little), `prefix_share` a text that requests share, or with `prefixes` 0 conversations whose history it is.
    """
    known = workload.traffic or TrafficShape()
    shape = replace(known, arrivals=known.arrivals or _arrivals(workload))
    if shape.sessions is None and shape.prefix is None and workload.prefix_share > 0:
        if workload.prefixes == 0:
            shape = replace(shape, sessions=_conversations(workload))
        else:
            shape = replace(shape, prefix=_shared(workload, input_lengths(workload, shape)))
    if workload.tenants > 1 and not shape.tenant_weights:
        shape = replace(shape, tenant_weights=(1.0,) * workload.tenants)
    return shape


def input_lengths(workload: Workload, shape: TrafficShape) -> Quantiles:
    """Lengths of prompts."""
    return quantiles(shape.input_tokens or workload.input_tokens)


def output_lengths(workload: Workload, shape: TrafficShape) -> Quantiles:
    """Lengths of answers."""
    return quantiles(shape.output_tokens or workload.output_tokens)


def turn_lengths(workload: Workload, shape: TrafficShape, sessions: Sessions) -> tuple[Quantiles, Quantiles]:
    """Lengths of the first prompt of a conversation, and of what each later turn adds to the history.

    Where they are not known, both are alike. A geometric number of turns with the mean m puts a request at turn m on
    average, so that a mean prompt P of new texts U and answers A is P = m U + (m - 1) A.
    """
    if sessions.first is not None and sessions.added is not None:
        return quantiles(sessions.first), quantiles(sessions.added)
    prompts, answers = input_lengths(workload, shape), output_lengths(workload, shape)
    turns = sessions.turns
    added = (prompts.mean - (turns - 1) * answers.mean) / turns
    if added < 1:
        raise UsageError(
            f"prompts of {prompts.mean:,.0f} tokens cannot hold a history of {turns:.3g} turns with answers of "
            f"{answers.mean:,.0f} tokens",
            hints=["lower prefix_share or the answers' length, or state that the prefix is shared: prefixes: 1"],
        )
    alike = prompts.scaled(added / prompts.mean)
    return alike, alike


def _arrivals(workload: Workload) -> Arrivals:
    profiles = day_and_week(workload)
    if (pauses := pauses_of_gaps(workload)) is not None:
        return Arrivals(profiles=profiles, pauses=pauses)
    pauses = _idle_bins(workload)
    gap_cv = workload.cv_interarrival if pauses is None else _gap_cv(workload, pauses)
    return Arrivals(gap_cv=gap_cv, profiles=profiles, pauses=pauses)


def pauses_of_gaps(workload: Workload) -> Pauses | None:
    """Pauses of exponential length that make both the variation of gaps and the share of idle bins; None if none do.

    With pauses T that take the share q of the time, and Poisson arrivals at the mean rate r between them, gaps have
    CV^2 - 1 = 2 r q T, and a bin b is idle with the chance q exp(-b / T) + (1 - q) exp(-b r / (1 - q)).

    References
    ----------
    Kuczura, The Interrupted Poisson Process as an Overflow Process, Bell System Technical Journal 52 (1973).
    """
    rate, wanted, bin_s = workload.requests_per_s, workload.idle_share or 0.0, workload.idle_bin_s
    if rate is None or wanted == 0 or workload.cv_interarrival <= 1:
        return None
    paused_s = (workload.cv_interarrival**2 - 1) / (2 * rate)

    def idle(mean_s: float) -> float:
        share = paused_s / mean_s
        return share * math.exp(-bin_s / mean_s) + (1 - share) * math.exp(-bin_s * rate / (1 - share))

    low, high = max(bin_s, paused_s / 0.95), 1e4 * max(bin_s, paused_s)
    if not idle(high) < wanted <= idle(low) / 0.9:
        return None
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if idle(middle) > wanted else (low, middle)
    return Pauses(share=paused_s / low, mean_s=low)


def _idle_bins(workload: Workload) -> Pauses | None:
    """Idle bins one by one at random, less those that have no request by chance: p = q + (1 - q) exp(-n / (1 - q)) for
    the stated share p, the share q without traffic and n requests per bin on average."""
    wanted, bin_s = workload.idle_share or 0.0, workload.idle_bin_s
    per_bin = (workload.requests_per_s or math.inf) * bin_s
    if wanted == 0 or math.exp(-per_bin) >= wanted:
        return None
    low, high = 0.0, wanted
    for _ in range(50):
        share = (low + high) / 2
        empty = share + (1 - share) * math.exp(-per_bin / (1 - share))
        low, high = (share, high) if empty < wanted else (low, share)
    return Pauses(share=high, mean_s=bin_s / (1 - high), grid_s=bin_s) if high > 1e-6 else None


def _gap_cv(workload: Workload, pauses: Pauses) -> float:
    """Variation of gaps between pauses, such that all gaps together have the stated one; Poisson where pauses alone
    make more.

    A pause R ends one of the n gaps from one pause to the next, so that with the rate r while active all gaps have
    E[g^2] = (1 + c^2) / r^2 + (E[R^2] + 2 E[R] / r) / n.
    """
    mean, cv = workload.requests_per_s, workload.cv_interarrival
    if mean is None:
        return cv
    rate = mean / (1 - pauses.share)
    ends = pauses.grid_s / pauses.mean_s
    squared = pauses.grid_s**2 * (2 - ends) / ends**2
    made = (squared + 2 * pauses.mean_s / rate) / max(1.0, rate * pauses.active_s)
    inside = rate**2 * ((1 + cv**2) / mean**2 - made) - 1
    return math.sqrt(max(inside, min(cv, 1.0) ** 2))


def day_and_week(workload: Workload) -> tuple[RateSeries, ...]:
    """Profiles with the busiest hour and the hours without traffic that a workload states; none if it is flat."""
    active = workload.hours_per_day
    if workload.peak_to_mean <= 1 and active >= HOURS_PER_DAY:
        return ()
    quarters = max(1, round(active * _QUARTERS_PER_HOUR))
    all_quarters = round(HOURS_PER_DAY * _QUARTERS_PER_HOUR)
    wanted = max(1.0, workload.peak_to_mean * quarters / all_quarters)
    hours = quarters / _QUARTERS_PER_HOUR
    weekly = 1.0
    if wanted > 0.9 * hours:
        wanted, weekly = 0.9 * hours, wanted / (0.9 * hours)
    if weekly > 0.95 * DAYS_PER_WEEK:
        raise UsageError(
            f"no week has its busiest hour at {workload.peak_to_mean:g} times the mean unless nearly all comes in it",
            hints=[
                "describe a trace, and use the workload file that it writes: llmplan workload describe TRACE -o FILE"
            ],
        )
    quiet = all_quarters - quarters
    begin = quiet // 2 // _QUARTERS_PER_HOUR * _QUARTERS_PER_HOUR
    # hours of the clock: the first active one begins with one, and the peak lies in the middle of one
    busy = np.roll(_hump(quarters, max(1.0, wanted)), (_QUARTERS_PER_HOUR // 2 - quarters // 2) % _QUARTERS_PER_HOUR)
    rates = np.concatenate([np.zeros(begin), busy, np.zeros(quiet - begin)])
    day = RateSeries(bin_s=SECONDS_PER_HOUR / _QUARTERS_PER_HOUR, rates=tuple(rates.tolist()))
    if weekly == 1.0:
        return (day,)
    return day, RateSeries(bin_s=day.span_s, rates=_hump(DAYS_PER_WEEK, weekly))


def _hump(bins: int, peak_to_mean: float) -> tuple[float, ...]:
    """Rates exp(k cos) around the middle, with the k that gives the peak over the mean."""
    angles = 2 * math.pi * ((np.arange(bins) + 0.5) / bins - 0.5)
    low, high = 0.0, 5000.0
    for _ in range(60):
        middle = (low + high) / 2
        rates = np.exp(middle * (np.cos(angles) - 1))
        if _busiest_hour(rates, bins) / rates.mean() < peak_to_mean:
            low = middle
        else:
            high = middle
    return tuple(np.exp(low * (np.cos(angles) - 1)).tolist())


def _busiest_hour(rates: np.ndarray[tuple[int], np.dtype[np.float64]], bins: int) -> float:
    """The largest mean over an hour of quarters (of a week: over a day)."""
    width = min(bins, _QUARTERS_PER_HOUR) if bins != DAYS_PER_WEEK else 1
    return float(np.convolve(rates, np.full(width, 1 / width), "valid").max())


def _conversations(workload: Workload) -> Sessions:
    """Conversations whose history is the share of the prompts that a cache holds: 1 / (1 - share) turns on average."""
    return Sessions(turns=1 / (1 - min(workload.prefix_share, 0.999)), think_s=THINK_S)


def _shared(workload: Workload, prompts: Quantiles) -> SharedPrefix:
    """Prefixes so long that prompts, those shorter than the prefix too, share the stated part of their tokens.

    They end with a block, since a cache holds whole blocks.
    """
    wanted = workload.prefix_share * prompts.mean
    low, high = 0.0, float(prompts.tokens.max())
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if prompts.mean_up_to(middle) < wanted else (low, middle)
    return SharedPrefix(
        prefixes=workload.prefixes or workload.tenants, tokens=max(1, round(low / BLOCK_TOKENS) * BLOCK_TOKENS)
    )

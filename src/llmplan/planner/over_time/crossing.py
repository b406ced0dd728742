"""Where serverless and a machine of one's own cost the same, for traffic of this shape and any number of its users."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from llmplan.plan.outcome import Option, Quote
from llmplan.plan.replay import Crossing
from llmplan.planner.context import Context
from llmplan.planner.evaluate import rented
from llmplan.planner.over_time.hourly import one_flexible
from llmplan.planner.over_time.per_second import Workshop, preferred
from llmplan.planner.over_time.stage import Actor, Stage
from llmplan.simulate.fleet import FleetSpec
from llmplan.simulate.traffic.recorded import Recorded
from llmplan.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, format_usd

DEDICATED = "one replica by the hour"
HALVINGS = 5
MOST_SCALED = 64.0
MOST_REQUESTS = 150_000
"""of a trace that is played a dozen times; of a longer one its busiest day or hour"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """One replica by the hour: what it costs a month whatever it does, what the traffic as it is costs on top (egress),
    and the most of this traffic that it carries."""

    usd_per_month: float
    traffic_usd_per_month: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """GPUs by the second as they were found best: workers kept warm, and the idle window (None: any that is sold)."""

    shop: Workshop
    keep_warm: int
    window_s: float | None


def crossings(
    dedicated: Option, api: Option | None, seconds: Seconds | None, context: Context, stage: Stage
) -> Iterator[Crossing]:
    """A hosted API by the token, and GPUs by the second, each against one replica by the hour."""
    replica, memory = dedicated.deployment.replica, dedicated.memory
    if dedicated.deployment.purchase.kind != "hourly" or replica is None or memory is None:
        return
    quote = rented(one_flexible(dedicated.deployment), memory, context.workload, context)
    if not isinstance(quote, Quote) or not quote.complete:
        return
    actor, part = Actor.of(replica, memory, context), _part(stage.trace)
    factor = most_of(actor, part, stage)
    if not factor:
        return
    traffic_usd = quote.traffic_usd_per_month
    alone = Alone(usd_per_month=quote.usd_per_month - traffic_usd, traffic_usd_per_month=traffic_usd, factor=factor)
    rate = stage.trace.mean_requests_per_s
    if api is not None and api.quote.complete and api.quote.usd_per_month > 0:
        yield _against_tokens(api, alone, rate)
    if seconds is not None:
        yield _against_seconds(seconds, alone, rate, part, context, stage)


def _part(trace: Recorded) -> Recorded:
    """As much of the trace as is played again and again."""
    for window_s in (SECONDS_PER_DAY, SECONDS_PER_HOUR):
        if len(trace) <= MOST_REQUESTS:
            break
        trace = trace.between(*trace.busiest(window_s))
    return trace


def most_of(actor: Actor, trace: Recorded, stage: Stage) -> float:
    """The largest factor on the trace's users that one replica serves within the promises [-]; 0 if none.

    By doubling and bisection to 1 / 2^HALVINGS of a doubling. Valid because more users never help. Reference: none.
    """
    hour = trace.between(*trace.busiest(SECONDS_PER_HOUR))

    def good(factor: float) -> bool:
        spec = FleetSpec(replicas=1, router=actor.router(hour))
        return actor.keeps(spec, hour.scaled(factor), stage, f"one replica at {factor:.3g} times the traffic")

    return bisected(good, most=min(MOST_SCALED, 4 * MOST_REQUESTS / max(1, len(hour))))


def bisected(good: Callable[[float], bool], *, most: float, halvings: int = HALVINGS) -> float:
    """The largest factor for which something holds that holds up to a factor and not beyond it [-].

    good: the test; most [-]: where to stop; halvings: of the last doubling.
    From 1 by doubling or halving to a bracket [f, 2 f], then geometric bisection. Valid for monotone tests; 0 if even
    most / 4096 is too much. Reference: none.

    >>> round(bisected(lambda factor: factor <= 3.0, most=64.0), 2)
    2.95
    """
    low = 1.0
    if good(low):
        while low < most and good(2.0 * low):
            low *= 2.0
        if low >= most:
            return low
    else:
        while not good(low / 2.0):
            low /= 2.0
            if low < most / 4096.0:
                return 0.0
        low /= 2.0
    high = 2.0 * low
    for _ in range(halvings):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if good(middle) else (low, middle)
    return low


def _against_tokens(api: Option, alone: Alone, rate: float) -> Crossing:
    """Tokens cost in proportion, a machine the same whatever it does, but for what goes out."""
    saved_usd = api.quote.traffic_usd_per_month - alone.traffic_usd_per_month
    fixed_usd = alone.usd_per_month - (api.quote.usd_per_month - api.quote.traffic_usd_per_month)
    factor = fixed_usd / saved_usd if saved_usd > 0 else math.inf
    tried = alone.factor * rate
    sells = api.quote.lines[0].figure
    name = f"a hosted API by the token ({sells.provider})" if sells is not None else "a hosted API by the token"
    crosses = factor <= alone.factor
    return Crossing(
        below=name,
        above=DEDICATED,
        requests_per_s=factor * rate if crosses else None,
        tried_requests_per_s=tried,
        note="" if crosses else "a full replica costs more than its tokens",
    )


def _against_seconds(
    by: Seconds, alone: Alone, rate: float, part: Recorded, context: Context, stage: Stage
) -> Crossing:
    """Seconds cost more than in proportion while workers idle, and all of the month once they never stop."""

    def cheaper(factor: float) -> bool:
        scaled = part.scaled(factor)
        found = by.shop.runs(scaled, stage, context, by.keep_warm, by.window_s)
        lines = [line for line in found if line.quote.complete]
        if not lines:
            return False
        best = min(lines, key=preferred).quote
        more_usd = (factor - 1.0) * best.traffic_usd_per_month
        return best.usd_per_month + more_usd <= alone.usd_per_month + factor * alone.traffic_usd_per_month

    seconds = "renting GPUs by the second" + (f", {by.keep_warm} kept warm," if by.keep_warm else "")
    tried, note = alone.factor * rate, f"a replica by the hour costs {format_usd(alone.usd_per_month)} a month"
    if cheaper(alone.factor):
        return Crossing(below=seconds, above=DEDICATED, requests_per_s=None, tried_requests_per_s=tried, note=note)
    factor = bisected(cheaper, most=alone.factor)
    if not factor:
        return Crossing(below=DEDICATED, above=seconds, requests_per_s=None, tried_requests_per_s=tried, note=note)
    return Crossing(below=seconds, above=DEDICATED, requests_per_s=factor * rate, tried_requests_per_s=tried, note=note)

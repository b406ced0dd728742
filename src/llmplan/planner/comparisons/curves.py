"""The bills over the load as lines that can be drawn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from llmplan.plan.comparisons import BreakEven, Curve
from llmplan.planner.comparisons.machines import Machines
from llmplan.planner.comparisons.rivals import Rivals
from llmplan.planner.comparisons.ways import BEYOND_AN_EDGE, IMPOSSIBLE, Way

SAMPLES = 25
"""even points of a bill that bends, besides its halvings near no load"""
SHOWN_BEYOND = 1.5
"""of the largest load that matters: what the curves show of it"""


def curves(rivals: Rivals, found: tuple[BreakEven, ...]) -> Iterator[Curve]:
    """The bill of each way over the load, as far as a break-even or the question lies."""
    crossing = [each.requests_per_s for each in found if each.requests_per_s is not None]
    one = rivals.machines.mean_per_replica_per_s
    matters = max([rivals.asked_per_s, one, *(at for at in crossing if at <= 8 * max(one, rivals.asked_per_s))])
    upto = min(SHOWN_BEYOND * matters, rivals.tried_per_s)
    yield _stepped(rivals.machines, upto)
    for seconds in rivals.seconds:
        ends = seconds.compared_upto(upto)
        even = (ends * place / (SAMPLES - 1) for place in range(SAMPLES))
        yield _line(seconds, tuple(sorted({*even, *seconds.edges(ends)})))
    for seller in rivals.tokens:
        yield _line(seller, (0.0, upto))


def _stepped(machines: Machines, upto: float) -> Curve:
    """Both ends of every step."""
    edges = (0.0, *machines.edges(upto), upto)
    loads, bills = [0.0], [machines.usd_per_month(0.0)]
    for start, end in pairwise(edges):
        if start > 0:
            loads.append(start)
            bills.append(machines.usd_per_month(start * BEYOND_AN_EDGE))
        loads.append(end)
        bills.append(machines.usd_per_month(end))
    return Curve(
        label=machines.label, requests_per_s=tuple(loads), usd_per_month=tuple(bills), source=machines.source(upto)
    )


def _line(way: Way, loads: tuple[float, ...]) -> Curve:
    known = [(load, usd) for load in loads if (usd := way.usd_per_month(load)) != IMPOSSIBLE]
    return Curve(
        label=way.label,
        requests_per_s=tuple(load for load, _ in known),
        usd_per_month=tuple(usd for _, usd in known),
        source=way.source(loads[-1]),
    )

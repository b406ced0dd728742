"""Several replicas step by step in the order of time, where what one does next depends on what another has done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heapreplace

from llmplan.simulate.fleet.instance import Instance

_MOMENT_S = 1e-9


def step(instance: Instance, ready_by_s: float) -> None:
    """One step of its engine. What has been sent to it is with its scheduler by `ready_by_s`."""
    run = instance.engine
    before_s = run.now_s
    instance.advance(math.nextafter(before_s, math.inf))
    if run.now_s == before_s and run.in_flight:
        instance.advance(max(before_s, ready_by_s) + _MOMENT_S)


def walk(
    instances: Sequence[Instance], now_s: float, until_s: float, request_s: float, going: Callable[[], bool]
) -> None:
    """Step by step, always the one that is furthest behind, from now up to a time or until it is not needed any more.
    An engine that was idle has a clock of the past."""
    order = [(max(now_s, each.engine.now_s), each.id, each) for each in instances if each.engine.in_flight]
    heapify(order)
    while order and order[0][0] < until_s and going():
        each = order[0][2]
        step(each, now_s + request_s)
        if each.engine.in_flight:
            heapreplace(order, (each.engine.now_s, each.id, each))
        else:
            heappop(order)

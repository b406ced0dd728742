"""Several replicas step by step in the order of time, where what one does next depends on what another has done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heapreplace

from llmplan.simulate.fleet.instance import Instance


def step(instance: Instance) -> None:
    """The next step of its engine, whenever that starts; or as much of the wait for it as is known."""
    instance.advance(math.nextafter(instance.engine.next_step_s, math.inf))


def walk(instances: Sequence[Instance], now_s: float, until_s: float, going: Callable[[], bool]) -> None:
    """Step by step, always the one whose next step starts first, from now up to a time or until it is not needed any
    more."""
    order = [(max(now_s, each.engine.next_step_s), each.id, each) for each in instances if each.engine.in_flight]
    heapify(order)
    while order and order[0][0] < until_s and going():
        each = order[0][2]
        step(each)
        if each.engine.in_flight:
            heapreplace(order, (each.engine.next_step_s, each.id, each))
        else:
            heappop(order)

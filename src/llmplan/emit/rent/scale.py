"""Between how many replicas a platform may scale, when it adds one, and how long it waits.

By the second the fleet moves between the planned warm workers and the planned peak; by the hour or on owned machines
the plan pays for a fixed fleet, which is then kept. A replica is wanted for as many requests as the plan has in flight
on one (its latency was predicted for that many); the most that one admits is what the engine does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.emit.container import Container
from llmplan.emit.selection import Launch
from llmplan.emit.startup import start_budget

LONGEST_FACTOR = 10
"""of the longest answer that is waited for over the upper end of the predicted mean; a judgement"""
LEAST_REQUEST_S = 300
"""granted to any request; a judgement"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Replicas from `low` to `high`; one more above `target` requests in flight on each, `most` at once on one.
    `rate_per_s` is what one replica takes in the plan, `idle_s` how long one without requests stays (None: the fleet
    is fixed). `start_s` is granted to a start and `request_s` to a request."""

    low: int
    high: int
    target: int
    most: int
    rate_per_s: float | None
    idle_s: int | None
    start_s: int
    request_s: int
    why_size: str
    why_start: str

    @property
    def moves(self) -> bool:
        """Whether anything scales."""
        return self.low != self.high

    @property
    def patience_s(self) -> int:
        """Seconds that one request may take, with a start before it where no replica is kept."""
        return self.request_s + (0 if self.low else self.start_s)


WHY_TARGET = "requests in flight on a replica at the load that its latency was predicted for"
WHY_MOST = "as many as the engine admits at once"
WHY_IDLE = "the idle window that was priced"
WHY_PATIENCE = "of one request, with a start before it where no replica is kept"


def scale_of(launch: Launch, container: Container) -> Scale:
    """What the plan says."""
    purchase, estimate = launch.deployment.purchase, launch.option.estimate
    most = launch.replica.settings.max_num_seqs
    by_second = purchase.kind == "serverless"
    low = min(purchase.keep_warm, launch.replicas) if by_second else launch.replicas
    longest_s = estimate.e2e_s.high if estimate is not None and math.isfinite(estimate.e2e_s.high) else 0.0
    window_s = launch.option.cold.get("idle_window_s")
    start = start_budget(container, downloads=not launch.air_gapped)
    return Scale(
        low=low,
        high=launch.replicas,
        target=most if estimate is None else min(most, max(1, math.ceil(estimate.batch_size))),
        most=most,
        rate_per_s=estimate.requests_per_s.mid if estimate is not None and estimate.requests_per_s.mid > 0 else None,
        idle_s=math.ceil(window_s) if by_second and window_s is not None else None,
        start_s=start.budget_s,
        request_s=max(LEAST_REQUEST_S, math.ceil(LONGEST_FACTOR * longest_s)),
        why_size=_why_size(launch, low, by_second=by_second),
        why_start=start.why,
    )


def bounded(value: int, low: int, high: int) -> int:
    """`value` within what a platform takes.

    >>> bounded(900, 2, 300)
    300
    """
    return max(low, min(high, value))


def _why_size(launch: Launch, low: int, *, by_second: bool) -> str:
    peak = f"{launch.replicas} replica{'s' * (launch.replicas != 1)}"
    if by_second:
        return f"the plan keeps {low} warm and runs up to {peak} at its peak"
    return f"the plan pays for {peak} all the time, so that as many are kept"

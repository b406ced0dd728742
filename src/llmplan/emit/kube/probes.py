"""When a pod counts as started, as ready and as hung, and how long it may take to end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.kube.quantities import whole_seconds
from llmplan.emit.selection import Launch
from llmplan.emit.startup import start_budget

PORT_NAME = "http"
PERIOD_S = 10
HUNG_CHECKS = 6
"""failed checks after which a server is restarted: a minute, since a long prefill may delay an answer"""
UNROUTED_S = 15
"""until every proxy has heard that a pod takes no more requests; a judgement"""
DRAIN_FACTOR = 2
"""of the time to finish over the upper end of the predicted mean request: some are longer than the mean"""
DRAIN_MOST_S = 900
END_S = 30
"""from the end of the wait to the kill: Kubernetes' own default"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds that a pod is given: to start, to finish what it serves, to end; and where the first came from."""

    start_s: int
    drain_s: int
    why_start: str

    @property
    def end_s(self) -> int:
        """From the request to end to the kill."""
        return self.drain_s + END_S


def patience(launch: Launch, container: Container) -> Patience:
    """What the plan says of starts and requests, with room."""
    estimate, start = launch.option.estimate, start_budget(container, downloads=False)
    longest_s = 0.0 if estimate is None or not math.isfinite(estimate.e2e_s.high) else estimate.e2e_s.high
    return Patience(
        start_s=start.budget_s,
        drain_s=UNROUTED_S + whole_seconds(DRAIN_FACTOR * longest_s, low=0, high=DRAIN_MOST_S),
        why_start=f"{start.why}; the download is over before it",
    )


def probes(container: Container, given: Patience) -> dict[str, Any]:
    """The three probes, all on the health path."""
    check = {"path": container.health_path, "port": PORT_NAME}
    return {
        "startupProbe": {
            "httpGet": check,
            "periodSeconds": PERIOD_S,
            "timeoutSeconds": 5,
            "failureThreshold": math.ceil(given.start_s / PERIOD_S),
        },
        "readinessProbe": {"httpGet": check, "periodSeconds": PERIOD_S, "timeoutSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {
            "httpGet": check,
            "periodSeconds": PERIOD_S,
            "timeoutSeconds": 10,
            "failureThreshold": HUNG_CHECKS,
        },
    }

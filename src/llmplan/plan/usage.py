"""How much a scale-to-zero fleet runs, waits and starts in a month."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerlessUsage:
    """Seconds are summed over replicas and a month of 730 hours. `billed` covers busy, idle-window and start time
    as the platform's own rules say; `cold_request_share` is the fraction of requests that wait for a start.
    `rounding` is what rounding up and least times add, where every start is known; None leaves it to be estimated."""

    mean_running_replicas: float
    peak_replicas: int
    billed_replica_s_per_month: float
    busy_replica_s_per_month: float
    idle_replica_s_per_month: float
    starting_replica_s_per_month: float
    cold_start_s: float
    cold_request_share: float
    starts_per_month: float
    rounding_replica_s_per_month: float | None = None

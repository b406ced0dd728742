"""What each strategy came to when its fleet served recorded requests, and where one becomes cheaper than another."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.plan.deployment import StrategyId


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles over all answered requests [s]. `p95_low` and `p95_high`: if every step takes as short or as long as
    the ends of the 80 % band of its time; None where that was not tried."""

    p50: float
    p95: float
    p99: float
    p95_low: float | None = None
    p95_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One fleet on the requests of a trace.

    `fleet` says in words how it is run. `kept_share`: requests within all promises [-], `kept_share_low` the same on an
    engine at the slow end of its band; `keeps`: whether each promise held for 95 of 100 over the whole trace; a fleet
    of one size was also chosen so that it does in the busiest hour. `usd_per_month`: of 730 hours of such traffic;
    None where no price is known. `worst_tenant_ttft_p95_s`: of the tenant that fares worst, where there are several.
    """

    fleet: str
    keeps: bool
    kept_share: float
    kept_share_low: float | None = None
    ttft_s: Latency | None
    tpot_s: Latency | None
    e2e_s: Latency | None
    cold_share: float = 0.0
    refused: int = 0
    preemptions: int = 0
    utilization: float = 0.0
    mean_replicas: float
    peak_replicas: int
    usd_per_month: float | None = None
    worst_tenant_ttft_p95_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A strategy on a trace: the fleet that is taken, and others beside it (with an autoscaler, with a worker kept
    warm, with a deployment for each tenant). `planned_replicas`: what the steady state had asked for."""

    taken: Played | None
    others: tuple[Played, ...] = ()
    planned_replicas: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where two ways of serving cost the same, for traffic of this shape.

    Up to `requests_per_s` `below` is cheaper, from there on `above`. None: `below` is cheaper at every rate up to
    `tried_requests_per_s`, the most that one replica carries, beyond which both grow alike.
    """

    below: str
    above: str
    requests_per_s: float | None
    tried_requests_per_s: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """A plan's answer to a trace: every strategy judged on the same requests."""

    trace: str
    requests: int
    duration_s: float
    requests_per_s: float
    busiest_hour_requests_per_s: float
    replays: tuple[tuple[StrategyId, Replay], ...] = ()
    crossings: tuple[Crossing, ...] = ()
    notes: tuple[str, ...] = ()

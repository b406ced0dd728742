"""What became of traffic on a fleet: latency, promises kept, replicas, queues over time, money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from llmplan.plan.deployment import Replica
from llmplan.plan.ledger import Ledger
from llmplan.plan.outcome import Quote
from llmplan.plan.usage import ServerlessUsage
from llmplan.spec.band import Band
from llmplan.spec.workload import Slo

PROMISED_SHARE = 0.95
"""of the requests, for which a latency is promised"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFleet:
    """What was simulated, for whoever reads the answer: `scaling`, `faults` and `traffic` in words, `start` of a new
    replica [s] where any is started, `calibration_id` of its speed."""

    replica: Replica
    replicas: int
    router: str
    scaling: str = ""
    faults: str = ""
    traffic: str = ""
    slo: Slo = field(default_factory=Slo)
    start: Ledger | None = None
    calibration_id: str = ""
    extrapolated: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A quantity over requests [s]: linear interpolation between order statistics. `p95_low` and `p95_high`: where
    every step takes as short or as long as the ends of the 80 % band of its time; None where that was not tried."""

    mean: float
    p50: float
    p95: float
    p99: float
    p95_low: float | None = None
    p95_high: float | None = None

    @property
    def p95_band(self) -> Band:
        """The 95th percentile with its band, or without one."""
        if self.p95_low is None or self.p95_high is None:
            return Band.exact(self.p95)
        return Band(low=self.p95_low, mid=self.p95, high=self.p95_high)

    def between(self, low: Spread | None, high: Spread | None) -> Spread:
        """The same with the 95th percentiles of a faster and of a slower engine as its band."""
        if low is None or high is None:
            return self
        p95s = (self.p95, low.p95, high.p95)
        return replace(self, p95_low=min(p95s), p95_high=max(p95s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attainment:
    """Share of requests within each promise, and within all of them [-]. None: not promised. Refused requests are
    within none; one of a single token has no TPOT and is within any."""

    ttft: float | None = None
    tpot: float | None = None
    e2e: float | None = None
    joint: float
    joint_low: float | None = None
    """of an engine at the slow end of its band"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantOutcome:
    """One tenant's requests; percentiles are None where none was answered."""

    tenant: int
    requests: int
    ttft_p95_s: float | None
    tpot_p95_s: float | None
    e2e_p95_s: float | None
    attainment: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaLife:
    """One replica [s]. A time is None where it did not come within the run; `cause` is what ended it."""

    launched_s: float
    ready_s: float | None = None
    draining_s: float | None = None
    stopped_s: float | None = None
    cause: str = ""
    busy_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The run in bins of `bin_s`, one entry each: means over the bin, except `billed_gpu_s`, which is the sum up to its
    end. `waiting` counts requests without a slot, at the gate or at a replica; `attainment` is that of the requests
    that came in the bin, None where none did."""

    bin_s: float
    arrivals_per_s: tuple[float, ...] = ()
    waiting: tuple[float, ...] = ()
    running: tuple[float, ...] = ()
    kv_share: tuple[float, ...] = ()
    ready: tuple[float, ...] = ()
    starting: tuple[float, ...] = ()
    billed_gpu_s: tuple[float, ...] = ()
    attainment: tuple[float | None, ...] = ()

    def __len__(self) -> int:
        return len(self.arrivals_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedBill:
    """What one seller charges. `quote` is for a month of such traffic, `usd` for the run; `usage` is what a seller by
    the second bills."""

    seller: str
    quote: Quote
    usd: float
    usage: ServerlessUsage | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A run of `span_s` seconds. `requests` = `answered` + refused + `unfinished`, which are those in flight where a
    run was stopped (`finished` False).

    `wait_s` is the time until a slot, `mean_in_system` the requests in flight over time, `utilization` the share of
    the replicas' ready time in which they compute, `kv_peak` the fullest pool seen, `cold` the requests that waited for
    a replica to start, `preemptions` those that lost their blocks, `retries` those that lost their replica.
    """

    span_s: float
    finished: bool
    requests: int
    answered: int
    refused: Mapping[str, int] = field(default_factory=dict)
    unfinished: int
    input_tokens: int
    output_tokens: int
    ttft_s: Spread | None
    tpot_s: Spread | None
    e2e_s: Spread | None
    wait_s: Spread | None
    attainment: Attainment
    goodput_requests_per_s: float
    requests_per_s: float
    output_tokens_per_s: float
    mean_in_system: float
    utilization: float
    kv_peak: float
    prefix_hit_share: float
    cold: int
    retries: int
    preemptions: int
    lives: tuple[ReplicaLife, ...]
    series: Series
    tenants: tuple[TenantOutcome, ...] = ()

    def between(self, fast: Simulated, slow: Simulated) -> Simulated:
        """The same run with the bands that follow from a faster and a slower engine."""
        joint_low = min(self.attainment.joint, fast.attainment.joint, slow.attainment.joint)
        return replace(
            self,
            attainment=replace(self.attainment, joint_low=joint_low),
            ttft_s=_between(self.ttft_s, fast.ttft_s, slow.ttft_s),
            tpot_s=_between(self.tpot_s, fast.tpot_s, slow.tpot_s),
            e2e_s=_between(self.e2e_s, fast.e2e_s, slow.e2e_s),
            wait_s=_between(self.wait_s, fast.wait_s, slow.wait_s),
        )

    def keeps(self, slo: Slo) -> bool | None:
        """Whether 95 of 100 requests are within each promise; None without one."""
        shares = (self.attainment.ttft, self.attainment.tpot, self.attainment.e2e)
        return None if slo.is_empty else all(share is None or share >= PROMISED_SHARE for share in shares)

    @property
    def cold_share(self) -> float:
        """Share of the requests that waited for a start [-]."""
        return self.cold / self.requests if self.requests else 0.0

    @property
    def refused_count(self) -> int:
        """Requests that no replica could serve."""
        return sum(self.refused.values())

    @property
    def peak_replicas(self) -> int:
        """Most replicas that were there at once, starting or serving."""
        changes = [(life.launched_s, 1) for life in self.lives]
        changes += [(life.stopped_s, -1) for life in self.lives if life.stopped_s is not None]
        most = there = 0
        for _, change in sorted(changes):
            there += change
            most = max(most, there)
        return most


def _between(middle: Spread | None, low: Spread | None, high: Spread | None) -> Spread | None:
    return None if middle is None else middle.between(low, high)

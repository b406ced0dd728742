"""A replica made ready to be simulated, and what a fleet of it comes to on a trace."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from llmplan import perf
from llmplan.perf import StepTimes
from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import MemoryBudget
from llmplan.plan.replay import Latency, Played
from llmplan.plan.simulated import Simulated, Spread
from llmplan.planner.cautions import LONG_WAIT_S
from llmplan.planner.context import Context
from llmplan.simulate.engine import Rules, rules_of
from llmplan.simulate.engine.log import NEVER
from llmplan.simulate.fleet import Fleet, FleetSpec, RouterId, summarize
from llmplan.simulate.traffic.recorded import Recorded
from llmplan.spec.workload import Slo
from llmplan.units import SECONDS_PER_HOUR

PROMISED_SHARE = 0.95
"""a promise at the 95th percentile"""

Result = TypeVar("Result")
Watch = Callable[[str, int, int], None]
"""what is being tried, requests so far, and requests in all"""


def nobody_watches(what: str, done: int, total: int) -> None:
    """No progress is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Traffic, promises, and somebody who watches; `known` remembers what a replica came to for another strategy."""

    trace: Recorded
    slo: Slo
    watch: Watch = nobody_watches
    known: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """What was made for this key before, else what is made now."""
        if key not in self.known:
            self.known[key] = make()
        found: Result = self.known[key]
        return found

    @property
    def busiest(self) -> Recorded:
        """The busiest hour of the trace, or all of it."""
        return self.trace.between(*self.trace.busiest(SECONDS_PER_HOUR))


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One replica's step times and scheduler limits, and the GPUs that it takes; `low_ratio` and `high_ratio` are the
    ends of the 80 % band of measured over predicted step times."""

    times: StepTimes
    rules: Rules
    gpus: int
    low_ratio: float = 1.0
    high_ratio: float = 1.0

    @classmethod
    def of(cls, replica: Replica, memory: MemoryBudget, context: Context) -> Actor:
        """A replica of the plan."""
        calibration = context.calibration(replica)
        band = calibration.for_model(is_moe=replica.model.is_moe).bands["tpot"]
        return cls(
            times=perf.modelled_times(replica, memory, calibration),
            rules=rules_of(replica, memory),
            gpus=replica.parallel.gpus,
            low_ratio=band.low_ratio,
            high_ratio=band.high_ratio,
        )

    def router(self, trace: Recorded) -> RouterId:
        """Prefixes stay together where there are some and a cache for them; else whoever has least to do."""
        cached = self.rules.prefix_caching and trace.requests.prefixes is not None
        return "prefix-affine" if cached else "least-loaded"

    def play(self, spec: FleetSpec, trace: Recorded, stage: Stage, what: str) -> tuple[Fleet, Simulated]:
        """A fleet on a trace, to the end."""
        fleet = Fleet(spec, self.times, self.rules)
        for progress in fleet.run([trace.requests]):
            stage.watch(what, progress.requests, len(trace))
        return fleet, summarize(fleet, stage.slo, gpus=self.gpus, period_s=trace.duration_s)

    def keeps(self, spec: FleetSpec, trace: Recorded, stage: Stage, what: str) -> bool:
        """Whether a fleet keeps the promises; given up as soon as too many requests are late for it to do so."""
        fleet = Fleet(spec, self.times, self.rules)
        allowed = (1.0 - PROMISED_SHARE) * len(trace)
        for progress in fleet.run([trace.requests]):
            stage.watch(what, progress.requests, len(trace))
            if late_for_good(fleet, stage.slo) > allowed:
                return False
        return keeps(summarize(fleet, stage.slo, gpus=self.gpus, period_s=trace.duration_s), stage.slo)

    def banded(self, run: Played, spec: FleetSpec, trace: Recorded, stage: Stage, what: str) -> Played:
        """The run with what it comes to at both ends of the band of step times."""
        ends = []
        for name, ratio in (("fast", self.low_ratio), ("slow", self.high_ratio)):
            paced = replace(self, times=perf.PacedTimes(self.times, ratio))
            ends.append(paced.play(spec, trace, stage, f"{what}, if steps are {name}")[1])
        low, high = ends
        return replace(
            run,
            kept_share_low=min(run.kept_share, high.attainment.joint),
            ttft_s=_between(run.ttft_s, low.ttft_s, high.ttft_s),
            tpot_s=_between(run.tpot_s, low.tpot_s, high.tpot_s),
            e2e_s=_between(run.e2e_s, low.e2e_s, high.e2e_s),
        )


def late_for_good(fleet: Fleet, slo: Slo) -> int:
    """Requests that have missed the promise of a first token already, those that still wait for it included."""
    limit_s = slo.ttft_p95_s if slo.ttft_p95_s is not None or not slo.is_empty else LONG_WAIT_S
    if limit_s is None:
        return 0
    arrival_s, first_s = np.array(fleet.log.arrival_s), np.array(fleet.log.first_s)
    since_s = np.where(first_s == NEVER, fleet.now_s, first_s) - arrival_s
    return int((since_s > limit_s).sum())


def _between(middle: Latency | None, low: Spread | None, high: Spread | None) -> Latency | None:
    if middle is None or low is None or high is None:
        return middle
    return replace(middle, p95_low=min(middle.p95, low.p95), p95_high=max(middle.p95, high.p95))


def keeps(found: Simulated, slo: Slo) -> bool:
    """Whether each promise held for 95 of 100 requests, none of which may have been refused."""
    if found.refused_count or found.ttft_s is None:
        return False
    if slo.is_empty:
        return found.ttft_s.p95 <= LONG_WAIT_S
    shares = (found.attainment.ttft, found.attainment.tpot, found.attainment.e2e)
    return all(share is None or share >= PROMISED_SHARE for share in shares)


def misses(found: Simulated, slo: Slo) -> list[tuple[str, float, float]]:
    """Each promise that did not hold: its name, what came instead and what was promised [s]."""
    rows = (
        ("TTFT p95", found.ttft_s, slo.ttft_p95_s if not slo.is_empty else LONG_WAIT_S),
        ("TPOT p95", found.tpot_s, slo.tpot_p95_s),
        ("E2E p95", found.e2e_s, slo.e2e_p95_s),
    )
    return [
        (name, spread.p95, promised)
        for name, spread, promised in rows
        if promised is not None and spread is not None and spread.p95 > promised
    ]


def played(fleet: str, found: Simulated, slo: Slo, *, kept: bool, usd_per_month: float | None) -> Played:
    """A run in the figures that a plan keeps."""
    worst = [each.ttft_p95_s for each in found.tenants if each.ttft_p95_s is not None]
    lived_s = sum((life.stopped_s or found.span_s) - life.launched_s for life in found.lives)
    return Played(
        fleet=fleet,
        keeps=kept and keeps(found, slo),
        kept_share=found.attainment.joint,
        ttft_s=_latency(found.ttft_s),
        tpot_s=_latency(found.tpot_s),
        e2e_s=_latency(found.e2e_s),
        cold_share=found.cold_share,
        refused=found.refused_count,
        preemptions=found.preemptions,
        utilization=found.utilization,
        mean_replicas=lived_s / found.span_s if found.span_s > 0 else 0.0,
        peak_replicas=found.peak_replicas,
        usd_per_month=usd_per_month,
        worst_tenant_ttft_p95_s=max(worst, default=None),
    )


def _latency(spread: Spread | None) -> Latency | None:
    return None if spread is None else Latency(p50=spread.p50, p95=spread.p95, p99=spread.p99)

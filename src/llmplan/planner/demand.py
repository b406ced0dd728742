"""What the fleet must carry: the traffic turned into the load that one replica is asked about."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llmplan.plan.load import Load
from llmplan.spec.workload import Workload
from llmplan.units import HOURS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Either a peak rate [1/s] (open loop) or a number of requests always in flight (closed loop)."""

    shape: Load
    peak_requests_per_s: float | None
    concurrency: float | None

    @classmethod
    def of(cls, workload: Workload) -> Demand:
        """The busiest hour of the workload. The rate is a mean over all hours: what arrives in only some of them
        arrives the faster there, whatever the peak that is stated."""
        rate = workload.requests_per_s
        shape = Load(
            kind="rate" if rate is not None else "concurrency",
            value=rate if rate is not None else workload.concurrency or 1.0,
            input_tokens=workload.input_tokens,
            output_tokens=workload.output_tokens,
            prefix_share=workload.prefix_share,
            prefixes=prefixes_of(workload),
            cv_interarrival=workload.cv_interarrival,
        )
        if rate is not None:
            return cls(shape=shape, peak_requests_per_s=rate * busiest_over_mean(workload), concurrency=None)
        return cls(shape=shape, peak_requests_per_s=None, concurrency=shape.value)

    def on_replicas(self, replicas: int) -> Load:
        """The load of one of `replicas` equal replicas at the peak."""
        total = self.peak_requests_per_s if self.peak_requests_per_s is not None else self.concurrency
        assert total is not None
        return replace(self.shape, value=total / replicas)


def busiest_over_mean(workload: Workload) -> float:
    """The busiest hour over the mean of all hours [-]."""
    return max(workload.peak_to_mean, HOURS_PER_DAY / workload.hours_per_day)


def prefixes_of(workload: Workload) -> int | None:
    """Different prefixes that requests share at the same time; None where each has its own."""
    stated = max(1, workload.tenants) if workload.prefixes is None else workload.prefixes
    return stated or None


def with_rate(workload: Workload, requests_per_s: float) -> Workload:
    """The same workload at another mean rate (a tenant's share, or the rate that closed-loop users reach)."""
    return replace(workload, requests_per_s=requests_per_s)

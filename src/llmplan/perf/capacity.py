"""How much traffic one replica takes while it keeps its promises."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llmplan.perf.estimate import Prepared, estimate_prepared, prepare
from llmplan.perf.percentiles import tpot_p95_s, ttft_p95_s
from llmplan.plan.deployment import Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget
from llmplan.spec.calibration import Calibration
from llmplan.spec.workload import Slo
from llmplan.units import format_seconds

BISECTIONS = 9
NO_LOAD = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class HighestRate:
    """The highest Poisson rate within the SLO and the utilization limit.

    `requests_per_s` 0 means that even an idle replica breaks the SLO: `reason` then says what. `limited_by` is
    `ttft`, `tpot`, `e2e`, `utilization` or `kv`.
    """

    requests_per_s: float
    limited_by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity(HighestRate):
    """That rate with the estimate at it; None where the rate is 0."""

    estimate: Estimate | None

    @property
    def in_flight(self) -> int:
        """Requests in flight at that rate (Little's law), at least one: for how many there should be one replica."""
        return max(1, int(self.requests_per_s * self.estimate.e2e_s.mid)) if self.estimate is not None else 1


def capacity(
    replica: Replica,
    memory: MemoryBudget,
    shape: Load,
    calibration: Calibration,
    slo: Slo,
    max_utilization: float,
) -> Capacity:
    """The largest arrival rate at which 95 of 100 requests keep the SLO.

    replica, memory, calibration: as for `estimate`; shape: lengths [tokens] and burstiness (its value is unused);
    slo [s]; max_utilization [-]: share of the saturation rate never to exceed.
    sup of rates r <= u r_max with TTFT_p95(r), TPOT_p95(r) and E2E_p95(r) within the SLO, by bisection to 0.2 %.
    Valid because each latency grows with r. Reference: docs/how-it-works/speed.md.
    """
    prepared = prepare(replica, memory, shape, calibration)
    found = highest_rate(prepared, memory, shape, slo, max_utilization)
    load = replace(shape, kind="rate", value=found.requests_per_s)
    estimate = estimate_prepared(prepared, load) if found.requests_per_s > 0 else None
    return Capacity(
        requests_per_s=found.requests_per_s, estimate=estimate, limited_by=found.limited_by, reason=found.reason
    )


def highest_rate(
    prepared: Prepared, memory: MemoryBudget, shape: Load, slo: Slo, max_utilization: float
) -> HighestRate:
    """The rate of `capacity` by itself, of a replica that is ready for requests of this shape."""
    load = replace(shape, kind="rate", value=0.0)
    needed = load.input_tokens.mean + load.output_tokens.mean
    if prepared.engine.kv_slots <= 1.0 and memory.capacity_tokens < needed:
        reason = f"one request needs {needed:,.0f} tokens of KV cache, the pool holds {memory.capacity_tokens:,}"
        return HighestRate(requests_per_s=0.0, limited_by="kv", reason=reason)
    broken = _broken(prepared, load, slo, NO_LOAD)
    if broken is not None:
        name, value_s, limit_s = broken
        reason = f"{name.upper()} unloaded is {format_seconds(value_s)} > {format_seconds(limit_s)}"
        return HighestRate(requests_per_s=0.0, limited_by=name, reason=reason)
    low, high = 0.0, max_utilization * prepared.full.requests_per_s
    broken = _broken(prepared, load, slo, high)
    limited_by, rate = "utilization", high
    if broken is not None:
        limited_by = broken[0]
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            broken = _broken(prepared, load, slo, middle)
            if broken is None:
                low = middle
            else:
                high, limited_by = middle, broken[0]
        rate = low
    if rate <= 0.0:
        return HighestRate(requests_per_s=0.0, limited_by=limited_by, reason=f"{limited_by.upper()} at any load")
    return HighestRate(requests_per_s=rate, limited_by=limited_by)


def _broken(prepared: Prepared, load: Load, slo: Slo, rate: float) -> tuple[str, float, float] | None:
    """The first promise that a rate breaks: its name, what is predicted and what was promised [s]."""
    if slo.is_empty:
        return None
    engine = prepared.engine
    steady = engine.open(rate, prepared.full)
    if slo.tpot_p95_s is not None:
        tpot_s = tpot_p95_s(engine, steady, load)
        if tpot_s > slo.tpot_p95_s:
            return "tpot", tpot_s, slo.tpot_p95_s
    if slo.ttft_p95_s is None and slo.e2e_p95_s is None:
        return None
    ttft_s = ttft_p95_s(engine, steady, load, rate / prepared.full.requests_per_s)
    if slo.ttft_p95_s is not None and ttft_s > slo.ttft_p95_s:
        return "ttft", ttft_s, slo.ttft_p95_s
    if slo.e2e_p95_s is not None:
        e2e_s = ttft_s + (load.output_tokens.at_p95 - 1.0) * steady.tpot_s / engine.model.tokens_per_step
        if e2e_s > slo.e2e_p95_s:
            return "e2e", e2e_s, slo.e2e_p95_s
    return None

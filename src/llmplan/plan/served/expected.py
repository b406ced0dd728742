"""What a server was expected to be: a row of a plan, or a replica that was described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from llmplan.plan.deployment import Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget
from llmplan.spec.band import Band


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """Speed of the replica under the traffic that was seen, as its server measures it: without the client's part of a
    request. p95 belong to the middles."""

    ttft_s: Band
    tpot_s: Band
    output_tokens_per_s: Band
    ttft_p95_s: float
    tpot_p95_s: float
    calibration_id: str
    extrapolated: bool

    @classmethod
    def of(cls, estimate: Estimate, client_s: float) -> Predicted:
        """From an estimate that has `client_s` [s] of the client in its TTFT."""
        share = max(0.0, 1.0 - client_s / estimate.ttft_s.mid) if 0.0 < estimate.ttft_s.mid < float("inf") else 1.0
        return cls(
            ttft_s=estimate.ttft_s.scaled(share),
            tpot_s=estimate.tpot_s,
            output_tokens_per_s=estimate.output_tokens_per_s,
            ttft_p95_s=max(0.0, estimate.ttft_p95_s - client_s),
            tpot_p95_s=estimate.tpot_p95_s,
            calibration_id=estimate.calibration_id,
            extrapolated=estimate.extrapolated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """`name` says where it comes from. `load` is what one replica was planned for, with its `estimate`; None where no
    traffic was stated. `taken` are settings that nobody stated and that the server's own words filled in."""

    name: str
    replica: Replica
    budget: MemoryBudget | None = None
    load: Load | None = None
    estimate: Estimate | None = None
    replicas: int | None = None
    taken: Mapping[str, str] = field(default_factory=dict)

    @property
    def capacity_tokens(self) -> Band | None:
        """KV capacity with the band of its pool."""
        if self.budget is None or not self.budget.capacity_tokens:
            return None
        pool, tokens = self.budget.kv_cache_bytes, float(self.budget.capacity_tokens)
        if pool.mid <= 0.0:
            return Band.exact(tokens)
        return Band.of(tokens, low_ratio=pool.low / pool.mid, high_ratio=pool.high / pool.mid)

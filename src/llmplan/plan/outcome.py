"""What became of a deployment: memory, speed and price, or the reason why not. Infeasible is a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias

from llmplan.plan.cache import KvRoom
from llmplan.plan.deployment import Deployment, StrategyId
from llmplan.plan.ledger import Ledger
from llmplan.spec.band import Band
from llmplan.spec.formats import FormatQuality
from llmplan.units import HOURS_PER_MONTH, TOKENS_PER_MTOK


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What an engine rule says of a deployment, before it is launched."""

    id: str
    severity: Literal["error", "warning", "advice"]
    message: str
    fix: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBudget:
    """One GPU of a replica: `budget = weights + activation + non-torch + CUDA graphs + KV pool`.

    The pool is a band; blocks, capacity and concurrency are computed from its middle. Capacity and concurrency
    are the whole replica's (all data-parallel groups together).
    """

    total_bytes: int
    budget_bytes: int
    ledger: Ledger
    weights_bytes: float
    activation_bytes: float
    cuda_graph_bytes: float
    non_torch_bytes: float
    kv_cache_bytes: Band
    kv_bytes_per_token: float
    kv_bytes_per_sequence: float = 0.0
    """recurrent states, which a sequence of any length has"""
    block_tokens: int
    blocks: int
    room: KvRoom
    capacity_tokens: int
    max_concurrency: float
    checkpoint_bytes: int
    host_bytes: int = 0
    notes: tuple[str, ...] = ()
    """what a reader of these figures should know"""

    @property
    def unbounded_kv_bytes_per_token(self) -> float:
        """Bytes of a token beyond all windows, on one GPU."""
        return self.room.layout.unbounded_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KvPool:
    """What a pool of KV cache would hold where the replica cannot start; in the terms of `MemoryBudget`."""

    kv_bytes_per_token: float
    unbounded_kv_bytes_per_token: float = 0.0
    kv_bytes_per_sequence: float = 0.0
    block_tokens: int
    blocks: int
    capacity_tokens: int
    max_concurrency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Speed of one replica under one load, in seconds and tokens per second. p95 values belong to the middle."""

    ttft_s: Band
    tpot_s: Band
    e2e_s: Band
    ttft_p95_s: float
    tpot_p95_s: float
    output_tokens_per_s: Band
    total_tokens_per_s: Band
    requests_per_s: Band
    batch_size: float
    kv_limited: bool
    saturated: bool
    bottleneck: str
    utilization: float
    capacity_requests_per_s: float
    """what the replica completes per second at saturation"""
    step_ledger: Ledger
    calibration_id: str
    extrapolated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFigure:
    """The row of price data behind a line. `quality` says how firm the row is: `listed`, `derived`, `advertised`
    (a "from" price), `average` (somebody's mean), `assumed` (this seller states none: what others do), `stated` (by
    who asks, with `term` "stated" and the flag as `instance`)."""

    provider: str
    region: str
    term: str
    instance: str
    source: str
    as_of: date | None
    url: str | None = None
    quality: str = "listed"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteLine:
    """`quantity` [unit] at `unit_price_usd` makes `usd_per_month`; None where no price is known.

    `beside`: a charge beside what serves (storage, traffic, cluster, people), small and often assumed: it counts in
    the total, and not in how firm the price of the machines is.
    """

    name: str
    quantity: float
    unit: str
    unit_price_usd: float | None
    usd_per_month: float | None
    figure: PriceFigure | None = None
    note: str = ""
    beside: bool = False


BY_TRAFFIC = ("GB", "Mtok")
BY_PERSON = "person-h"
"""units of lines"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What it costs per month of 730 hours, and the tokens of the month that it pays for."""

    lines: tuple[QuoteLine, ...]
    input_tokens_per_month: float
    output_tokens_per_month: float
    as_of: date
    alternatives: tuple[QuoteLine, ...] = ()
    """the same machines on other terms or from other sellers, for comparison with the lines that are not `beside`; not
    part of the total"""
    usd_per_mtok_input: float | None = None
    """a price of its own for input tokens (token APIs), cached or not; None where rent pays for both"""
    usd_per_mtok_output: float | None = None
    usd_per_mtok_cached_input: float | None = None
    """of the input that a prefix cache holds, where the seller bills it apart"""
    requests_per_month: float = 0.0
    tenants: int = 1

    @property
    def usd_per_month(self) -> float:
        """Sum of the lines that have a price."""
        return sum(line.usd_per_month for line in self.lines if line.usd_per_month is not None)

    @property
    def beside_usd_per_month(self) -> float:
        """The part of the total that is beside what serves."""
        return sum(line.usd_per_month for line in self.lines if line.beside and line.usd_per_month is not None)

    @property
    def serving(self) -> tuple[QuoteLine, ...]:
        """The lines of what serves: machines, seconds, tokens."""
        return tuple(line for line in self.lines if not line.beside)

    @property
    def traffic_usd_per_month(self) -> float:
        """The part of the total in proportion to traffic: tokens, egress."""
        return sum(line.usd_per_month or 0.0 for line in self.lines if line.unit in BY_TRAFFIC)

    @property
    def fleet_usd_per_month(self) -> float:
        """The part of the total that a second such fleet would cost again: not what traffic costs wherever it goes,
        nor who looks after both."""
        return sum(line.usd_per_month or 0.0 for line in self.lines if line.unit not in (*BY_TRAFFIC, BY_PERSON))

    @property
    def complete(self) -> bool:
        """Whether every line has a price; otherwise the total is a lower bound."""
        return all(line.usd_per_month is not None for line in self.lines)

    @property
    def usd_per_hour(self) -> float:
        """The month's bill per hour, whether the hour was busy or not."""
        return self.usd_per_month / HOURS_PER_MONTH

    @property
    def usd_per_mtok_blended(self) -> float | None:
        """month / (input + output tokens) x 1e6; None where no tokens are known.

        At partial load this is high because the rent is the same: it is never divided by what the machine could do.
        """
        tokens = self.input_tokens_per_month + self.output_tokens_per_month
        return self.usd_per_month / tokens * TOKENS_PER_MTOK if tokens > 0 else None

    @property
    def usd_per_request(self) -> float | None:
        """month / requests of the month; None where no rate is known."""
        return self.usd_per_month / self.requests_per_month if self.requests_per_month > 0 else None

    @property
    def usd_per_tenant_month(self) -> float:
        """month / tenants, as if they asked equally much."""
        return self.usd_per_month / self.tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A deployment that works. `estimate` and `memory` are None for a hosted API, whose insides nobody states.

    `meets_slo` None: not known. `cold` holds what serverless adds (share of cold requests, start seconds,
    billed idle share), `notes` what the user should know before signing.
    """

    deployment: Deployment
    memory: MemoryBudget | None
    estimate: Estimate | None
    quote: Quote
    quality: FormatQuality | None
    checks: tuple[CheckResult, ...] = ()
    meets_slo: bool | None = None
    cold: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    start_s: float | None = None
    """a replica from a container with its image to its first answer, weights not yet there; None: no figure known"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why not: what was needed, what there was, and what would change the answer."""

    strategy: StrategyId | None = None
    reason: str
    needed: str = ""
    available: str = ""
    fix: str = ""
    deployment: Deployment | None = None
    ledger: Ledger | None = None
    code: str = "infeasible"
    closeness: float = 0.0
    """0..1: how near it came to working; the most informative rejection of a strategy is the nearest one"""


Outcome: TypeAlias = Option | Rejection

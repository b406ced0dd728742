"""What traffic looks like: the figures that describe a trace, or say whether generated traffic is like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmplan.spec.traffic import Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthStatistics:
    """Tokens per request: exact, each percentile a length that occurs (nearest rank)."""

    mean: float
    p50: int
    p90: int
    p95: int
    p99: int
    max: int
    histogram: Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class BinStatistics:
    """Requests in whole bins of one length: the busiest over the mean, the share of bins without any, and the variance
    of counts over their mean (index of dispersion)."""

    bin_s: float
    bins: int
    peak_to_mean: float
    idle_share: float
    dispersion: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixStatistics:
    """What a prefix cache of any size would have held: tokens in leading blocks that an earlier request had.

    `exact` is False where there were more different blocks than are remembered: then it is a lower bound.
    """

    block_tokens: int
    hit_share: float
    """of all input tokens"""
    hit_block_share: float
    """of all blocks"""
    unique_blocks: int
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStatistics:
    """One tenant's part of the traffic."""

    tenant: int
    request_share: float
    token_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficStatistics:
    """A trace in figures. `gap_cv` None: fewer than two gaps; `bins` has the lengths of which a whole one passed."""

    requests: int
    duration_s: float
    """from the start of the trace to the last arrival"""
    requests_per_s: float
    gap_cv: float | None
    bins: Mapping[float, BinStatistics]
    input_tokens: LengthStatistics
    output_tokens: LengthStatistics
    longest_request_tokens: int
    equal_stamp_share: float = 0.0
    """requests that come at the very time of the one before: many, where times are rounded"""
    prefixes: PrefixStatistics | None = None
    tenants: tuple[TenantStatistics, ...] = ()
    hourly_requests: tuple[int, ...] = ()
    """of each whole hour, in order; empty where there are more than are kept"""

"""Coefficients that turn ideal times into real ones, and how wrong they were on measurements they had not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from llmplan.spec.provenance import ProvenanceMap


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualBand:
    """Ratios measured / predicted at the 10th and 90th percentile over `rows` cross-validated rows."""

    low_ratio: float
    high_ratio: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Coefficients for one engine family on one GPU generation (`any` is the fallback).

    `bands` has one entry per predicted quantity (`ttft`, `tpot`, `throughput`). `rows` 0 means inherited: the
    bands are then wider and every answer says `extrapolated`.
    """

    id: str
    engine: str
    generation: str
    coefficients: Mapping[str, float]
    bands: Mapping[str, ResidualBand]
    rows: int
    fitted: date | None
    provenance: ProvenanceMap = field(default_factory=dict, repr=False)

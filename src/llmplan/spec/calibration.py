"""Coefficients that turn ideal times into real ones, and how wrong they were on measurements they had not seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from llmplan.spec.provenance import ProvenanceMap

UNSAFE = re.compile(r"[^a-z0-9.@]+")
"""what an id does not take from a name"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualBand:
    """Ratios measured / predicted at the 10th and 90th percentile over `rows` cross-validated rows."""

    low_ratio: float
    high_ratio: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Coefficients for one engine family on one GPU generation (`any` is the fallback).

    `bands` has one entry per predicted quantity (`ttft`, `tpot`, `throughput`), `expert_bands` the same for
    mixture-of-experts models where they differ. `rows` 0 means inherited: the
    bands are then wider and every answer says `extrapolated`. One that was fitted on a machine says on which `gpu`,
    and serving which `model` if there was only one; `validity` are the loads that it has seen. `most_seqs` is how
    many ran at once at most in what was measured, where that is few: beyond it the bands widen with every doubling.
    """

    id: str
    engine: str
    generation: str
    coefficients: Mapping[str, float]
    bands: Mapping[str, ResidualBand]
    rows: int
    fitted: date | None
    gpu: str | None = None
    model: str | None = None
    validity: str | None = None
    most_seqs: int | None = None
    expert_bands: Mapping[str, ResidualBand] = field(default_factory=dict)
    provenance: ProvenanceMap = field(default_factory=dict, repr=False)

    def for_model(self, *, is_moe: bool) -> Calibration:
        """The same with the bands of one kind of model."""
        if not self.expert_bands:
            return self
        return replace(self, bands=self.expert_bands if is_moe else self.bands, expert_bands={})


def calibration_id(engine: str, generation: str, gpu: str | None = None, model: str | None = None) -> str:
    """The id, and so the file name, of a calibration: engine and generation, or engine, GPU and model.

    >>> calibration_id("vllm", "hopper"), calibration_id("vllm", "hopper", "h100-sxm-80gb", "Qwen/Qwen3-8B")
    ('vllm-hopper', 'vllm-h100-sxm-80gb-qwen-qwen3-8b')
    """
    named = f"{gpu} {model or ''}" if gpu else generation
    return f"{engine}-{UNSAFE.sub('-', named.casefold()).strip('-')}"

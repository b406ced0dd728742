"""What questions have in common: replicas that were made ready, measured and sized are kept for the next question."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from llmplan.plan.load import Load
from llmplan.spec.calibration import Calibration
from llmplan.spec.workload import Limits, Question

CHOOSING = {
    name: getattr(Limits(), name)
    for name in ("gpu_ids", "provider_ids", "regions", "terms", "include_marketplaces", "max_usd_per_month")
}
"""limits that choose among machines, sellers and bills, at their defaults: no replica is faster or larger for them"""


@dataclass(frozen=True, slots=True)
class Shared:
    """Kept for questions to one catalogue, in which an id means one thing.

    `calibrations` by engine, GPU and model. `ready`: what a replica is under requests of one shape, whatever their
    rate and promise. `sized`: how many of it one question asks for.
    """

    calibrations: dict[tuple[str, str, str], Calibration] = field(default_factory=dict)
    _ready: list[tuple[Load, dict[Hashable, Any]]] = field(default_factory=list)
    _sized: list[tuple[Question, dict[Hashable, Any]]] = field(default_factory=list)

    def ready(self, shape: Load) -> dict[Hashable, Any]:
        """What is known of replicas under requests of this shape."""
        return _under(self._ready, replace(shape, kind="saturation", value=0.0))

    def sized(self, question: Question) -> dict[Hashable, Any]:
        """What is known of fleets for this question, and for those that only choose differently."""
        return _under(self._sized, replace(question, limits=replace(question.limits, **CHOOSING)))


def _under(known: list[tuple[Any, dict[Hashable, Any]]], premise: object) -> dict[Hashable, Any]:
    """The entry of an equal premise: few are met, and none of them can be hashed."""
    for stated, found in known:
        if stated == premise:
            return found
    known.append((premise, {}))
    return known[-1][1]

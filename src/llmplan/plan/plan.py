"""The answer: one row per strategy, the recommended one, and every figure that was used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from llmplan.plan.deployment import STRATEGY_IDS, StrategyId
from llmplan.plan.outcome import Option, Outcome, Rejection
from llmplan.plan.replay import OverTime
from llmplan.spec.engine import EngineSpec
from llmplan.spec.provenance import Provenance
from llmplan.spec.workload import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that the plan rests on: its path in the catalogue, its value and where it came from."""

    path: str
    value: float
    unit: str
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Five rows always, in the order of `STRATEGY_IDS`. `recommended` None: nothing is feasible."""

    question: Question
    outcomes: Mapping[StrategyId, Outcome]
    recommended: StrategyId | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    alternatives: tuple[Option, ...] = ()
    figures: tuple[Figure, ...] = field(default=(), repr=False)
    over_time: OverTime | None = None
    """how the rows did on recorded requests, where there were some"""
    engines: tuple[EngineSpec, ...] = field(default=(), repr=False)
    """the newest version of each engine that no row uses, without its sources: launch files may be for it"""
    price_date: date
    made_with: str

    def __post_init__(self) -> None:
        if tuple(self.outcomes) != STRATEGY_IDS:
            raise ValueError(f"a plan has one row per strategy in order, not {tuple(self.outcomes)}")
        if self.recommended is not None and isinstance(self.outcomes[self.recommended], Rejection):
            raise ValueError(f"a rejected strategy cannot be recommended: {self.recommended}")

    @property
    def known_engines(self) -> tuple[EngineSpec, ...]:
        """The engines of the rows, then the others."""
        deployments = (outcome.deployment for outcome in self.outcomes.values())
        replicas = (each.replica for each in deployments if each is not None)
        used = {each.engine.ref: each.engine for each in replicas if each is not None}
        return (*used.values(), *self.engines)

    @property
    def chosen(self) -> Option | None:
        """The recommended option."""
        outcome = self.outcomes[self.recommended] if self.recommended else None
        return outcome if isinstance(outcome, Option) else None

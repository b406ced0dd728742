"""What came of trying a model on other settings: how long, how many at once, on how few GPUs, in which format."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.plan.outcome import MemoryBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One setting and what came of it: the replica's budget, or why it does not start.

    `label` is the setting as its flag takes it; `longest_tokens`, where it starts, the largest `max_model_len`.
    """

    label: str
    gpus: int
    gpu_id: str
    weights: str
    budget: MemoryBudget | None = None
    longest_tokens: int | None = None
    reason: str = ""
    fix: str = ""

    @property
    def fits(self) -> bool:
        """Whether it starts."""
        return self.budget is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverse:
    """The answers for one model."""

    longest: Try | None
    """the replica as it was asked for, with the largest context it can have; None where no GPU was named"""
    concurrency: tuple[tuple[int, float], ...] = ()
    """requests of a length [tokens] at once"""
    ranks: tuple[Try, ...] = ()
    formats: tuple[Try, ...] = ()
    gpus: tuple[Try, ...] = ()

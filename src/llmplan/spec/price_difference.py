"""Prices that are not the same on two days or in two sets: what moved, what is new, what is gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One price that is not the same on both sides. `subject` is the GPU or the model; None: not there on that side."""

    provider: str
    subject: str
    term: str
    key: str
    unit: str
    old_usd: float | None
    new_usd: float | None
    old_day: date | None
    new_day: date | None

    @property
    def sign(self) -> str:
        """`~` moved, `+` new, `-` gone."""
        return "+" if self.old_usd is None else "-" if self.new_usd is None else "~"

    @property
    def change(self) -> float | None:
        """By which share the price moved."""
        return self.new_usd / self.old_usd - 1 if self.old_usd and self.new_usd is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What moved of one seller and one GPU or model; `median_change` of the prices that are on both sides and moved."""

    provider: str
    subject: str
    moved: int
    added: int
    gone: int
    median_change: float | None

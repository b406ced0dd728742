"""One kind of ledger for memory, time and money: named lines whose sum is the total."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from llmplan.spec.provenance import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`amount` [unit]; None is a line whose amount nobody states. `formula` has the numbers put in."""

    name: str
    amount: float | None
    unit: str
    formula: str = ""
    provenance: tuple[Provenance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Lines in one unit. The total is their sum; with a line missing it is a lower bound."""

    unit: str
    lines: tuple[Line, ...] = field(default=())

    def __post_init__(self) -> None:
        for line in self.lines:
            if line.unit != self.unit:
                raise ValueError(f"a ledger in {self.unit} has a line {line.name!r} in {line.unit}")

    @property
    def total(self) -> float:
        """Sum of the amounts that are known."""
        return math.fsum(line.amount for line in self.lines if line.amount is not None)

    @property
    def complete(self) -> bool:
        """Whether every line has an amount."""
        return all(line.amount is not None for line in self.lines)

    def __getitem__(self, name: str) -> Line:
        for line in self.lines:
            if line.name == name:
                return line
        raise KeyError(name)

"""A latency that was promised beside what is predicted for it."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.units import format_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One latency limit that the user stated, and the flag that states it [s]."""

    name: str
    flag: str
    predicted_s: float
    promised_s: float

    @property
    def broken(self) -> bool:
        """Whether the prediction is above the limit."""
        return self.predicted_s > self.promised_s

    @property
    def miss(self) -> str:
        """The limit and what is predicted instead."""
        return f"{self.name} is {format_seconds(self.predicted_s)}, asked for {format_seconds(self.promised_s)}"

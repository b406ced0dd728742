"""The loads that are put on the real engine: what comes when, and how long each request is."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One request before it is sent: when (open loop; 0 in a closed loop) and how long."""

    due_s: float
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Ranges of lengths, ends included, each drawn from evenly."""

    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A load. Exactly one of `clients` (closed loop: each sends its next request when its last one is done),
    `requests_per_s` (Poisson) and `all_at_once`."""

    name: str
    requests: int
    lengths: Lengths
    seed: int
    clients: int | None = None
    requests_per_s: float | None = None
    all_at_once: bool = False

    def __post_init__(self) -> None:
        if (self.clients is not None) + (self.requests_per_s is not None) + self.all_at_once != 1:
            raise ValueError(f"{self.name}: one of clients, requests_per_s and all_at_once")

    def draw(self) -> list[Drawn]:
        """The requests: the same for the same seed."""
        dice = random.Random(self.seed)
        due_s = 0.0
        drawn = []
        for _ in range(self.requests):
            due_s += dice.expovariate(self.requests_per_s) if self.requests_per_s is not None else 0.0
            input_tokens = dice.randint(*self.lengths.input_tokens)
            output_tokens = dice.randint(*self.lengths.output_tokens)
            drawn.append(Drawn(due_s=due_s, input_tokens=input_tokens, output_tokens=output_tokens))
        return drawn

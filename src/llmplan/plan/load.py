"""The load that one replica or fleet is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.spec.workload import Lengths

LoadKind: TypeAlias = Literal["concurrency", "rate", "burst", "saturation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`concurrency`: that many requests always in flight; `rate`: Poisson arrivals per second; `burst`: that many
    at t = 0; `saturation`: as many as the engine admits (`value` unused). Lengths in tokens;
    `prefix_share` of the input is served from the prefix cache, in which `prefixes` different ones are held once each
    (None: every request has its own, as a conversation has its history)."""

    kind: LoadKind
    value: float
    input_tokens: Lengths
    output_tokens: Lengths
    prefix_share: float = 0.0
    prefixes: int | None = 1
    cv_interarrival: float = 1.0

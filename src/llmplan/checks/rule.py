"""One rule of an engine: which engines it binds, and the function that says what is wrong with a replica."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import CheckResult

Severity: TypeAlias = Literal["error", "warning", "advice"]
GPU_SERVERS = ("vllm", "sglang", "tensorrt-llm")
"""Engines that cut tensors over GPUs in the same way and so share most rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found: its severity here, the engine's own words with the numbers put in, and a way out."""

    severity: Severity
    message: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`id` is the rule's name in the table of engine rules, `source` the place in the engine that enforces it."""

    id: str
    engines: tuple[str, ...]
    """engine ids; empty: every engine"""
    find: Callable[[Replica], Finding | None]
    source: str

    def check(self, replica: Replica) -> CheckResult | None:
        """The finding with its rule's name and source."""
        found = self.find(replica)
        if found is None:
            return None
        return CheckResult(
            id=self.id, severity=found.severity, message=found.message, fix=found.fix, source=self.source
        )


def error(message: str, fix: str) -> Finding:
    """The engine refuses to start, or the result is wrong."""
    return Finding(severity="error", message=message, fix=fix)


def warning(message: str, fix: str) -> Finding:
    """It starts and does badly, or nobody is sure that it starts."""
    return Finding(severity="warning", message=message, fix=fix)


def advice(message: str, fix: str) -> Finding:
    """It works; this would be better."""
    return Finding(severity="advice", message=message, fix=fix)


def divisors_text(*values: int) -> str:
    """The parallel sizes that divide all the values, as a list to choose from.

    >>> divisors_text(28, 4)
    '1, 2, 4'
    """
    return ", ".join(str(tp) for tp in range(1, 65) if all(value % tp == 0 for value in values))

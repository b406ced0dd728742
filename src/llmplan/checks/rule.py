"""One rule of an engine: its card, and the function that says what is wrong with a replica."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from llmplan.plan.deployment import Replica
from llmplan.plan.engine_rule import EngineRule, Severity
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.plan.outcome import CheckResult

GPU_SERVERS = ("vllm", "sglang", "tensorrt-llm")
"""Engines that cut tensors over GPUs in the same way and so share most rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found: its severity here, the engine's own words with the numbers put in, and a way out."""

    severity: Severity
    message: str
    fix: str


Find: TypeAlias = Callable[[Replica], Finding | None]
FindInLaunch: TypeAlias = Callable[[Replica, LaunchFacts], Finding | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(EngineRule):
    """`find` looks at the replica alone, `find_in_launch` also at what a launch states beside it; at least one."""

    find: Find | None = None
    find_in_launch: FindInLaunch | None = None

    def check(self, replica: Replica, facts: LaunchFacts | None) -> CheckResult | None:
        """The finding with its rule's name and source. Where facts are known, the function that takes them decides."""
        found = None
        if facts is not None and self.find_in_launch is not None:
            found = self.find_in_launch(replica, facts)
        elif self.find is not None:
            found = self.find(replica)
        return None if found is None else self.result(found.severity, found.message, found.fix)


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

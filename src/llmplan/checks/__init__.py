"""What an engine will refuse or do badly, said before it is launched and in its own words.

A rule is one small function in a module of this package, and one line in the `RULES` of that module.
"""

from __future__ import annotations

from functools import lru_cache

from llmplan.checks import (
    adapters,
    architectures,
    attention,
    builds,
    counted,
    divisibility,
    formats,
    host_memory,
    machines,
    memory_limits,
    methods,
    parallelism,
    settings,
    speculation,
)
from llmplan.checks.rule import Rule
from llmplan.plan.deployment import Replica
from llmplan.plan.engine_rule import SEVERITIES
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.plan.outcome import CheckResult

RULES: tuple[Rule, ...] = (
    *parallelism.RULES, *machines.RULES, *builds.RULES, *formats.RULES, *methods.RULES, *divisibility.RULES,
    *attention.RULES, *memory_limits.RULES, *settings.RULES, *host_memory.RULES, *adapters.RULES, *architectures.RULES,
    *speculation.RULES, *counted.RULES,
)  # fmt: skip


def run(replica: Replica, facts: LaunchFacts | None = None) -> tuple[CheckResult, ...]:
    """Everything that the replica's engine would object to, errors first; `facts` is what a launch states beside it."""
    found = []
    for rule in rules_for(replica.engine.id, replica.engine.version):
        if facts is None and rule.find is None:
            continue
        result = rule.check(replica, facts)
        if result is not None:
            found.append(result)
    if len(found) > 1:
        found.sort(key=lambda result: SEVERITIES.index(result.severity))
    return tuple(found)


@lru_cache(maxsize=64)
def rules_for(engine_id: str, version: str) -> tuple[Rule, ...]:
    """The rules that bind a version of an engine."""
    return tuple(rule for rule in RULES if rule.binds(engine_id, version))

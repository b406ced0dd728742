"""What an engine will refuse or do badly, said before it is launched and in its own words.

A rule is one small function in `parallelism`, `formats`, `divisibility`, `settings` or `counted`, and one line in the
`RULES` of that module.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.checks import counted, divisibility, formats, parallelism, settings
from llmplan.checks.rule import Rule
from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import CheckResult

RULES: tuple[Rule, ...] = (*parallelism.RULES, *formats.RULES, *divisibility.RULES, *settings.RULES, *counted.RULES)

_SEVERITIES = ("error", "warning", "advice")
_FOR_ANY: tuple[Rule, ...] = tuple(rule for rule in RULES if not rule.engines)
_BY_ENGINE: Mapping[str, tuple[Rule, ...]] = {
    engine: tuple(rule for rule in RULES if not rule.engines or engine in rule.engines)
    for engine in sorted({engine for rule in RULES for engine in rule.engines})
}


def run(replica: Replica) -> tuple[CheckResult, ...]:
    """Everything that the replica's engine would object to, errors first."""
    rules = _BY_ENGINE.get(replica.engine.id, _FOR_ANY)
    found = [result for rule in rules if (result := rule.check(replica)) is not None]
    if len(found) > 1:
        found.sort(key=lambda result: _SEVERITIES.index(result.severity))
    return tuple(found)

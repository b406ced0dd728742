"""What is different from the plan and what that is likely to come from: each cause is a rule on figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.plan.served.comparing import Compared
from llmplan.plan.served.expected import Expected, Predicted
from llmplan.plan.served.seen import Seen

Kind: TypeAlias = Literal["deployment", "setting", "capacity", "traffic", "latency", "load", "reading"]
"""`reading`: what the figures themselves can be trusted for"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as planned. `causes` are in order of likelihood; `certain`: the server says so itself, and
    nothing was inferred. `fix` is a command or what to change, empty where there is nothing to do."""

    id: str
    kind: Kind
    message: str
    causes: tuple[str, ...] = ()
    fix: str = ""
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the rules look at. `rows` is the comparison by id; `expected` None: nothing to compare with."""

    seen: Seen
    rows: dict[str, Compared]
    expected: Expected | None = None
    predicted: Predicted | None = None

    def differs(self, row: str) -> bool:
        """Whether a quantity is not as planned."""
        return row in self.rows and self.rows[row].verdict == "differs"


Rule: TypeAlias = Callable[[Case], Iterator[Finding]]


def findings(case: Case, rules: tuple[Rule, ...]) -> tuple[Finding, ...]:
    """What every rule says, in their order."""
    return tuple(finding for rule in rules for finding in rule(case))

"""What is said of an engine rule before anything is checked: the card that lists and documentation are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.plan.outcome import CheckResult

Severity: TypeAlias = Literal["error", "warning", "advice"]
Basis: TypeAlias = Literal["code", "docs", "issue", "binary", "measured", "derived", "profile", "tried"]
"""how it is known: read in the engine's code or documents, told in an issue, found in the built package, measured,
derived by arithmetic, stated in a profile, or tried on the engine"""
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "advice")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRule:
    """`id` is the rule's name in lists and findings; `says` the engine's words, with `{...}` for what varies."""

    id: str
    title: str
    engines: tuple[str, ...]
    """engine ids; empty: every engine"""
    versions: str = ""
    """a range such as `>=0.21` or `<1.3`; empty: all that are known"""
    gpus: str = ""
    """the compute capabilities that it is about; empty: all"""
    severities: tuple[Severity, ...]
    says: str
    source: str
    basis: tuple[Basis, ...]

    def binds(self, engine_id: str, version: str) -> bool:
        """Whether it is about this engine in this version."""
        return (not self.engines or engine_id in self.engines) and in_range(version, self.versions)

    def result(self, severity: Severity, message: str, fix: str) -> CheckResult:
        """A finding of this rule."""
        return CheckResult(id=self.id, severity=severity, message=message, fix=fix, source=self.source)


def in_range(version: str, wanted: str) -> bool:
    """Whether a version is in a range. One without a number (`main`) is newer than every other.

    >>> in_range("0.33.0", ">=0.21"), in_range("0.11.0", ">=0.21"), in_range("main", "<1.3"), in_range("b11434", "")
    (True, False, False, True)
    """
    match = re.fullmatch(r"(>=|<)\s*([0-9.]+)", wanted)
    if match is None:
        return True
    numbers = _numbers(version)
    newer = not numbers or numbers >= _numbers(match[2])
    return newer if match[1] == ">=" else not newer


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:6])

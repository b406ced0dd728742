"""What can go wrong for a user, each with its exit code and with hints that are commands one can run.

Infeasible is not here: a plan that does not fit is a `Rejection` value. Exceptions are for mistakes in the
question and for trouble in the world.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class LlmplanError(Exception):
    """Could not do it. `message` says what and where, `hints` say what to try."""

    exit_code: int = 1
    code: str = "error"

    def __init__(self, message: str, *, hints: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)


class UsageError(LlmplanError):
    """The question itself is malformed: a bad flag, a negative rate, a context beyond the model's."""

    exit_code = 2
    code = "usage"


class UnknownIdError(UsageError):
    """An id that the catalogue does not have; the nearest ones are offered."""

    code = "unknown_id"

    def __init__(self, kind: str, wanted: str, known: Iterable[str], *, listing: str | None = None) -> None:
        names = sorted(set(known))
        near = nearest(wanted, names)
        hints = [f"did you mean {', '.join(near)}?"] if near else []
        hints.append(listing or f"llmplan catalog list {kind}s")
        super().__init__(f"unknown {kind} {wanted!r}", hints=hints)
        self.near = near


class DataError(LlmplanError):
    """A file says something that cannot be used; the message names file, line and key."""

    code = "data"


class UnsupportedModelError(DataError):
    """A model architecture that no reader knows: refused, never guessed."""

    code = "unsupported_model"


class NoFeasiblePlanError(LlmplanError):
    """No strategy has an option within the limits."""

    exit_code = 3
    code = "no_feasible_plan"


class LimitExceededError(LlmplanError):
    """An answer exists and breaks a limit that the user set (`--max-usd-per-month`, `--strict`, ...)."""

    exit_code = 4
    code = "limit_exceeded"


def nearest(wanted: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names closest to `wanted`, compared without case: those that continue it, then those spelt like it.

    >>> nearest("h100-smx-80gb", ["h100-sxm-80gb", "t4-16gb"])
    ['h100-sxm-80gb']
    >>> nearest("A100", ["a10", "a100-sxm-80gb", "a100-pcie-80gb"], count=2)
    ['a100-sxm-80gb', 'a100-pcie-80gb']
    """
    by_folded = {name.casefold(): name for name in known}
    folded = wanted.casefold()
    longer = sorted((name for name in by_folded if folded and folded in name), key=lambda name: (len(name), name))
    alike = difflib.get_close_matches(folded, by_folded, n=count, cutoff=0.6)
    ordered = list(dict.fromkeys([*longer[:count], *alike] if len(folded) > 1 else alike))
    return [by_folded[name] for name in ordered[:count]]

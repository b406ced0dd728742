"""What moved between two answers: the fields of their questions, the figures behind their bills, what is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from llmplan.plan.drift import same
from llmplan.plan.money.side import Bill, Scalar, Side

Cause: TypeAlias = Literal[
    "price", "workload", "figure", "deployment", "promise", "limits", "expenses", "model", "coverage", "choice",
    "several", "unknown",
]  # fmt: skip
"""price: the same row of the same seller, at another rate. workload, promise, limits, expenses, model: the question is
another, and so is the quantity. figure: a figure of the hardware, model or engine is another, at the same question.
deployment: something else is run, or bought from somebody else. coverage: only one of the two bills the charge.
choice: another strategy is recommended. several: more than one of these at once, which two bills cannot tell apart.
unknown: nothing that the two answers state differs."""
PARTS: Final[Mapping[str, Cause]] = {
    "workload": "workload", "slo": "promise", "limits": "limits", "expenses": "expenses", "model_id": "model",
}  # fmt: skip
NOT_ASKED: Final = ("limits.price_date",)
"""a field that every answer fills in by itself"""
NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A field or figure with its two values; `before` None: there was none."""

    path: str
    before: Scalar
    after: Scalar

    def describe(self) -> str:
        """`requests_per_s 2 → 4`.

        >>> Change(path="workload.requests_per_s", before=2.0, after=4.0).describe()
        'requests_per_s 2 → 4'
        """
        name = self.path.rpartition("workload.")[2].removeprefix("slo.").removeprefix("limits.")
        return f"{name} {_said(self.before)} → {_said(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Everything that moved, before anything is made of it."""

    question: tuple[Change, ...]
    figures: tuple[Change, ...]
    price_date: Change | None
    made_with: Change | None

    def of(self, cause: Cause) -> tuple[Change, ...]:
        """The fields of one part of the question, or the figures."""
        if cause == "figure":
            return self.figures
        return tuple(change for change in self.question if PARTS.get(change.path.partition(".")[0]) == cause)

    def behind(self, bill: Bill) -> tuple[Change, ...]:
        """The figures that moved and that the size of this bill follows from."""
        return tuple(change for change in self.figures if change.path.startswith(bill.rests_on or ("\0",)))


def moves(old: Side, new: Side) -> Moves:
    """The fields and figures that differ. Of figures only those that both answers state: what one of them never looked
    at has not moved."""
    fields = dict.fromkeys((*old.question, *new.question))
    shared = (path for path in old.figures if path in new.figures)
    return Moves(
        question=tuple(_changed(fields, old.question, new.question, skipped=NOT_ASKED)),
        figures=tuple(_changed(dict.fromkeys(shared), old.figures, new.figures)),
        price_date=_one("price_date", old.price_date.isoformat(), new.price_date.isoformat()),
        made_with=_one("made_with", old.made_with, new.made_with),
    )


def rebuilt(old: Bill, new: Bill) -> tuple[Change, ...]:
    """What is run differently."""
    return tuple(_changed(dict.fromkeys((*old.built, *new.built)), old.built, new.built))


def listed(changes: tuple[Change, ...]) -> str:
    """The first of them in words, and how many more there are."""
    more = len(changes) - NAMED
    return ", ".join(change.describe() for change in changes[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _changed(
    names: Mapping[str, None], old: Mapping[str, Scalar], new: Mapping[str, Scalar], skipped: tuple[str, ...] = ()
) -> Iterator[Change]:
    for name in names:
        before, after = old.get(name), new.get(name)
        if name not in skipped and not _same(before, after):
            yield Change(path=name, before=before, after=after)


def _one(path: str, before: str, after: str) -> Change | None:
    return None if before == after else Change(path=path, before=before, after=after)


def _same(before: Scalar, after: Scalar) -> bool:
    """None and an empty list both mean that nothing was said."""
    first, second = (None if each == "" else each for each in (before, after))
    if isinstance(first, bool) or isinstance(second, bool):
        return first == second
    return same(first, second)


def _said(value: Scalar) -> str:
    if value is None or value == "":
        return "unset"
    return f"{value:.6g}" if isinstance(value, float) else str(value)

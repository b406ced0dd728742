"""Differences in whole cents: what is printed adds up, parts to lines and lines to totals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmplan.plan.money.diff import BillChange, Effect, LineChange
from llmplan.plan.money.moves import Cause
from llmplan.report.currency import Currency


def in_minor(change: LineChange, currency: Currency) -> int:
    """The difference of the two printed amounts of a line, in minor units."""
    first, last = (
        currency.minor(line.usd_per_month) if line is not None and line.usd_per_month is not None else 0
        for line in (change.before, change.after)
    )
    return last - first


def effects_of(change: LineChange, currency: Currency) -> Iterator[tuple[Effect, int]]:
    """The effects of a line in minor units."""
    return shared(change.effects, in_minor(change, currency), currency)


def shared(effects: Sequence[Effect], minor: int, currency: Currency) -> Iterator[tuple[Effect, int]]:
    """A difference in minor units by its effects: each rounded, the last takes what is left."""
    left = minor
    for place, effect in enumerate(effects, start=1):
        part = left if place == len(effects) else currency.minor(effect.usd_per_month)
        left -= part
        yield effect, part


def by_cause(bill: BillChange, currency: Currency) -> list[tuple[Cause, int, str]]:
    """What each cause moved, over all lines, with every reason once; the largest first."""
    summed: dict[Cause, int] = {}
    reasons: dict[Cause, dict[str, None]] = {}
    for effect, minor in _effects(bill, currency):
        summed[effect.cause] = summed.get(effect.cause, 0) + minor
        reasons.setdefault(effect.cause, {}).update({effect.why: None})
    found = [(cause, minor, "; ".join(reasons[cause])) for cause, minor in summed.items()]
    return sorted(found, key=lambda each: -abs(each[1]))


def _effects(bill: BillChange, currency: Currency) -> Iterator[tuple[Effect, int]]:
    """Those of the steps, where there were some, else of each line."""
    if bill.steps:
        yield from shared(bill.steps, sum(in_minor(line, currency) for line in bill.lines), currency)
    else:
        for line in bill.lines:
            yield from effects_of(line, currency)

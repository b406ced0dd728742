"""Differences in whole cents: what is printed adds up, parts to lines and lines to totals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmplan.plan.money.diff import Effect, LineChange
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
    """The effects of a line in minor units: each rounded, the last takes what is left."""
    left = in_minor(change, currency)
    for place, effect in enumerate(change.effects, start=1):
        minor = left if place == len(change.effects) else currency.minor(effect.usd_per_month)
        left -= minor
        yield effect, minor


def by_cause(lines: Iterable[LineChange], currency: Currency) -> list[tuple[Cause, int, str]]:
    """What each cause moved, over all lines, with every reason once; the largest first."""
    summed: dict[Cause, int] = {}
    reasons: dict[Cause, dict[str, None]] = {}
    for line in lines:
        for effect, minor in effects_of(line, currency):
            summed[effect.cause] = summed.get(effect.cause, 0) + minor
            reasons.setdefault(effect.cause, {}).update({effect.why: None})
    found = [(cause, minor, "; ".join(reasons[cause])) for cause, minor in summed.items()]
    return sorted(found, key=lambda each: -abs(each[1]))

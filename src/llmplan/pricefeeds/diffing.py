"""Two sets of price documents, or two days of one set, side by side: what moved, what is new, what is gone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from statistics import median
from typing import Any

from llmplan.pricefeeds.atoms import UNITS, Atom, newest
from llmplan.spec.price_difference import Difference, Moved


def differences(
    old: Mapping[str, Mapping[str, Any]],
    new: Mapping[str, Mapping[str, Any]],
    *,
    old_day: date | None = None,
    new_day: date | None = None,
) -> list[Difference]:
    """Every price that differs, the largest moves first, then what is gone, then what is new.

    With a day, that side is as it counted then.
    """
    found = []
    for provider in sorted({*old, *new}):
        before = _in_force(old.get(provider, {}), old_day)
        after = _in_force(new.get(provider, {}), new_day)
        for name in sorted({*before, *after}):
            was, now = before.get(name), after.get(name)
            if was is None or now is None or was[1] != now[1]:
                found.append(_difference(provider, name, was, now))
    return sorted(found, key=_order)


def moved(found: Iterable[Difference]) -> list[Moved]:
    """The differences by seller and GPU or model, the one with the most of them first."""
    groups: dict[tuple[str, str], list[Difference]] = defaultdict(list)
    for each in found:
        groups[each.provider, each.subject].append(each)
    result = []
    for (provider, subject), group in groups.items():
        changes = [each.change for each in group if each.change is not None]
        signs = [each.sign for each in group]
        result.append(
            Moved(
                provider=provider,
                subject=subject,
                moved=signs.count("~"),
                added=signs.count("+"),
                gone=signs.count("-"),
                median_change=median(changes) if changes else None,
            )
        )
    return sorted(result, key=lambda each: (-(each.moved + each.added + each.gone), each.provider, each.subject))


def _in_force(document: Mapping[str, Any], day: date | None) -> dict[str, tuple[Atom, float]]:
    """The prices that count on a day, by name; a listing that had ended by then is gone."""
    found = {}
    for atom in newest(document, day).values():
        ends = atom.offer.get("ends")
        if ends is not None and day is not None and ends <= day:
            continue
        for side, price in atom.usd.items():
            found[atom.name_of(side)] = (atom, price)
    return found


def _difference(provider: str, name: str, was: tuple[Atom, float] | None, now: tuple[Atom, float] | None) -> Difference:
    either = now or was
    assert either is not None
    atom = either[0]
    return Difference(
        provider=provider,
        subject=atom.gpu or str(atom.offer.get("model") or atom.machine.get("instance", "")),
        term=atom.term,
        key=name,
        unit=UNITS[atom.part],
        old_usd=was[1] if was else None,
        new_usd=now[1] if now else None,
        old_day=was[0].day if was else None,
        new_day=now[0].day if now else None,
    )


def _order(each: Difference) -> tuple[int, float, str, str]:
    if each.old_usd and each.new_usd:
        return 0, -abs(math.log(each.new_usd / each.old_usd)), each.provider, each.key
    return (1 if each.sign == "-" else 2), 0.0, each.provider, each.key

"""Are the prices fit to be quoted? Their age, what is undated, what cannot be, and what contradicts itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from llmplan.pricefeeds.atoms import Atom, newest, split
from llmplan.pricefeeds.checking import Problem, is_jump, jump_text, out_of_bounds
from llmplan.spec.price import STALE_PRICE_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerFitness:
    """One seller's prices in force: how many, how many of them undated, the newest and the oldest day."""

    provider: str
    prices: int
    undated: int
    newest: date | None
    oldest: date | None

    def age_days(self, today: date) -> int | None:
        """How long ago the seller was last looked at; None without any date."""
        return (today - self.newest).days if self.newest else None


def sellers_fitness(documents: Mapping[str, Mapping[str, Any]]) -> list[SellerFitness]:
    """Every seller that has a price."""
    found = []
    for provider, document in sorted(documents.items()):
        atoms = list(newest(document).values())
        days = sorted(atom.day for atom in atoms if atom.day)
        if atoms:
            found.append(
                SellerFitness(
                    provider=provider,
                    prices=len(atoms),
                    undated=len(atoms) - len(days),
                    newest=days[-1] if days else None,
                    oldest=days[0] if days else None,
                )
            )
    return found


def findings(documents: Mapping[str, Mapping[str, Any]], *, today: date) -> list[Problem]:
    """Errors (what cannot be right) and warnings (what should be looked at), seller by seller."""
    found = []
    for seller in sellers_fitness(documents):
        age = seller.age_days(today)
        if age is None:
            text = f"none of its {seller.prices} prices is dated"
            found.append(Problem("warning", seller.provider, text))
        elif age > STALE_PRICE_DAYS:
            text = f"its newest price is of {seller.newest}, {age} days ago (stale after {STALE_PRICE_DAYS})"
            found.append(Problem("warning", seller.provider, text))
        found += [
            Problem(severity, seller.provider, text)
            for severity, text in _of_prices(split(documents[seller.provider]), today)
        ]
    return found


def _of_prices(atoms: list[Atom], today: date) -> Iterator[tuple[Any, str]]:
    by_key: dict[tuple[str, str], list[Atom]] = defaultdict(list)
    for atom in atoms:
        by_key[atom.part, atom.key].append(atom)
        text = out_of_bounds(atom)
        if text:
            yield "error", f"{text}: cannot be right"
        if atom.day and atom.day > today:
            yield "error", f"{atom.key}: dated in the future, {atom.day}"
    for group in by_key.values():
        group.sort(key=lambda atom: atom.stamp)
        for before, after in pairwise(group):
            yield from _between(before, after)


def _between(before: Atom, after: Atom) -> Iterator[tuple[Any, str]]:
    """Two prices of one thing, one after the other or of the same day."""
    for side, price in after.usd.items():
        was = before.usd.get(side)
        if was is None or was == price:
            continue
        if before.stamp == after.stamp:
            day = f"of {after.day}" if after.day else "without a date"
            yield "warning", f"{after.name_of(side)}: {was:g} and {price:g}, both {day}"
        elif before.day and is_jump(was, price):
            yield "warning", f"{after.name_of(side)}: {jump_text(was, price)}, from {before.day} to {after.day}"

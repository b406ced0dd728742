"""Is a new snapshot believable? Bounds of every price, enough rows, and no jump against what was known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from llmplan.pricefeeds.atoms import PARTS, Atom, join, newest, split
from llmplan.pricefeeds.merging import Change, list_changes

GPU_HOUR_BOUNDS_USD: Final = (0.02, 100.0)
"""Cheapest marketplace cards are near 0.08 USD an hour; the dearest regions ask 54 for a GB200."""
TOKEN_BOUNDS_USD: Final = (0.0005, 200.0)
CPU_HOUR_BOUNDS_USD: Final = (0.001, 500.0)
"""The dearest machine of the tables has 448 vCPUs and 12 TiB, for 125.58 USD an hour."""
MAX_GPUS: Final = 1024
MAX_DRIFT: Final = 3.0
"""A price that moved by more than this factor is held back: the market's largest single cut so far was 44 %."""
MIN_ROW_SHARE: Final = 0.5
"""A snapshot with fewer than this share of the known prices of a provider is incomplete."""
MAX_BAD_SHARE: Final = 0.2
"""A list with more bad rows than this is not a price list that we understand: none of it is used."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`error`: what it names must not be used; `warning`: say it and go on."""

    severity: Literal["error", "warning"]
    provider: str
    message: str


@dataclass(frozen=True, slots=True)
class Held:
    """A price that jumped: the old one stays until somebody confirms the new one."""

    provider: str
    key: str
    old_usd: float
    new_usd: float

    @property
    def name(self) -> str:
        """What confirms it: seller and price."""
        return f"{self.provider}: {self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be used of a new snapshot (`accepted`, by seller), and what may not and why.

    `confirmed` prices are as they were known, on a later day; `older` ones are from before what is known.
    """

    accepted: Mapping[str, Mapping[str, Any]]
    changes: tuple[Change, ...]
    held: tuple[Held, ...]
    problems: tuple[Problem, ...]
    confirmed: int
    older: int

    @property
    def refused(self) -> bool:
        """Whether anything of the snapshot was not taken over."""
        return bool(self.held) or any(problem.severity == "error" for problem in self.problems)


def judge(
    new: Mapping[str, Mapping[str, Any]],
    old: Mapping[str, Mapping[str, Any]],
    *,
    today: date,
    accept: Callable[[str], bool] = lambda _: False,
    complete: bool = True,
    gpus: frozenset[str] | None = None,
) -> Verdict:
    """Row by row: a bad price is left out, one that jumped is held back unless `accept(name)`, the rest goes through.

    `gpus` are those that the catalogue can describe (None: any). A seller is refused as a whole if too many of his rows
    are bad or, for a `complete` list, too many are missing.
    """
    accepted: dict[str, Mapping[str, Any]] = {}
    problems: list[Problem] = []
    held: list[Held] = []
    confirmed = older = 0
    for provider, document in new.items():
        atoms, known = split(document), newest(old.get(provider, {}))
        bad = {index: text for index, atom in enumerate(atoms) if (text := _bad(atom, today, gpus, known))}
        problems += [Problem("error", provider, f"{text}: left out") for text in bad.values()]
        lost = list(_lost(document, old.get(provider, {}))) if complete else []
        if len(bad) > MAX_BAD_SHARE * len(atoms):
            lost.append(f"{len(bad)} of {len(atoms)} prices cannot be right")
        if lost:
            problems += [Problem("error", provider, f"{text}: none of its prices is used") for text in lost]
            continue
        good = [atom for index, atom in enumerate(atoms) if index not in bad]
        jumped = [jump for atom in good for jump in _jumps(provider, atom, known) if not accept(jump.name)]
        held += jumped
        unsure = {jump.key for jump in jumped}
        sure = [atom for atom in good if not any(atom.name_of(side) in unsure for side in atom.usd)]
        confirmed += sum(_confirms(atom, known) for atom in sure)
        older += sum(atom.key in known and atom.stamp < known[atom.key].stamp for atom in sure)
        accepted[provider] = {key: value for key, value in document.items() if key not in PARTS} | join(sure)
    return Verdict(
        accepted=accepted, changes=tuple(list_changes(old, accepted)), held=tuple(held), problems=tuple(problems),
        confirmed=confirmed, older=older,
    )  # fmt: skip


def check_documents(
    new: Mapping[str, Mapping[str, Any]], old: Mapping[str, Mapping[str, Any]], *, today: date
) -> list[Problem]:
    """Everything that speaks against putting `new` on top of `old`."""
    verdict = judge(new, old, today=today)
    jumps = [
        Problem("error", each.provider, f"{each.key}: {jump_text(each.old_usd, each.new_usd)}") for each in verdict.held
    ]
    return [*verdict.problems, *jumps]


def jump_text(old_usd: float, new_usd: float) -> str:
    """How far a price moved."""
    return f"{old_usd:g} became {new_usd:g}, more than a factor {MAX_DRIFT:g}"


def is_jump(old_usd: float, new_usd: float) -> bool:
    """Whether a price moved so far that somebody has to look.

    >>> is_jump(30.0, 3.0), is_jump(30.0, 20.0)
    (True, False)
    """
    return old_usd > 0 and not 1 / MAX_DRIFT <= new_usd / old_usd <= MAX_DRIFT


def out_of_bounds(atom: Atom) -> str:
    """What about a price cannot be; empty if it can."""
    if atom.part == "hourly" and not 0 < atom.machine["gpus"] <= MAX_GPUS:
        return f"{atom.machine['instance']}: {atom.machine['gpus']} GPUs"
    hour = atom.gpu_usd_per_hour
    if hour is not None:
        if not _within(hour, GPU_HOUR_BOUNDS_USD):
            per = (
                f"{atom.usd['']:g} USD/h for {atom.machine['gpus']:g} GPUs"
                if atom.machine
                else f"{atom.usd['']:g} USD/s"
            )
            return f"{atom.key}: {per}"
        return ""
    if atom.part == "cpu":
        wrong = [price for price in atom.usd.values() if not _within(price, CPU_HOUR_BOUNDS_USD)]
        return f"{atom.key}: {wrong[0]:g} USD/h" if wrong else ""
    for side, price in atom.usd.items():
        bounds = TOKEN_BOUNDS_USD if side in ("input", "output") else (0.0, TOKEN_BOUNDS_USD[1])
        if not _within(price, bounds):
            return f"{atom.name_of(side)}: {price:g} USD per million tokens"
    return ""


def _bad(atom: Atom, today: date, gpus: frozenset[str] | None, known: Mapping[str, Atom]) -> str:
    if not atom.key.isprintable():
        return f"{atom.key!r}: a name with characters that cannot be printed"
    if gpus is not None and atom.gpu is not None and atom.gpu not in gpus and atom.key not in known:
        return f"{atom.key}: nothing describes the GPU {atom.gpu!r}"
    if atom.day and atom.day > today:
        return f"{atom.key}: dated in the future, {atom.day}"
    return out_of_bounds(atom)


def _jumps(provider: str, atom: Atom, known: Mapping[str, Atom]) -> Iterator[Held]:
    below = known.get(atom.key)
    if below is None or atom.stamp < below.stamp:
        return
    for side, price in atom.usd.items():
        before = below.usd.get(side)
        if before is not None and is_jump(before, price):
            yield Held(provider, atom.name_of(side), before, price)


def _confirms(atom: Atom, known: Mapping[str, Atom]) -> bool:
    below = known.get(atom.key)
    return below is not None and atom.stamp > below.stamp and dict(atom.usd) == dict(below.usd)


def _lost(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    """Kinds of offers of which too few are left. A kind that the new document lacks was not read at all."""
    for part in PARTS:
        if part in new and part in old:
            known, found = (len(newest({part: document[part]})) for document in (old, new))
            if found < MIN_ROW_SHARE * known:
                yield f"only {found} {part} prices where {known} were known"


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return math.isfinite(value) and bounds[0] <= value <= bounds[1]

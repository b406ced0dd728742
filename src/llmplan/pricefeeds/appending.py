"""What a snapshot in the cache holds: only what the packaged files lack, and of that only what says something new.

A price that was seen again and again is kept as its first and its last sighting: the first so that an old day is quoted
as it was, the last so that everybody sees how fresh it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from llmplan.pricefeeds.atoms import Atom, join, split
from llmplan.pricefeeds.merging import cited_sources, renamed_sources, with_sources

Document: TypeAlias = Mapping[str, Any]
PREFIX: Final = "read-"
"""Of the ids of a snapshot's sources, so that they never mean something else in the packaged files."""
_HEAD: Final = ("id", "name", "tier", "company", "aliases")


def append(
    cached: Mapping[str, Document], packaged: Mapping[str, Document], accepted: Mapping[str, Document]
) -> dict[str, dict[str, Any]]:
    """The next snapshot: what is cached now, with the accepted prices. A document of a seller that is packaged extends
    the packaged one; sellers without news stay as they are."""
    result = {provider: dict(document) for provider, document in cached.items()}
    for provider, document in accepted.items():
        below = packaged.get(provider)
        made = _document(cached.get(provider, {}), below or {}, document)
        if made is None:
            continue
        head = (
            {"id": provider, "extends": provider} if below else {key: document[key] for key in _HEAD if key in document}
        )
        result[provider] = head | made
    return result


def _document(cached: Document, packaged: Document, accepted: Document) -> dict[str, Any] | None:
    """Sources and offers of one seller; None if there is nothing that is not known already."""
    names = renamed_sources(cached.get("sources", {}), _prefixed(accepted.get("sources", {})))
    fresh = with_sources(
        {key: value for key, value in accepted.items() if key not in ("sources", "interruption_source")},
        {name: names[PREFIX + name] for name in accepted.get("sources", {})},
    )
    known = {_identity(atom) for document in (packaged, cached) for atom in split(document)}
    news = [atom for atom in split(fresh) if _identity(atom) not in known]
    stated = fresh.get("facts", {})
    facts = {key: fact for key, fact in stated.items() if key not in packaged.get("facts", {})}
    facts = {key: fact for key, fact in facts.items() if fact != cached.get("facts", {}).get(key)}
    if not news and not facts:
        return None
    result: dict[str, Any] = join(compact([*split(cached), *news]))
    if facts or "facts" in cached:
        result["facts"] = {**cached.get("facts", {}), **facts}
    if not packaged and "unpriced" in fresh:
        result["unpriced"] = fresh["unpriced"]
    sources = {**cached.get("sources", {}), **{names[PREFIX + n]: s for n, s in accepted.get("sources", {}).items()}}
    cited = set(cited_sources(result))
    return {"sources": {name: source for name, source in sources.items() if name in cited}} | result


def compact(atoms: Iterable[Atom]) -> list[Atom]:
    """Of every run of equal prices the first and the last.

    The order of keys is kept, and within a key that of the days.
    """
    by_key: dict[tuple[str, str], list[Atom]] = defaultdict(list)
    for atom in atoms:
        by_key[atom.part, atom.key].append(atom)
    kept: list[Atom] = []
    for group in by_key.values():
        group.sort(key=lambda atom: atom.stamp)
        for index, atom in enumerate(group):
            before = group[index - 1] if index else None
            after = group[index + 1] if index + 1 < len(group) else None
            inside = before and after and dict(before.usd) == dict(atom.usd) == dict(after.usd)
            if not inside:
                kept.append(atom)
    return kept


def _prefixed(sources: Mapping[str, Any]) -> dict[str, Any]:
    return {PREFIX + name: source for name, source in sources.items()}


def _identity(atom: Atom) -> tuple[Any, ...]:
    return atom.part, atom.key, atom.stamp, tuple(sorted(atom.usd.items()))


def other_rates(packaged: Mapping[str, Document], accepted: Mapping[str, Document]) -> list[tuple[str, str]]:
    """Rates of the packaged files (egress, storage, ...) that a new list has otherwise, as (seller, text).

    They have one value and no history: taking the new one would change what an old plan is quoted. They stay.
    """
    found = []
    for provider, document in accepted.items():
        known = packaged.get(provider, {}).get("facts", {})
        for key, fact in document.get("facts", {}).items():
            if key in known and known[key]["value"] != fact["value"]:
                text = (
                    f"{key}: {known[key]['value']:g} became {fact['value']:g} {fact['unit']}: only prices are updated"
                )
                found.append((provider, f"{text}; state it in a file of your own"))
    return found

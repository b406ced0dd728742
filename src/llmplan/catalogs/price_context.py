"""One price document while it is read: its seller, its sources, and which of its entries are whose.

Packaged entries were tested before they shipped. What a user writes is held to more: no price from the future, no GPU
that nothing describes, nothing said twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from llmplan.catalogs.price_fields import Keys, MisfitError, maybe_date, maybe_text, text
from llmplan.spec.provenance import FigureKind, Provenance, Source


@dataclass(slots=True)
class Document:
    """A price file, or several of which each extends the one below.

    `parts` are, by section, the files whose entries follow each other in it, with the number of entries below each.
    """

    data: dict[str, Any]
    path: Path
    parts: dict[str, list[tuple[int, Path]]] = field(default_factory=dict)
    named: dict[tuple[str, str], Path] = field(default_factory=dict)
    """file of each entry of the sections that are mappings"""

    def file_of(self, keys: Keys) -> tuple[Path, Keys]:
        """The file that an entry stands in, and the keys that lead to it there."""
        section, rest = (keys[0] if keys else None), keys[1:]
        if isinstance(section, str) and rest and isinstance(rest[0], int):
            for below, path in reversed(self.parts.get(section, [])):
                if rest[0] >= below:
                    return path, (section, rest[0] - below, *rest[1:])
        if isinstance(section, str) and rest and isinstance(rest[0], str):
            return self.named.get((section, rest[0]), self.path), keys
        return self.path, keys


@dataclass(slots=True)
class Context:
    """What every entry of a document needs. `is_own` says whether a user wrote the entry that keys lead to."""

    provider: str
    sources: dict[str, Source]
    price_date: date
    is_own: Callable[[Keys], bool] = lambda _: False
    last_day: date = date.max
    check_gpu: Callable[[str, Keys], None] = lambda _gpu_id, _keys: None
    used: set[str] = field(default_factory=set)
    said: dict[Hashable, Keys] = field(default_factory=dict)

    def source(self, name: Any, keys: Keys) -> Source:
        """A declared source."""
        found = self.sources.get(name) if isinstance(name, str) else None
        if found is None:
            raise MisfitError(keys, f"{name!r} is not among the sources of this file")
        self.used.add(found.id)
        return found

    def holds(self, day: date | None) -> bool:
        """Whether an offer dated so had been made by the price date."""
        return day is None or day <= self.price_date

    def day(self, entry: dict[str, Any], key: str, keys: Keys) -> date | None:
        """The day from which an entry holds."""
        day = maybe_date(entry, key, keys)
        if day is not None and day > self.last_day and self.is_own(keys):
            raise MisfitError(
                (*keys, key),
                f"{day} is in the future: by this machine's clock, {self.last_day} is the last day that can be",
                hints=("a price is written down when it holds; keep one that was only announced in a comment",),
            )
        return day

    def gpu(self, entry: dict[str, Any], keys: Keys) -> str:
        """The GPU of an entry."""
        gpu_id = text(entry, "gpu", keys)
        if self.is_own(keys):
            self.check_gpu(gpu_id, (*keys, "gpu"))
        return gpu_id

    def once(self, identity: Hashable, keys: Keys) -> None:
        """Refuse what an entry of the same file says already."""
        if not self.is_own(keys):
            return
        before = self.said.setdefault(identity, keys)
        if before != keys:
            first = ".".join(str(key) for key in before)
            raise MisfitError(
                keys,
                f"says again what {first} says: the same thing from the same day and source",
                hints=("a new price is a new entry with its own `from:` day; remove one of the two",),
            )

    def provenance(self, entry: dict[str, Any], kind: FigureKind, keys: Keys, note: str | None = None) -> Provenance:
        """Where an offer comes from."""
        notes = "; ".join(part for part in (note, maybe_text(entry, "note", keys)) if part)
        return Provenance(
            source=self.source(entry["source"], (*keys, "source")), as_of=entry["from"], kind=kind, note=notes or None
        )


def newer(day: date | None, than: date | None) -> bool:
    """Whether an offer replaces another of its kind: a later day does, and a row further down of the same day."""
    return than is None or (day is not None and day >= than)

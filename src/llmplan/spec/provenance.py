"""Where a figure comes from, from when, and what kind of knowledge it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

FigureKind: TypeAlias = Literal["published", "measured", "derived", "assumed"]
"""published: the maker or seller says so; measured: somebody read it off a machine; derived: computed from
other figures; assumed: nobody said so, we had to choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document or record which states figures."""

    id: str
    title: str
    url: str | None = None
    retrieved: date | None = None
    locator: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Why one number may be believed. `as_of` None means that the source carries no date."""

    source: Source
    as_of: date | None
    kind: FigureKind
    note: str | None = None

    def describe(self) -> str:
        """One line for footnotes."""
        when = self.as_of.isoformat() if self.as_of else "undated"
        note = f"; {self.note}" if self.note else ""
        return f"{self.source.title} ({when}, {self.kind}{note})"


ProvenanceMap: TypeAlias = Mapping[str, Provenance]

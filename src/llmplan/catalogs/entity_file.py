"""The shape that every catalogue file shares: an id, figures with their sources, and the sources themselves.

```yaml
id: h100-sxm-80gb
aliases: [h100]
defaults: {source: datasheet, as_of: 2026-11-20, kind: published}   # bare numbers inherit these
figures:
  memory_gib: {value: 79.6, source: nvml, kind: measured}
  memory_bandwidth_gb_per_s: 3350
sources:
  datasheet: {title: "...", url: "...", retrieved: 2026-11-20, locator: "p. 2"}
```

A kind of file subclasses `EntityFile`, states `KNOWN_FIGURES` and adds its own plain fields. `resolve` then gives
numbers in base units by their inside name, and a provenance for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from llmplan.catalogs.figures import known_suffixes, split_unit, to_base
from llmplan.catalogs.yaml_file import Key
from llmplan.spec.provenance import FigureKind, Provenance, Source

Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=2000)]
STATED = Provenance(source=Source(id="user", title="stated by the user"), as_of=None, kind="assumed")
"""of a user's own figures"""
_ID = re.compile(r"[a-z0-9][a-z0-9.@_-]*")


class Strict(BaseModel):
    """Unknown keys refused, no coercion of text to numbers, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceEntry(Strict):
    """A document or record."""

    title: Text
    url: Text | None = None
    retrieved: date | None = None
    locator: Text | None = None


class Defaults(Strict):
    """What a bare number inherits."""

    source: Text | None = None
    as_of: date | None = None
    kind: FigureKind | None = None


class Figure(Strict):
    """A number with what differs from the defaults."""

    value: Number
    source: Text | None = None
    kind: FigureKind | None = None
    as_of: date | None = None
    note: Text | None = None


def complain(at: Iterable[Key], message: str) -> PydanticCustomError:
    """An error about the key at `at`, so that its position can be found in the file."""
    return PydanticCustomError("file", "{message}", {"message": message, "at": tuple(at)})


def today_of(info: ValidationInfo) -> date:
    """The day against which dates are checked: the caller's, else the clock's (with a day of grace for time zones)."""
    given = (info.context or {}).get("today")
    return given if isinstance(given, date) else datetime.now(UTC).date() + timedelta(days=1)


class SourcedFile(Strict):
    """A file whose numbers name their sources. Subclasses list what they cite with `cited`."""

    sources: dict[str, SourceEntry] = Field(default_factory=dict)

    def cited(self) -> Iterator[tuple[tuple[Key, ...], str]]:
        """Every citation: where it stands and the source id that it names."""
        yield from ()

    def dated(self) -> Iterator[tuple[tuple[Key, ...], date]]:
        """Every date: where it stands and what it is."""
        for name, source in self.sources.items():
            if source.retrieved is not None:
                yield ("sources", name, "retrieved"), source.retrieved

    @model_validator(mode="after")
    def _sources_and_dates(self, info: ValidationInfo) -> SourcedFile:
        used = set()
        for at, source in self.cited():
            used.add(source)
            if source not in self.sources:
                raise complain(at, f"source {source!r} is not declared under `sources`")
        for name in self.sources:
            if name not in used:
                raise complain(("sources", name), "declared but no figure uses it")
        today = today_of(info)
        for at, when in self.dated():
            if when > today:
                raise complain(
                    at, f"{when} is in the future: by this machine's clock, {today} is the last day that can be"
                )
        return self

    def source(self, source_id: str) -> Source:
        """A declared source as the rest of the project sees it."""
        entry = self.sources[source_id]
        return Source(
            id=source_id, title=entry.title, url=entry.url, retrieved=entry.retrieved, locator=entry.locator
        )  # fmt: skip


class EntityFile(SourcedFile):
    """A file about one thing. `KNOWN_FIGURES` (empty: any name with a unit) and `REQUIRED_FIGURES` use file names."""

    KNOWN_FIGURES: ClassVar[tuple[str, ...]] = ()
    REQUIRED_FIGURES: ClassVar[tuple[str, ...]] = ()
    USER_MAY_BE_SOURCE: ClassVar[bool] = False

    id: Text
    aliases: list[Text] = Field(default_factory=list)
    defaults: Defaults = Defaults()
    figures: dict[str, Number | Figure] = Field(default_factory=dict)

    @field_validator("id")
    @classmethod
    def _id_is_plain(cls, value: str) -> str:
        if not cls.accepts_id(value):
            raise PydanticCustomError("file", "an id is lower-case letters, digits, dots and dashes")
        return value

    @classmethod
    def accepts_id(cls, value: str) -> bool:
        """Whether `value` may name an entity of this kind (models, named by their Hub ids, allow more)."""
        return _ID.fullmatch(value) is not None

    @field_validator("aliases")
    @classmethod
    def _aliases_differ(cls, values: list[str]) -> list[str]:
        folded = [value.casefold() for value in values]
        for index, value in enumerate(folded):
            if value in folded[:index]:
                raise complain(("aliases", index), f"{values[index]!r} is listed twice (case is ignored)")
        return values

    def cited(self) -> Iterator[tuple[tuple[Key, ...], str]]:
        """The defaults' source and the figures' own."""
        if self.defaults.source is not None:
            yield ("defaults", "source"), self.defaults.source
        for name, figure in self.figures.items():
            if isinstance(figure, Figure) and figure.source is not None:
                yield ("figures", name, "source"), figure.source

    def dated(self) -> Iterator[tuple[tuple[Key, ...], date]]:
        """Also the defaults' date and the figures' own."""
        yield from super().dated()
        if self.defaults.as_of is not None:
            yield ("defaults", "as_of"), self.defaults.as_of
        for name, figure in self.figures.items():
            if isinstance(figure, Figure) and figure.as_of is not None:
                yield ("figures", name, "as_of"), figure.as_of

    @model_validator(mode="after")
    def _figures_are_meaningful(self) -> EntityFile:
        for name, figure in self.figures.items():
            if split_unit(name) is None:
                raise complain(("figures", name), f"ends with no known unit; known are {known_suffixes()}")
            if self.KNOWN_FIGURES and name not in self.KNOWN_FIGURES:
                raise complain(
                    ("figures", name), f"not a figure of this file; known are {', '.join(self.KNOWN_FIGURES)}"
                )
            value = figure.value if isinstance(figure, Figure) else figure
            if value < 0:
                raise complain(("figures", name), f"{value} is negative")
            self.provenance(name)
        for name in self.REQUIRED_FIGURES:
            if name not in self.figures:
                raise complain(("figures", name), "this figure is required")
        return self

    def provenance(self, name: str) -> Provenance:
        """Source, date and kind of one figure, its own or the defaults'."""
        figure = self.figures[name]
        own = figure if isinstance(figure, Figure) else Figure(value=figure)
        if own.source is None and self.defaults.source is None and self.USER_MAY_BE_SOURCE:
            return STATED
        return self.cite(("figures", name), own.source, own.as_of, own.kind, own.note)

    def cite(
        self,
        at: tuple[Key, ...],
        source_id: str | None,
        as_of: date | None,
        kind: FigureKind | None,
        note: str | None,
    ) -> Provenance:
        """Provenance of the entry at `at` from what it says itself, then the defaults.

        The defaults' date goes with the defaults' source; an entry with a source of its own is as old as that.
        """
        source_of_entry = source_id or self.defaults.source
        if source_of_entry is None:
            raise complain(at, "no source: name one here or under `defaults`")
        source = self.source(source_of_entry)
        dates = (self.defaults.as_of, source.retrieved)
        day = as_of or next(filter(None, dates if source_id is None else reversed(dates)), None)
        if day is None:
            raise complain(at, "no date: give `as_of` here or under `defaults`, or its source a `retrieved`")
        return Provenance(source=source, as_of=day, kind=kind or self.defaults.kind or "published", note=note)

    def resolve(self) -> Figures:
        """All figures in base units with their provenance."""
        values: dict[str, float] = {}
        provenance: dict[str, Provenance] = {}
        for name, figure in self.figures.items():
            base, value = to_base(name, figure.value if isinstance(figure, Figure) else figure)
            values[base] = value
            provenance[base] = self.provenance(name)
        return Figures(values=values, provenance=provenance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Numbers in base units by inside name (`memory_bytes`), and where each came from."""

    values: Mapping[str, float]
    provenance: Mapping[str, Provenance]

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def get(self, name: str) -> float | None:
        """A figure, or None where no source states it."""
        return self.values.get(name)

    def count(self, name: str) -> int:
        """A figure that counts things or bytes."""
        return round(self.values[name])

    def grouped(self, prefix: str, suffix: str) -> dict[str, float]:
        """Figures `prefix_KEY_suffix` as `{KEY: value}` (peaks by number format)."""
        start, end = f"{prefix}_", f"_{suffix}"
        return {
            name[len(start) : -len(end)]: value
            for name, value in self.values.items()
            if name.startswith(start) and name.endswith(end) and len(name) > len(start) + len(end) - 1
        }

"""The `traffic` of a workload file: how it comes through time, each part with its source -> TrafficShape."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from llmplan.catalogs.entity_file import Number, Strict, Text, complain
from llmplan.catalogs.yaml_file import Key
from llmplan.spec.provenance import FigureKind
from llmplan.spec.traffic import (
    Arrivals,
    Bursts,
    Histogram,
    Pauses,
    RateSeries,
    Sessions,
    SharedPrefix,
    TrafficShape,
)
from llmplan.spec.workload import Lengths

PARTS = ("arrivals", "input_tokens", "output_tokens", "sessions", "prefix", "tenants")
MAX_BINS = 20_000
Numbers: TypeAlias = Annotated[list[Number], Field(min_length=1, max_length=MAX_BINS)]
Counts: TypeAlias = Annotated[list[int], Field(min_length=1, max_length=MAX_BINS + 1)]


class Cited(Strict):
    """A part with a source, date and kind of its own, where they are not the file's defaults."""

    source: Text | None = None
    kind: FigureKind | None = None
    as_of: date | None = None
    note: Text | None = None


class BurstsEntry(Strict):
    """A busy and a quiet state that take turns."""

    ratio: Number
    busy_s: Number
    quiet_s: Number


class PausesEntry(Strict):
    """Times without any request."""

    share: Number
    mean_s: Number
    grid_s: Number = 0.0


class ProfileEntry(Strict):
    """Rates, of which only the proportions matter, in bins that follow each other and begin again."""

    bin_s: Number
    rates: Numbers


class ArrivalsEntry(Cited):
    """When requests come."""

    gap_cv: Number = 1.0
    bursts: BurstsEntry | None = None
    pauses: PausesEntry | None = None
    profiles: list[ProfileEntry] = Field(default_factory=list, max_length=4)


class HistogramEntry(Cited):
    """Tokens in bins."""

    edges: Counts
    shares: Numbers


class LengthsEntry(Strict):
    """Tokens of a part of a conversation: mean and percentiles, or bins."""

    mean: Number | None = Field(default=None, gt=0)
    p50: Number | None = Field(default=None, gt=0)
    p90: Number | None = Field(default=None, gt=0)
    p99: Number | None = Field(default=None, gt=0)
    edges: Counts | None = None
    shares: Numbers | None = None

    def lengths(self) -> Lengths | Histogram:
        """Whichever of the two is stated."""
        if self.edges is not None and self.shares is not None:
            return Histogram(edges=tuple(self.edges), shares=tuple(self.shares))
        if self.mean is None:
            raise ValueError("lengths need a mean, or edges and shares")
        return Lengths(mean=self.mean, p50=self.p50, p90=self.p90, p99=self.p99)


class SessionsEntry(Cited):
    """Conversations."""

    turns: Number
    think_s: Number
    first_tokens: LengthsEntry | None = None
    added_tokens: LengthsEntry | None = None


class PrefixEntry(Cited):
    """Text at the start of every prompt."""

    prefixes: int
    tokens: int


class TenantsEntry(Cited):
    """Shares of the tenants, in any proportion."""

    weights: Numbers


class TrafficEntry(Strict):
    """What is known beyond the steady figures; every part may be left out."""

    arrivals: ArrivalsEntry | None = None
    input_tokens: HistogramEntry | None = None
    output_tokens: HistogramEntry | None = None
    sessions: SessionsEntry | None = None
    prefix: PrefixEntry | None = None
    tenants: TenantsEntry | None = None

    def parts(self) -> Iterator[tuple[tuple[Key, ...], Cited]]:
        """Every part that is stated, and where it stands."""
        for name in PARTS:
            part = getattr(self, name)
            if part is not None:
                yield ("traffic", name), part

    def shape(self) -> TrafficShape:
        """As the generator takes it; complaints name the part."""
        made: dict[str, Any] = {}
        for name, make in _MAKERS.items():
            if getattr(self, name) is None:
                continue
            try:
                made["tenant_weights" if name == "tenants" else name] = make(getattr(self, name))
            except ValueError as error:
                raise complain(("traffic", name), str(error)) from None
        try:
            return TrafficShape(**made)
        except ValueError as error:
            raise complain(("traffic",), str(error)) from None


def _arrivals(entry: ArrivalsEntry) -> Arrivals:
    return Arrivals(
        gap_cv=entry.gap_cv,
        bursts=None if entry.bursts is None else Bursts(**entry.bursts.model_dump()),
        pauses=None if entry.pauses is None else Pauses(**entry.pauses.model_dump()),
        profiles=tuple(RateSeries(bin_s=each.bin_s, rates=tuple(each.rates)) for each in entry.profiles),
    )


def _histogram(entry: HistogramEntry) -> Histogram:
    return Histogram(edges=tuple(entry.edges), shares=tuple(entry.shares))


def _sessions(entry: SessionsEntry) -> Sessions:
    return Sessions(
        turns=entry.turns,
        think_s=entry.think_s,
        first=None if entry.first_tokens is None else entry.first_tokens.lengths(),
        added=None if entry.added_tokens is None else entry.added_tokens.lengths(),
    )


def _prefix(entry: PrefixEntry) -> SharedPrefix:
    return SharedPrefix(prefixes=entry.prefixes, tokens=entry.tokens)


def _tenants(entry: TenantsEntry) -> tuple[float, ...]:
    return tuple(entry.weights)


_MAKERS: dict[str, Any] = dict(
    zip(PARTS, (_arrivals, _histogram, _histogram, _sessions, _prefix, _tenants), strict=True)
)

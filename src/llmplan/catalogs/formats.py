"""`formats/<weight format>.yaml` -> FormatQuality: what somebody measured of the quality that a format costs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from llmplan.catalogs.entity_file import Number, SourcedFile, Strict, Text
from llmplan.catalogs.library import Library
from llmplan.catalogs.yaml_file import Key, validate
from llmplan.spec.formats import FormatQuality
from llmplan.spec.provenance import FigureKind, Provenance


class Measurement(Strict):
    """One model, one metric: `change` is relative to the unquantized model, -0.01 is one per cent worse."""

    change: Number = Field(gt=-1, lt=1)
    model: Text
    metric: Text
    source: Text


class FormatFile(SourcedFile):
    """Measurements of one weight format. `kind: derived` where another format stands in (see `note`)."""

    id: Text
    aliases: list[Text] = Field(default_factory=list)
    kind: FigureKind = "measured"
    as_of: date
    note: Text | None = None
    measurements: list[Measurement] = Field(min_length=1)

    def cited(self) -> Iterator[tuple[tuple[Key, ...], str]]:
        """The measurements' sources."""
        for index, measurement in enumerate(self.measurements):
            yield ("measurements", index, "source"), measurement.source

    def dated(self) -> Iterator[tuple[tuple[Key, ...], date]]:
        """Also the day of the summary."""
        yield from super().dated()
        yield ("as_of",), self.as_of


def to_quality(data: dict[str, Any], path: Path) -> FormatQuality:
    """Median and worst of the measurements, and every source once."""
    file = validate(data, FormatFile, path)
    changes = [measurement.change for measurement in file.measurements]
    used = dict.fromkeys(measurement.source for measurement in file.measurements)
    return FormatQuality(
        relative_change=statistics.median(changes),
        worst_change=min(changes),
        measurements=len(changes),
        provenance=tuple(
            Provenance(source=file.source(name), as_of=file.as_of, kind=file.kind, note=file.note) for name in used
        ),
    )


def quality_library(layers: Sequence[Path]) -> Library[FormatQuality]:
    """Qualities by weight-format id; a format without a file has no known figure."""
    return Library(layers, "formats", to_quality, kind="format")

"""`formats/<weight format>.yaml` -> FormatQuality: what somebody measured of the quality that a format costs.

And of the speed that it brings. The file of a KV cache format is called `kv-<id>`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from llmplan.catalogs.entity_file import Number, SourcedFile, Strict, Text, complain
from llmplan.catalogs.library import Library
from llmplan.catalogs.yaml_file import Key, validate
from llmplan.spec.formats import FormatQuality, QualityFigure, QualityStatement, SpeedFigure
from llmplan.spec.provenance import FigureKind, Provenance


class Measurement(Strict):
    """One model, one metric: `change` is relative to the unquantized model, -0.01 is one per cent worse."""

    change: Number = Field(gt=-1, lt=1)
    model: Text
    metric: Text
    source: Text


class Statement(Strict):
    """A source's own words on the loss, where it gives no figure: a bound, or a summary."""

    text: Text
    model: Text
    source: Text


class SpeedRow(Strict):
    """Throughput in the format over that in 16 bit: one machine, so many requests at once."""

    ratio: Number = Field(gt=0)
    gpu: Text
    gpu_id: Text | None = None
    model: Text
    engine: Text
    requests: int = Field(gt=0)
    isl: int = Field(gt=0)
    osl: int = Field(gt=0)
    source: Text


class FormatFile(SourcedFile):
    """Measurements of one weight format. `kind: derived` where another format stands in (see `note`).

    A file without measurements leaves the change unknown.
    """

    id: Text
    aliases: list[Text] = Field(default_factory=list)
    kind: FigureKind = "measured"
    as_of: date
    note: Text | None = None
    measurements: list[Measurement] = Field(default_factory=list)
    statements: list[Statement] = Field(default_factory=list)
    speeds: list[SpeedRow] = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_something(self) -> FormatFile:
        if not (self.measurements or self.statements or self.speeds):
            raise complain(("measurements",), "nothing is measured or stated: leave the file out instead")
        return self

    def cited(self) -> Iterator[tuple[tuple[Key, ...], str]]:
        """The sources of measurements, statements and speeds."""
        for index, measurement in enumerate(self.measurements):
            yield ("measurements", index, "source"), measurement.source
        for index, statement in enumerate(self.statements):
            yield ("statements", index, "source"), statement.source
        for index, row in enumerate(self.speeds):
            yield ("speeds", index, "source"), row.source

    def dated(self) -> Iterator[tuple[tuple[Key, ...], date]]:
        """Also the day of the summary."""
        yield from super().dated()
        yield ("as_of",), self.as_of


def to_quality(data: dict[str, Any], path: Path) -> FormatQuality:
    """Median and worst of the measurements, each of them, what else is stated, and every source once."""
    file = validate(data, FormatFile, path)
    changes = [measurement.change for measurement in file.measurements]
    kinds: dict[str, FigureKind] = {measurement.source: file.kind for measurement in file.measurements}
    for statement in file.statements:
        kinds.setdefault(statement.source, "published")
    notes = {measurement.source: file.note for measurement in file.measurements}
    return FormatQuality(
        relative_change=statistics.median(changes) if changes else None,
        worst_change=min(changes, default=None),
        measurements=len(changes),
        provenance=tuple(
            Provenance(source=file.source(name), as_of=file.as_of, kind=kind, note=notes.get(name))
            for name, kind in kinds.items()
        ),
        figures=tuple(
            QualityFigure(change=each.change, model=each.model, metric=each.metric, source=file.source(each.source))
            for each in file.measurements
        ),
        statements=tuple(
            QualityStatement(text=each.text, model=each.model, source=file.source(each.source))
            for each in file.statements
        ),
        speeds=tuple(
            SpeedFigure(
                ratio=each.ratio,
                gpu=each.gpu,
                gpu_id=each.gpu_id,
                model=each.model,
                engine=each.engine,
                requests=each.requests,
                input_tokens=each.isl,
                output_tokens=each.osl,
                source=file.source(each.source),
            )
            for each in file.speeds
        ),
    )


def quality_library(layers: Sequence[Path]) -> Library[FormatQuality]:
    """Qualities by weight-format id; a format without a file has no known figure."""
    return Library(layers, "formats", to_quality, kind="format")

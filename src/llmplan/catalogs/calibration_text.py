"""Calibration -> the text of its file, as `calibrations` reads it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from llmplan.spec.calibration import Calibration
from llmplan.spec.provenance import Provenance

DEFAULT = "calibrate"
DIGITS = ".6g"


class _Plain(yaml.SafeDumper):
    """Writes every value out: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def calibration_text(calibration: Calibration) -> str:
    """The file of a calibration whose every figure has a provenance."""
    return document_text(to_document(calibration))


def document_text(document: Mapping[str, Any]) -> str:
    """YAML of a calibration file's mapping, in its order."""
    return yaml.dump(dict(document), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def to_document(calibration: Calibration) -> dict[str, Any]:
    """The file as a mapping. Figures without more to say inherit the source that `rows` has."""
    usual = calibration.provenance["rows"]
    names = _Names(usual)
    figures = {name: _figure(value, calibration.provenance[name], names) for name, value in _values(calibration)}
    keyed = {"gpu": calibration.gpu, "model": calibration.model, "validity": calibration.validity}
    return {
        "id": calibration.id,
        "engine": calibration.engine,
        "generation": calibration.generation,
        **{key: value for key, value in keyed.items() if value},
        "fitted": calibration.fitted,
        "defaults": {"source": DEFAULT, "as_of": usual.as_of, "kind": usual.kind},
        "figures": figures,
        "sources": names.sources,
    }


class _Names:
    """The sources by the ids that the file gives them."""

    def __init__(self, usual: Provenance) -> None:
        self.usual = usual
        self.sources: dict[str, dict[str, Any]] = {DEFAULT: _source(usual)}

    def of(self, provenance: Provenance) -> str:
        """The id of a figure's source."""
        if provenance.source == self.usual.source:
            return DEFAULT
        name = f"prior.{provenance.source.id.removeprefix('prior.')}"
        self.sources.setdefault(name, _source(provenance))
        return name


def _values(calibration: Calibration) -> Iterator[tuple[str, float]]:
    yield "rows", calibration.rows
    if calibration.most_seqs is not None:
        yield "most_seqs", calibration.most_seqs
    yield from calibration.coefficients.items()
    for start, bands in (("", calibration.bands), ("moe_", calibration.expert_bands)):
        for quantity, band in bands.items():
            yield f"{start}{quantity}_low_ratio", band.low_ratio
            yield f"{start}{quantity}_high_ratio", band.high_ratio
            yield f"{start}{quantity}_rows", band.rows


def _figure(value: float, provenance: Provenance, names: _Names) -> Any:
    number = value if isinstance(value, int) else float(f"{value:{DIGITS}}")
    if provenance == names.usual:
        return number
    entry: Mapping[str, Any] = {
        "value": number,
        "source": names.of(provenance),
        "kind": None if provenance.kind == names.usual.kind else provenance.kind,
        "as_of": None if provenance.as_of == provenance.source.retrieved else provenance.as_of,
        "note": provenance.note,
    }
    return {key: stated for key, stated in entry.items() if stated is not None}


def _source(provenance: Provenance) -> dict[str, Any]:
    source = provenance.source
    entry = {"title": source.title, "url": source.url, "retrieved": source.retrieved, "locator": source.locator}
    return {key: stated for key, stated in entry.items() if stated is not None}

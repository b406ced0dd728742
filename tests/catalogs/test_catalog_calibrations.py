"""Calibration files: what ships is complete and sourced, and what is wrong is refused with its position."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.calibrations import load_calibrations
from llmplan.errors import DataError
from llmplan.perf.calibration import COEFFICIENT_NAMES, Coefficients

SHIPPED = load_calibrations((packaged_profiles(),))


def test_there_is_one_for_anything_and_one_for_every_engine() -> None:
    keys = {(c.engine, c.generation) for c in SHIPPED}
    assert ("any", "any") in keys
    assert {engine for engine, generation in keys if generation == "any"} == {engine for engine, _ in keys}


@pytest.mark.parametrize("calibration", SHIPPED, ids=lambda c: c.id)
def test_what_ships_is_complete_sourced_and_physical(calibration) -> None:  # type: ignore[no-untyped-def]
    found = Coefficients.of(calibration)
    assert set(calibration.coefficients) == set(COEFFICIENT_NAMES)
    for name in COEFFICIENT_NAMES:
        assert calibration.provenance[name].as_of is not None
        value = getattr(found, name)
        assert value > 0
        if name.endswith(("_efficiency", "_share")):
            assert value <= 1
    assert found.dequantization_factor >= 1
    assert found.roofline_exponent >= 1
    for band in calibration.bands.values():
        assert 0 < band.low_ratio <= 1 <= band.high_ratio
        assert band.rows > 0


def write(folder: Path, **changes: object) -> tuple[Path]:
    """A copy of a shipped file with some top-level keys replaced."""
    source = packaged_profiles() / "calibration" / "any-any.yaml"
    document = yaml.safe_load(source.read_text(encoding="utf-8")) | changes
    target = folder / "calibration"
    target.mkdir()
    (target / "any-any.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return (folder,)


def test_an_id_must_name_engine_and_generation(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected vllm-any"):
        load_calibrations(write(tmp_path, engine="vllm"))


def test_unknown_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fudge"):
        load_calibrations(write(tmp_path, fudge=1.0))


def test_a_missing_band_is_named(tmp_path: Path) -> None:
    source = packaged_profiles() / "calibration" / "any-any.yaml"
    figures = yaml.safe_load(source.read_text(encoding="utf-8"))["figures"]
    del figures["tpot_low_ratio"]
    with pytest.raises(DataError, match="tpot_low_ratio"):
        load_calibrations(write(tmp_path, figures=figures))

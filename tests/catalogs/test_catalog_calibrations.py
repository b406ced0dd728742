"""Calibration files: what ships is complete and sourced, and what is wrong is refused with its position."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.calibration_text import calibration_text
from llmplan.catalogs.calibrations import load_calibrations
from llmplan.errors import DataError
from llmplan.perf.calibration import COEFFICIENT_NAMES, Coefficients
from llmplan.spec.calibration import Calibration, calibration_id
from llmplan.spec.provenance import Provenance, Source

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
    for band in (*calibration.bands.values(), *calibration.expert_bands.values()):
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


def of_machine(**changes: object) -> Calibration:
    """What `llmplan calibrate` makes, from a shipped one."""
    shipped = next(each for each in SHIPPED if each.id == "vllm-hopper")
    own = Provenance(source=Source(id="calibrate", title="ours"), as_of=date(2026, 11, 1), kind="derived")
    provenance = {**shipped.provenance, "rows": own, "step_s": own}
    keyed: dict[str, Any] = {"gpu": "h100-sxm-80gb", "model": "Qwen/Qwen3-8B", "rows": 7, "validity": "concurrency 8"}
    found = replace(shipped, provenance=provenance, **(keyed | changes))
    return replace(found, id=calibration_id(found.engine, found.generation, found.gpu, found.model))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "vllm-h100-sxm-80gb-qwen-qwen3-8b"),
        ({"model": None}, "vllm-h100-sxm-80gb"),
    ],
)
def test_a_machine_comes_back_as_it_was_written(tmp_path: Path, changes: dict[str, Any], name: str) -> None:
    written = of_machine(**changes)
    assert written.id == name
    target = tmp_path / "calibration" / f"{name}.yaml"
    target.parent.mkdir()
    target.write_text(calibration_text(written), encoding="utf-8")
    (read,) = load_calibrations((tmp_path,))
    assert (read.gpu, read.model, read.rows) == (written.gpu, written.model, 7)
    assert (read.validity, read.fitted) == ("concurrency 8", written.fitted)
    assert read.coefficients == pytest.approx(dict(written.coefficients), rel=1e-5)
    assert read.bands == written.bands
    assert read.expert_bands == written.expert_bands
    assert read.provenance["step_s"].source.title == "ours"
    for figure in ("launch_s", "network_latency_s"):
        kept, origin = read.provenance[figure], written.provenance[figure]
        assert (kept.source.title, kept.as_of, kept.kind, kept.note) == (
            origin.source.title, origin.as_of, origin.kind, origin.note,
        )  # fmt: skip


def test_the_id_of_a_machine_names_gpu_and_model(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected any-t4-16gb-a-b for this engine and GPU and model"):
        load_calibrations(write(tmp_path, gpu="t4-16gb", model="A/B"))


def test_a_model_needs_its_gpu(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name it under `gpu`"):
        load_calibrations(write(tmp_path, model="A/B"))


def test_unknown_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fudge"):
        load_calibrations(write(tmp_path, fudge=1.0))


def test_a_missing_band_is_named(tmp_path: Path) -> None:
    source = packaged_profiles() / "calibration" / "any-any.yaml"
    figures = yaml.safe_load(source.read_text(encoding="utf-8"))["figures"]
    del figures["tpot_low_ratio"]
    with pytest.raises(DataError, match="tpot_low_ratio"):
        load_calibrations(write(tmp_path, figures=figures))


WIDE = {"ttft": (0.4, 2.5, 9), "tpot": (0.5, 2.0, 8), "throughput": (0.6, 1.5, 7)}


def test_mixtures_of_experts_may_have_bands_of_their_own(tmp_path: Path) -> None:
    source = packaged_profiles() / "calibration" / "any-any.yaml"
    figures = yaml.safe_load(source.read_text(encoding="utf-8"))["figures"]
    for name, edges in WIDE.items():
        figures |= dict(zip((f"moe_{name}_{edge}" for edge in ("low_ratio", "high_ratio", "rows")), edges, strict=True))
    (read,) = load_calibrations(write(tmp_path, figures=figures))
    dense, experts = read.for_model(is_moe=False), read.for_model(is_moe=True)
    assert dense.bands == read.bands
    assert {n: (b.low_ratio, b.high_ratio, b.rows) for n, b in experts.bands.items()} == WIDE
    assert not {name for name in read.coefficients if name.startswith("moe_")}
    assert replace(read, expert_bands={}).for_model(is_moe=True).bands == read.bands


def test_half_of_them_are_refused(tmp_path: Path) -> None:
    source = packaged_profiles() / "calibration" / "any-any.yaml"
    figures = yaml.safe_load(source.read_text(encoding="utf-8"))["figures"]
    figures = {name: value for name, value in figures.items() if not name.startswith("moe_")}
    with pytest.raises(DataError, match="moe_ttft_high_ratio"):
        load_calibrations(write(tmp_path, figures=figures | {"moe_ttft_low_ratio": 0.5}))

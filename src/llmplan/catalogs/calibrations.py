"""`calibration/<engine>-<generation>.yaml` -> Calibration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from pydantic import model_validator

from llmplan.catalogs.entity_file import EntityFile, Figures, Text, complain
from llmplan.catalogs.library import Library
from llmplan.catalogs.yaml_file import validate
from llmplan.spec.calibration import Calibration, ResidualBand, calibration_id

QUANTITIES = ("ttft", "tpot", "throughput")
EDGES = ("low_ratio", "high_ratio", "rows")
MOST = "most_seqs"
EXPERTS = "moe_"
"""what figures of mixture-of-experts models begin with"""


class CalibrationFile(EntityFile):
    """Coefficients are figures; so are each quantity's `<quantity>_low_ratio`, `_high_ratio` and `_rows`.

    `moe_<quantity>_low_ratio` and so on are those of mixture-of-experts models, for all quantities or for none.

    `most_seqs` says how many sequences ran at once at most in what was measured, where that is few.
    `rows` counts the measurements that this generation's own coefficients rest on; 0 means inherited. A file about
    one machine (`llmplan calibrate` writes them) names its `gpu`, and its `model` unless there were several.
    """

    REQUIRED_FIGURES: ClassVar[tuple[str, ...]] = (
        "rows", *(f"{name}_{edge}" for name in QUANTITIES for edge in EDGES),
    )  # fmt: skip
    EXPERT_FIGURES: ClassVar[tuple[str, ...]] = tuple(
        f"{EXPERTS}{name}_{edge}" for name in QUANTITIES for edge in EDGES
    )

    engine: Text
    generation: Text
    gpu: Text | None = None
    model: Text | None = None
    validity: Text | None = None
    fitted: date | None = None

    @model_validator(mode="after")
    def _id_says_what_it_is_for(self) -> CalibrationFile:
        if self.model is not None and self.gpu is None:
            raise complain(("model",), "a calibration of one model is of one GPU: name it under `gpu`")
        found = [name for name in self.EXPERT_FIGURES if name in self.figures]
        if found and len(found) < len(self.EXPERT_FIGURES):
            absent = next(name for name in self.EXPERT_FIGURES if name not in found)
            raise complain(("figures", absent), f"missing, although {found[0]} is there")
        expected = calibration_id(self.engine, self.generation, self.gpu, self.model)
        if self.id != expected:
            about = "GPU and model" if self.model else "GPU" if self.gpu else "generation"
            raise complain(("id",), f"expected {expected} for this engine and {about}")
        return self


def to_calibration(data: dict[str, Any], path: Path) -> Calibration:
    """The validated file as the speed model sees it."""
    file = validate(data, CalibrationFile, path)
    figures = file.resolve()
    others = (*CalibrationFile.REQUIRED_FIGURES, *CalibrationFile.EXPERT_FIGURES, MOST)
    coefficients = {name: float(figures[name]) for name in figures if name not in others}
    return Calibration(
        id=file.id,
        engine=file.engine,
        generation=file.generation,
        coefficients=coefficients,
        bands=_bands(figures, ""),
        expert_bands=_bands(figures, EXPERTS) if CalibrationFile.EXPERT_FIGURES[0] in figures else {},
        rows=figures.count("rows"),
        fitted=file.fitted,
        gpu=file.gpu,
        model=file.model,
        validity=file.validity,
        most_seqs=figures.count(MOST) if MOST in figures else None,
        provenance=figures.provenance,
    )


def _bands(figures: Figures, start: str) -> dict[str, ResidualBand]:
    return {
        name: ResidualBand(
            low_ratio=figures[f"{start}{name}_low_ratio"],
            high_ratio=figures[f"{start}{name}_high_ratio"],
            rows=figures.count(f"{start}{name}_rows"),
        )
        for name in QUANTITIES
    }


def calibration_library(layers: Sequence[Path]) -> Library[Calibration]:
    """Every calibration, by id."""
    return Library(layers, "calibration", to_calibration, kind="calibration")


def load_calibrations(layers: Sequence[Path]) -> tuple[Calibration, ...]:
    """All calibrations of all layers: there are few, and selecting one needs to see which exist."""
    return tuple(calibration_library(layers).values())

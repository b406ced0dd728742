"""JSON Schemas of the catalogue's files, for editors: generated from the models that read them."""

from __future__ import annotations

from typing import Any, Final

from llmplan.catalogs.calibrations import CalibrationFile
from llmplan.catalogs.engines import EngineFile
from llmplan.catalogs.entity_file import EntityFile, SourcedFile
from llmplan.catalogs.formats import FormatFile
from llmplan.catalogs.gpus import GpuFile
from llmplan.catalogs.hosts import HostFile
from llmplan.catalogs.models import ModelFile
from llmplan.catalogs.price_schema import price_schema
from llmplan.catalogs.workloads import WorkloadFile

FILES: Final[tuple[tuple[str, type[SourcedFile]], ...]] = (
    ("gpus", GpuFile),
    ("hosts", HostFile),
    ("engines", EngineFile),
    ("models", ModelFile),
    ("workloads", WorkloadFile),
    ("formats", FormatFile),
    ("calibration", CalibrationFile),
)
"""folder, model of its files"""


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each folder's files by folder name."""
    return {folder: schema_of(model, folder) for folder, model in FILES} | {"prices": price_schema()}


def schema_of(model: type[SourcedFile], folder: str) -> dict[str, Any]:
    """One schema. With `extends` nothing is required, since the entry below supplies it."""
    body = model.model_json_schema()
    body["properties"]["extends"] = {"type": "string", "description": "id of the entry that this file patches"}
    required = body.pop("required")
    if issubclass(model, EntityFile):
        _name_figures(body["properties"]["figures"], model)
        required = [*required, "figures"] if model.REQUIRED_FIGURES else required
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{folder}/*.yaml",
        **{key: value for key, value in body.items() if key != "title"},
        "if": {"required": ["extends"]},
        "then": {"required": ["id"]},
        "else": {"required": required},
    }


def _name_figures(figures: dict[str, Any], model: type[EntityFile]) -> None:
    """List the figures by name instead of allowing any."""
    if model.KNOWN_FIGURES:
        figures["properties"] = dict.fromkeys(model.KNOWN_FIGURES, figures["additionalProperties"])
        figures["additionalProperties"] = False

"""`hosts/<id>.yaml` -> HostSpec."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from llmplan.catalogs.entity_file import EntityFile, Text
from llmplan.catalogs.library import Library
from llmplan.catalogs.yaml_file import validate
from llmplan.spec.host import HostSpec


class HostFile(EntityFile):
    """One kind of machine around the GPUs. Empty `gpu_forms` and `gpu_architectures` mean any."""

    REQUIRED_FIGURES: ClassVar[tuple[str, ...]] = (
        "gpus", "memory_gib", "memory_bandwidth_gb_per_s", "cpu_cores", "pcie_gb_per_s", "fast_link_gpus",
    )  # fmt: skip
    KNOWN_FIGURES: ClassVar[tuple[str, ...]] = (*REQUIRED_FIGURES, "network_gbit_per_s", "storage_gb_per_s")

    name: Text
    gpu_forms: list[Text] = Field(default_factory=list)
    gpu_architectures: list[Text] = Field(default_factory=list)
    gpu_segments: list[Text] = Field(default_factory=list)


def to_host(data: dict[str, Any], path: Path) -> HostSpec:
    """The validated file as the planner sees it."""
    file = validate(data, HostFile, path)
    figures = file.resolve()
    return HostSpec(
        id=file.id,
        name=file.name,
        aliases=tuple(file.aliases),
        gpus=figures.count("gpus"),
        memory_bytes=figures.count("memory_bytes"),
        memory_bandwidth_bytes_per_s=figures["memory_bandwidth_bytes_per_s"],
        cpu_cores=figures.count("cpu_cores"),
        pcie_bytes_per_s=figures["pcie_bytes_per_s"],
        fast_link_gpus=figures.count("fast_link_gpus"),
        network_bytes_per_s=figures.get("network_bytes_per_s"),
        storage_bytes_per_s=figures.get("storage_bytes_per_s"),
        gpu_forms=tuple(file.gpu_forms),
        gpu_architectures=tuple(file.gpu_architectures),
        gpu_segments=tuple(file.gpu_segments),
        provenance=figures.provenance,
    )


def host_library(layers: Sequence[Path]) -> Library[HostSpec]:
    """Every host, by id or alias."""
    return Library(layers, "hosts", to_host, kind="host")

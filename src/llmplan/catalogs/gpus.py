"""`gpus/<id>.yaml` -> GpuSpec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from llmplan.catalogs.entity_file import EntityFile, Strict, Text, complain
from llmplan.catalogs.library import Library
from llmplan.catalogs.yaml_file import Key, validate
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.provenance import Provenance

PEAK_FORMATS = ("fp32", "fp16", "bf16", "fp8", "int8", "fp4")
_BF16_FROM = (8, 0)


Platform: TypeAlias = Literal["modal", "runpod", "runpod-serverless", "skypilot", "dstack", "cloud-run"]


class PlatformName(Strict):
    """What a platform that rents this GPU calls it, as its own files write it."""

    name: Text
    source: Text | None = None
    note: Text | None = None


class GpuFile(EntityFile):
    """One kind of GPU. Peaks are dense: half of a figure quoted "with sparsity"."""

    KNOWN_FIGURES: ClassVar[tuple[str, ...]] = (
        "memory_gib", "memory_bandwidth_gb_per_s", *(f"peak_{name}_tflop_per_s" for name in PEAK_FORMATS),
        "link_gb_per_s", "pcie_gb_per_s", "tdp_w", "mig_instances_max",
    )  # fmt: skip
    REQUIRED_FIGURES: ClassVar[tuple[str, ...]] = ("memory_gib", "memory_bandwidth_gb_per_s")

    name: Text
    vendor: Literal["NVIDIA", "AMD", "Intel", "Apple", "Google", "AWS"]
    architecture: Text
    segment: Literal["datacenter", "workstation", "consumer", "superchip", "desktop", "edge"]
    form: Text
    compute_capability: Text | None = None
    link: Text = "none"
    platform_names: dict[Platform, PlatformName] = Field(default_factory=dict)

    def cited(self) -> Iterator[tuple[tuple[Key, ...], str]]:
        """Also the sources of the names on platforms."""
        yield from super().cited()
        for platform, called in self.platform_names.items():
            if called.source is not None:
                yield ("platform_names", platform, "source"), called.source

    @model_validator(mode="after")
    def _capability_is_consistent(self) -> GpuFile:
        capability = read_capability(self.compute_capability, ("compute_capability",))
        if capability is not None and capability < _BF16_FROM and "peak_bf16_tflop_per_s" in self.figures:
            raise complain(("figures", "peak_bf16_tflop_per_s"), "no bf16 arithmetic below compute capability 8.0")
        if (self.link != "none") != ("link_gb_per_s" in self.figures):
            raise complain(("link",), "a link needs the figure link_gb_per_s, and the other way round")
        return self


def read_capability(text: str | None, at: tuple[str | int, ...]) -> tuple[int, int] | None:
    """`"8.6"` as (8, 6)."""
    if text is None:
        return None
    major, _, minor = text.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise _not_a_capability(text, at)
    return int(major), int(minor)


def _not_a_capability(text: str, at: tuple[str | int, ...]) -> PydanticCustomError:
    return complain(at, f'{text!r} is not a compute capability (write "8.6", in quotes)')


def to_gpu(data: dict[str, Any], path: Path) -> GpuSpec:
    """The validated file as the planner sees it."""
    file = validate(data, GpuFile, path)
    figures = file.resolve()
    return GpuSpec(
        id=file.id,
        name=file.name,
        aliases=tuple(file.aliases),
        vendor=file.vendor,
        architecture=file.architecture,
        segment=file.segment,
        form=file.form,
        memory_bytes=figures.count("memory_bytes"),
        memory_bandwidth_bytes_per_s=figures["memory_bandwidth_bytes_per_s"],
        peak_flop_per_s=figures.grouped("peak", "flop_per_s"),
        compute_capability=read_capability(file.compute_capability, ()),
        link=file.link,
        link_bytes_per_s=figures.get("link_bytes_per_s") or 0.0,
        pcie_bytes_per_s=figures.get("pcie_bytes_per_s"),
        tdp_w=figures.get("tdp_w"),
        mig_instances_max=round(figures.get("mig_instances_max") or 0),
        platform_names={platform: called.name for platform, called in file.platform_names.items()},
        provenance={**figures.provenance, **names_provenance(file)},
    )


def names_provenance(file: GpuFile) -> dict[str, Provenance]:
    """Where each name on a platform comes from, under `platform_names.PLATFORM`."""
    return {
        f"platform_names.{platform}": file.cite(
            ("platform_names", platform), called.source, None, "published", called.note
        )
        for platform, called in file.platform_names.items()
    }


VENDORS = ("nvidia", "amd")
_BREAKS = re.compile(r"[\s_/]+")


class GpuLibrary(Library[GpuSpec]):
    """GPUs by id or alias. People write the maker's name before it and spaces in it, which says nothing new."""

    def _look_for(self, name: str) -> str | None:
        """The case-folded file name; `NVIDIA H100 80GB` means what `h100-80gb` does."""
        found = super()._look_for(name)
        return found if found is not None else super()._look_for(plain_name(name))


def plain_name(name: str) -> str:
    """A product name as aliases write it.

    >>> plain_name("NVIDIA A100 80GB"), plain_name("nvidia_l4")
    ('a100-80gb', 'l4')
    """
    words = _BREAKS.sub("-", name.strip().casefold()).split("-")
    return "-".join(words[1:] if len(words) > 1 and words[0] in VENDORS else words)


def gpu_library(layers: Sequence[Path]) -> Library[GpuSpec]:
    """Every GPU, by id or alias."""
    return GpuLibrary(layers, "gpus", to_gpu, kind="GPU")

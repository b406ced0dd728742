"""`engines/<engine>@<version>.yaml` -> EngineSpec. `vllm`, `vllm@0.33` and `vllm@0.33.0` all lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator, model_validator

from llmplan.catalogs.entity_file import EntityFile, Figures, Number, Strict, Text, complain
from llmplan.catalogs.gpus import read_capability
from llmplan.catalogs.library import Library
from llmplan.catalogs.yaml_file import Key, validate
from llmplan.spec.engine import EngineSpec, FormatSupport, KvPoolRule, SchedulerDefault, StaticReserve
from llmplan.spec.provenance import FigureKind, Provenance
from llmplan.units import GIB


class _Sourced(Strict):
    """An entry of a list or table that may name a source of its own."""

    source: Text | None = None
    kind: FigureKind | None = None
    note: Text | None = None


class Scheduler(_Sourced):
    """Limits chosen for GPUs with at least `min_memory_gib`."""

    min_memory_gib: Number = Field(ge=0)
    max_num_batched_tokens: int = Field(gt=0)
    max_num_seqs: int = Field(gt=0)
    not_architectures: list[Text] = Field(default_factory=list)
    min_tp: int = Field(default=1, gt=0)
    graph_seqs: int | None = Field(default=None, gt=0)
    whole_prompts_tokens: int = Field(default=0, ge=0)


class Support(_Sourced):
    """Compute capabilities, as text ("8.9")."""

    min: Text
    max: Text | None = None
    native_from: Text | None = None


class Method(_Sourced):
    """A quantization method that a checkpoint may state; `deprecated`: read only where the launch says so."""

    name: Text
    deprecated: bool = False


class Build(_Sourced):
    """What the published wheel or image is built on. `version` is CUDA's, as text ("13.0"); null: not known."""

    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None


class Builds(Strict):
    """The published build, by toolkit."""

    cuda: Build | None = None


class EngineFile(EntityFile):
    """One version of one engine. `aliases` are other names of the engine (`trtllm`), good with any version."""

    REQUIRED_FIGURES: ClassVar[tuple[str, ...]] = ("memory_fraction", "block_tokens")
    RESERVE_FIGURES: ClassVar[tuple[str, ...]] = (
        "reserve_fixed_mib", "reserve_per_prefill_token_mib", "reserve_min_prefill_tokens", "reserve_per_rank_mib",
        "reserve_per_decode_seq_mib", "reserve_prefill_graphs_mib", "reserve_latent_graphs_mib", "reserve_floor_mib",
        "reserve_floor_from_gib",
    )  # fmt: skip
    KNOWN_FIGURES: ClassVar[tuple[str, ...]] = (
        *REQUIRED_FIGURES, *RESERVE_FIGURES, "vocab_padding_rows", "start_fixed_s",
    )  # fmt: skip

    engine: Text
    version: Text
    stable: bool = True
    name: Text
    image: Text | None = None
    kv_pool_rule: KvPoolRule
    cuda_graphs_in_budget: bool
    paged: bool = True
    tensor_parallel: bool = True
    host_layers: bool = False
    host_weights: bool = False
    host_kv: bool = False
    multi_lora: bool = False
    max_lora_ranks: list[int] = Field(default_factory=list)
    windowed_architectures: list[Text] = Field(default_factory=list)
    legacy_host: bool = False
    prompts_first: bool = False
    reserves_output: bool = False
    calibrated_as: Text | None = None
    min_compute_capability: Text
    compute_capabilities: list[Text] = Field(default_factory=list)
    builds: Builds = Builds()
    scheduler_defaults: list[Scheduler] = Field(min_length=1)
    weight_formats: dict[str, Support]
    kv_formats: dict[str, Support]
    quantization_methods: list[Method] = Field(default_factory=list)

    @field_validator("image")
    @classmethod
    def _image_is_pinned(cls, image: str | None) -> str | None:
        if image is not None and (":" not in image.rpartition("/")[2] or image.endswith(":latest")):
            raise complain(("image",), f"{image!r} names no fixed tag")
        return image

    @model_validator(mode="after")
    def _names_and_capabilities(self) -> EngineFile:
        if self.id != f"{self.engine}@{self.version}":
            raise complain(("id",), f"must be {self.engine}@{self.version}")
        read_capability(self.min_compute_capability, ("min_compute_capability",))
        stated = [name for name in self.RESERVE_FIGURES if name in self.figures]
        if stated and len(stated) != len(self.RESERVE_FIGURES):
            missing = next(name for name in self.RESERVE_FIGURES if name not in self.figures)
            raise complain(("figures",), f"{stated[0]} needs {missing} beside it")
        for index, text in enumerate(self.compute_capabilities):
            read_capability(text, ("compute_capabilities", index))
        for table in ("weight_formats", "kv_formats"):
            for name, support in getattr(self, table).items():
                for key in ("min", "max", "native_from"):
                    read_capability(getattr(support, key), (table, name, key))
        return self

    def entries(self) -> Iterator[tuple[tuple[Key, ...], _Sourced]]:
        """Every list or table entry with a source, and where it stands."""
        if self.builds.cuda is not None:
            yield ("builds", "cuda"), self.builds.cuda
        for index, method in enumerate(self.quantization_methods):
            yield ("quantization_methods", index), method
        for index, scheduler in enumerate(self.scheduler_defaults):
            yield ("scheduler_defaults", index), scheduler
        for table in ("weight_formats", "kv_formats"):
            for name, support in getattr(self, table).items():
                yield (table, name), support

    def cited(self) -> Iterator[tuple[tuple[Key, ...], str]]:
        """Also the entries' own sources."""
        yield from super().cited()
        for at, entry in self.entries():
            if entry.source is not None:
                yield (*at, "source"), entry.source

    def entry_provenance(self) -> dict[str, Provenance]:
        """`scheduler_defaults.0`, `weight_formats.fp8`: where each entry came from."""
        return {
            ".".join(map(str, at)): self.cite(at, entry.source, None, entry.kind, entry.note)
            for at, entry in self.entries()
        }


def to_engine(data: dict[str, Any], path: Path) -> EngineSpec:
    """The validated file as the planner sees it."""
    file = validate(data, EngineFile, path)
    figures = file.resolve()
    return EngineSpec(
        id=file.engine,
        version=file.version,
        name=file.name,
        aliases=tuple(file.aliases),
        image=file.image,
        kv_pool_rule=file.kv_pool_rule,
        memory_fraction=figures["memory_fraction"],
        block_tokens=figures.count("block_tokens"),
        cuda_graphs_in_budget=file.cuda_graphs_in_budget,
        static_reserve=_reserve(figures),
        scheduler_defaults=tuple(_scheduler(entry) for entry in file.scheduler_defaults),
        min_compute_capability=_capability(file.min_compute_capability),
        compute_capabilities=tuple(_capability(text) for text in file.compute_capabilities),
        cuda_version=_toolkit(file.builds.cuda),
        weight_formats={name: _support(entry) for name, entry in file.weight_formats.items()},
        kv_formats={name: _support(entry) for name, entry in file.kv_formats.items()},
        quantization_methods=tuple(method.name for method in file.quantization_methods),
        deprecated_methods=tuple(method.name for method in file.quantization_methods if method.deprecated),
        vocab_padding=round(figures.get("vocab_padding_rows") or 1),
        paged=file.paged,
        tensor_parallel=file.tensor_parallel,
        host_layers=file.host_layers,
        host_weights=file.host_weights,
        host_kv=file.host_kv,
        multi_lora=file.multi_lora,
        max_lora_ranks=tuple(file.max_lora_ranks),
        windowed_architectures=tuple(file.windowed_architectures),
        legacy_host=file.legacy_host,
        prompts_first=file.prompts_first,
        reserves_output=file.reserves_output,
        calibrated_as=file.calibrated_as,
        start_fixed_s=figures.get("start_fixed_s"),
        provenance={**figures.provenance, **file.entry_provenance()},
    )


def _scheduler(entry: Scheduler) -> SchedulerDefault:
    return SchedulerDefault(
        min_memory_bytes=round(entry.min_memory_gib * GIB),
        max_num_batched_tokens=entry.max_num_batched_tokens,
        max_num_seqs=entry.max_num_seqs,
        not_architectures=tuple(entry.not_architectures),
        min_tp=entry.min_tp,
        graph_seqs=entry.graph_seqs,
        whole_prompts_tokens=entry.whole_prompts_tokens,
    )


def _reserve(figures: Figures) -> StaticReserve | None:
    if "reserve_fixed_bytes" not in figures:
        return None
    return StaticReserve(
        fixed_bytes=figures["reserve_fixed_bytes"],
        per_prefill_token_bytes=figures["reserve_per_prefill_token_bytes"],
        min_prefill_tokens=figures.count("reserve_min_prefill_tokens"),
        per_rank_bytes=figures["reserve_per_rank_bytes"],
        per_decode_seq_bytes=figures["reserve_per_decode_seq_bytes"],
        prefill_graphs_bytes=figures["reserve_prefill_graphs_bytes"],
        latent_graphs_bytes=figures["reserve_latent_graphs_bytes"],
        floor_bytes=figures["reserve_floor_bytes"],
        floor_from_bytes=figures["reserve_floor_from_bytes"],
    )


def _support(entry: Support) -> FormatSupport:
    return FormatSupport(
        min_compute_capability=_capability(entry.min),
        max_compute_capability=read_capability(entry.max, ()),
        native_from=read_capability(entry.native_from, ()),
    )


def _toolkit(build: Build | None) -> tuple[int, int] | None:
    if build is None or build.version is None:
        return None
    major, minor = build.version.split(".")
    return int(major), int(minor)


def _capability(text: str) -> tuple[int, int]:
    capability = read_capability(text, ())
    assert capability is not None
    return capability


class EngineLibrary(Library[EngineSpec]):
    """Engines by `engine@version`, by `engine@0.33` (the newest that begins so) or by name (the newest stable one)."""

    def _look_for(self, name: str) -> str | None:
        """The case-folded file name that an engine name leads to."""
        engine, _, version = name.casefold().partition("@")
        versions = self._versions(engine)
        if version:
            version = version.removeprefix("v")
            fitting = [own for own in versions if own == version or own.startswith((f"{version}.", f"{version}-"))]
        else:
            fitting = [own for own in versions if self._is_stable(f"{engine_of(versions[own])}@{own}")] or list(
                versions
            )
        best = max(fitting, key=version_key, default=None)
        return versions[best] if best is not None else None

    def _versions(self, engine: str) -> dict[str, str]:
        """version -> file name, of the engine with this name or alias."""
        by_engine: dict[str, dict[str, str]] = {}
        for stem in self._entries:
            own, _, version = stem.partition("@")
            by_engine.setdefault(own, {})[version] = stem
        if engine in by_engine:
            return by_engine[engine]
        for versions in by_engine.values():
            if any(engine in self._aliases_of(self._entries[stem]) for stem in versions.values()):
                return versions
        return {}

    def names(self) -> list[str]:
        """Also the engines without a version."""
        return sorted({*super().names(), *(engine_of(stem) for stem in self._entries)})

    def _is_stable(self, stem: str) -> bool:
        return self._raw(stem).get("stable", True) is True


def engine_of(stem: str) -> str:
    """The engine part of `engine@version`."""
    return stem.partition("@")[0]


def version_key(version: str) -> tuple[int, ...]:
    """Versions in order of age; one without numbers (`main`) comes first.

    >>> version_key("0.33.0") > version_key("0.9.1"), version_key("b11434"), version_key("main")
    (True, (11434,), ())
    """
    return tuple(int(part) for part in re.findall(r"\d+", version))


def engine_library(layers: Sequence[Path]) -> EngineLibrary:
    """Every engine version."""
    return EngineLibrary(layers, "engines", to_engine, kind="engine")

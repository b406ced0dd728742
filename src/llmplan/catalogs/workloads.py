"""`workloads/<id>.yaml` -> Workload, and a user's own `--workload chat.yaml`, where the user is the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from llmplan.catalogs.entity_file import STATED, EntityFile, Figures, Number, Strict, Text, complain
from llmplan.catalogs.library import Library
from llmplan.catalogs.traffic_entry import Cited, TrafficEntry
from llmplan.catalogs.yaml_file import Key, read_yaml, validate
from llmplan.errors import DataError
from llmplan.spec.provenance import Provenance
from llmplan.spec.workload import Lengths, Slo, Workload
from llmplan.units import MS_PER_S

_LENGTHS = tuple(f"{side}_{part}tokens" for side in ("input", "output") for part in ("", "p50_", "p90_", "p99_"))
_COUNTS = ("tenants", "adapters", "prefixes", "lora_rank", "context_tokens")
_SHARES = ("idle_share", "prefix_share")
_PROMISES = ("ttft_p95_ms", "tpot_p95_ms", "e2e_p95_ms")
_FLAGS = {
    "requests_per_second": "requests_per_s",
    "isl": "input_tokens",
    "osl": "output_tokens",
    "burstiness": "cv_interarrival",
}
"""figures that a user's file may also call by the name of their flag"""
_PLAIN = ("requests_per_s", "concurrency", "peak_to_mean", "cv_interarrival", "hours_per_day", "idle_bin_s")


class WorkloadFile(EntityFile):
    """Traffic in steady terms. `input_tokens` and `output_tokens` are means per request."""

    REQUIRED_FIGURES: ClassVar[tuple[str, ...]] = ("input_tokens", "output_tokens")
    KNOWN_FIGURES: ClassVar[tuple[str, ...]] = (*_PLAIN, *_LENGTHS, *_SHARES, *_COUNTS)

    name: Text
    traffic: TrafficEntry | None = None

    def cited(self) -> Iterator[tuple[tuple[Key, ...], str]]:
        """Also the sources of the parts of `traffic`."""
        yield from super().cited()
        for at, part in self._parts():
            if part.source is not None:
                yield (*at, "source"), part.source

    def dated(self) -> Iterator[tuple[tuple[Key, ...], date]]:
        """Also their dates."""
        yield from super().dated()
        for at, part in self._parts():
            if part.as_of is not None:
                yield (*at, "as_of"), part.as_of

    def _parts(self) -> Iterator[tuple[tuple[Key, ...], Cited]]:
        return iter(()) if self.traffic is None else self.traffic.parts()

    def traffic_provenance(self) -> dict[str, Provenance]:
        """Where each part of `traffic` comes from, as `traffic.PART`."""
        found = {}
        for at, part in self._parts():
            if part.source is None and self.defaults.source is None and self.USER_MAY_BE_SOURCE:
                found[".".join(map(str, at))] = STATED
            else:
                found[".".join(map(str, at))] = self.cite(at, part.source, part.as_of, part.kind, part.note)
        return found

    @model_validator(mode="after")
    def _traffic_makes_sense(self) -> WorkloadFile:
        self.traffic_provenance()
        if self.traffic is not None:
            weights = self.traffic.shape().tenant_weights
            if weights and len(weights) != (self.resolve().count("tenants") if "tenants" in self.figures else 1):
                raise complain(("traffic", "tenants"), f"{len(weights)} weights need `tenants: {len(weights)}`")
        return self

    @model_validator(mode="after")
    def _figures_make_sense(self) -> WorkloadFile:
        values = self.resolve().values
        for name in ("requests_per_s", "concurrency", "input_tokens", "output_tokens", "tenants"):
            if name in values and values[name] == 0:
                raise complain(("figures", name), "must be more than zero")
        for name in _SHARES:
            if values.get(name, 0.0) > 1:
                raise complain(("figures", name), "a share is between 0 and 1")
        if values.get("idle_share", 0.0) == 1 or values.get("idle_bin_s", 1.0) == 0:
            raise complain(
                ("figures", "idle_share"), "there is some traffic: less than 1, counted by bins of some length"
            )
        if values.get("peak_to_mean", 1.0) < 1:
            raise complain(("figures", "peak_to_mean"), "a peak is at least the mean: 1 or more")
        if values.get("hours_per_day", 24.0) > 24:
            raise complain(("figures", "hours_per_day"), "a day has 24 hours")
        if "requests_per_s" in values and "concurrency" in values:
            raise complain(("figures", "concurrency"), "give requests_per_s (open loop) or concurrency, not both")
        for side in ("input", "output"):
            self._percentiles_rise(side, values)
        return self

    def _percentiles_rise(self, side: str, values: Mapping[str, float]) -> None:
        names = [f"{side}_p{percent}_tokens" for percent in (50, 90, 99)]
        known = [name for name in names if name in values]
        for lower, higher in pairwise(known):
            if values[lower] > values[higher]:
                raise complain(("figures", higher), f"less than {lower}")


class SloEntry(Strict):
    """Latency promised for 95 of 100 requests, in milliseconds."""

    ttft_p95_ms: Number | None = Field(default=None, gt=0)
    tpot_p95_ms: Number | None = Field(default=None, gt=0)
    e2e_p95_ms: Number | None = Field(default=None, gt=0)

    def to_slo(self) -> Slo:
        """In seconds."""
        seconds = {key: value / MS_PER_S for key, value in self if value is not None}
        return Slo(**{key.replace("_ms", "_s"): value for key, value in seconds.items()})


class UserWorkloadFile(WorkloadFile):
    """A user's file: the same figures, under `figures` or plainly at the top, also by the names of their flags.

    Id, name and sources are optional; the promises may stand at the top or under `slo`.
    """

    USER_MAY_BE_SOURCE: ClassVar[bool] = True

    slo: SloEntry = SloEntry()

    @model_validator(mode="before")
    @classmethod
    def _figures_may_stand_at_the_top(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        renamed = {
            _FLAGS[key] if key in _FLAGS and _FLAGS[key] not in data else key: value for key, value in data.items()
        }
        return _gathered(_gathered(renamed, "figures", cls.KNOWN_FIGURES), "slo", _PROMISES)

    @classmethod
    def accepts_id(cls, value: str) -> bool:
        """Anything: it is only shown."""
        return bool(value)

    @field_validator("aliases")
    @classmethod
    def _no_aliases(cls, values: list[str]) -> list[str]:
        if values:
            raise PydanticCustomError("file", "aliases belong to catalogue entries")
        return values


def _gathered(data: dict[str, Any], under: str, names: Sequence[str]) -> dict[str, Any]:
    """The mapping with what stands plainly at the top moved under one key; what stands there already wins."""
    stated = data.get(under, {})
    loose = {key: value for key, value in data.items() if key in names}
    if not loose or not isinstance(stated, dict):
        return data
    return {key: value for key, value in data.items() if key not in loose} | {under: loose | stated}


def to_workload(data: dict[str, Any], path: Path) -> Workload:
    """A catalogue entry as the planner sees it."""
    return _workload(validate(data, WorkloadFile, path))


def read_workload_file(path: Path) -> Workload:
    """A user's workload.yaml."""
    return _workload(_user_file(path))


def read_workload_slo(path: Path) -> Slo:
    """The latency that a user's workload.yaml promises under `slo`; empty if it promises none."""
    return _user_file(path).slo.to_slo()


def _user_file(path: Path) -> UserWorkloadFile:
    data = read_yaml(path)
    data.setdefault("id", path.stem)
    data.setdefault("name", data["id"])
    try:
        return validate(data, UserWorkloadFile, path)
    except DataError as error:
        known = (*_FLAGS, "concurrency", "peak_to_mean", "input_p99_tokens", "output_p99_tokens", *_COUNTS, *_PROMISES)
        raise DataError(error.message, hints=[f"keys are for example {', '.join(known)}"]) from error


def _workload(file: WorkloadFile) -> Workload:
    figures = file.resolve()
    stated: dict[str, Any] = {name: figures[name] for name in (*_PLAIN, *_SHARES) if name in figures}
    stated |= {name: figures.count(name) for name in _COUNTS if name in figures}
    return Workload(
        id=file.id,
        name=file.name,
        input_tokens=_lengths(figures, "input"),
        output_tokens=_lengths(figures, "output"),
        traffic=None if file.traffic is None else file.traffic.shape(),
        provenance={**figures.provenance, **file.traffic_provenance()},
        **stated,
    )


def _lengths(figures: Figures, side: str) -> Lengths:
    return Lengths(
        mean=figures[f"{side}_tokens"],
        p50=figures.get(f"{side}_p50_tokens"),
        p90=figures.get(f"{side}_p90_tokens"),
        p99=figures.get(f"{side}_p99_tokens"),
    )


def workload_library(layers: Sequence[Path]) -> Library[Workload]:
    """Every named workload."""
    return Library(layers, "workloads", to_workload, kind="workload")

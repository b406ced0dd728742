"""From benchmark results to points that coefficients can be fitted to: each load with the replica that carried it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmplan.cli._case_lines import LineReader
from llmplan.errors import DataError, LlmplanError, UsageError

if TYPE_CHECKING:
    from llmplan.cli._options import ReplicaFlags
    from llmplan.cli._workbench import Workbench
    from llmplan.perf.machine import Point
    from llmplan.plan.load import Load, LoadKind
    from llmplan.plan.observation import BenchmarkReading, SpeedObservation
    from llmplan.plan.outcome import Rejection

MAX_POINTS = 1000
QUANTITY_NAMES = {"tpot": "TPOT", "ttft": "TTFT", "throughput": "throughput"}
LOAD_HINT = "say it for the results that do not: --concurrency N or --rate R"


@dataclass(slots=True)
class Gathered:
    """Points, and what was passed over with its reason."""

    points: list[Point] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[LlmplanError] = field(default_factory=list)
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the command line says: the model, the replica, and the load of results that state none."""

    model: str | None
    replica: ReplicaFlags
    kind: LoadKind | None
    value: float


def gather(readings: Sequence[BenchmarkReading], said: Said, bench: Workbench) -> Gathered:
    """A point for every load that can be used."""
    found = Gathered()
    for reading in readings:
        found.skipped += reading.skipped
        found.notes += reading.notes
    flags = with_server(readings, said.replica, found)
    reader = LineReader(said.model, {"replica": flags})
    for reading in readings:
        for observation in reading.observations:
            try:
                _add(observation, said, reader, bench, found)
            except LlmplanError as error:
                found.errors.append(error)
                found.skipped.append(f"{observation.origin}: {error.message.splitlines()[0]}")
    if len(found.points) > MAX_POINTS:
        raise UsageError(f"{len(found.points):,} loads are more than can be fitted (limit {MAX_POINTS:,})")
    return found


def with_server(readings: Sequence[BenchmarkReading], flags: ReplicaFlags, found: Gathered) -> ReplicaFlags:
    """The replica as its own logs and results describe it, where no flag says otherwise."""
    usual = type(flags)()
    stated: dict[str, tuple[Any, str]] = {}
    for reading in readings:
        for name, value in reading.server.items():
            known, origin = stated.setdefault(name, (value, reading.name))
            if known != value:
                raise UsageError(
                    f"{origin} says {shown(name)} {known}, {reading.name} says {value}: a calibration is of one server",
                    hints=["calibrate with the results of one server at a time"],
                )
    changes: dict[str, Any] = {}
    for name, (value, origin) in stated.items():
        given = getattr(flags, name)
        if given == getattr(usual, name):
            if name != "engine_version" or "@" not in (flags.engine or ""):
                changes[name] = value
        elif given != value and not (name == "engine" and str(given).partition("@")[0] == value):
            found.notes.append(f"{origin} says {shown(name)} {value}; --{shown(name)} {given} counts")
    return dataclasses.replace(flags, **changes)


def shown(name: str) -> str:
    """A flag as it is typed."""
    return name.replace("_", "-")


def _add(observation: SpeedObservation, said: Said, reader: LineReader, bench: Workbench, found: Gathered) -> None:
    from llmplan.perf.machine import Point, impossible
    from llmplan.plan.outcome import Rejection

    load = _load(observation, said)
    model, flags = _model_and_flags(observation, reader)
    tokens = math.ceil(observation.input_tokens.mean) + math.ceil(observation.output_tokens.mean)
    replica = bench.build(model, flags, tokens).replica
    budget = bench.budget(replica)
    if isinstance(budget, Rejection):
        found.rejection = budget
        raise DataError(f"does not fit: {budget.reason}")
    point = Point.of(
        observation.origin, replica, budget, load, observation.measured, client=observation.client,
        samples=observation.samples,
    )  # fmt: skip
    beaten = impossible(point)
    for name in beaten:
        found.skipped.append(
            f"{observation.origin}: {QUANTITY_NAMES[name]} is faster than {replica.gpu.id} can serve "
            f"{replica.model.id}: another model or GPU, or speculative decoding"
        )
    kept = {name: value for name, value in point.measured.items() if name not in beaten}
    if kept:
        found.points.append(dataclasses.replace(point, measured=kept))
    elif not beaten:
        found.skipped.append(f"{observation.origin}: nothing that a {load.kind} of it can be held against")


def _load(observation: SpeedObservation, said: Said) -> Load:
    if observation.kind is not None:
        return observation.under(observation.kind, observation.value)
    if said.kind is None:
        raise UsageError("it does not say under which load", hints=[LOAD_HINT])
    return observation.under(said.kind, said.value)


def _model_and_flags(observation: SpeedObservation, reader: LineReader) -> tuple[str, ReplicaFlags]:
    """The row's own model and flags over those of the command line."""
    data: dict[str, Any] = dict(observation.flags)
    try:
        model, groups = reader.read(data)
    except UsageError as error:
        if "needs a model" not in error.message:
            raise
        called = f"; {observation.origin} calls it {observation.model!r}" if observation.model else ""
        raise UsageError(f"which model? --model is missing{called}", hints=["llmplan catalog list models"]) from None
    flags: ReplicaFlags = groups["replica"]
    return model, flags


def validity(points: Sequence[Point]) -> str:
    """The loads that were measured, in words: a calibration says little of others."""
    loads: Mapping[str, list[float]] = {
        kind: [point.load.value for point in points if point.load.kind == kind]
        for kind in ("concurrency", "rate", "burst", "saturation")
    }
    parts = [kind if kind == "saturation" else f"{kind} {_span(values)}" for kind, values in loads.items() if values]
    prompts = _span([point.load.input_tokens.mean for point in points])
    answers = _span([point.load.output_tokens.mean for point in points])
    replicas = sorted({f"{p.replica.weights.id} {p.replica.parallel.describe()}" for p in points})
    versions = sorted({point.replica.engine.ref for point in points})
    return f"{', '.join(parts)}; {prompts} tokens in, {answers} out; {', '.join(replicas)}; {', '.join(versions)}"


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"

"""aiperf's `profile_export_aiperf.json`, and genai-perf's of the same keys."""

from __future__ import annotations

from collections.abc import Sequence

from llmplan.measurements.benchmark.result import Fields, Result, lengths, passed_over
from llmplan.plan.load import LoadKind
from llmplan.plan.observation import BenchmarkReading, SpeedObservation

FORMAT = "aiperf profile_export_aiperf.json"
SECONDS = {"ms": 1e-3, "us": 1e-6, "ns": 1e-9, "s": 1.0, "sec": 1.0}


def recognizes(result: Result) -> bool:
    """Whether it has aiperf's metrics beside the configuration of the client."""
    if len(result.records) != 1:
        return False
    record = result.records[0]
    return "input_config" in record and isinstance(record.get("request_latency"), dict)


def read(result: Result) -> BenchmarkReading:
    """The one run of the file."""
    fields = Fields(result.records[0])
    observation = _observation(result.name, fields)
    if isinstance(observation, str):
        skipped = (passed_over(result.name, observation, fields),)
        return BenchmarkReading(name=result.name, format=FORMAT, skipped=skipped)
    failed = fields.number("error_request_count", "avg")
    notes = [f"{result.name}: {each}, not used" for each in fields.complaints]
    notes += [f"{result.name}: {failed:.0f} requests failed"] if failed else []
    return BenchmarkReading(name=result.name, format=FORMAT, observations=(observation,), notes=tuple(notes))


def _observation(origin: str, fields: Fields) -> SpeedObservation | str:
    """The run, or why it is of no use."""
    load = _load(fields)
    if load is None:
        return "neither a concurrency nor a request rate in its configuration"
    isl, osl = (lengths(fields.number(name, "avg")) for name in ("input_sequence_length", "output_sequence_length"))
    if isl is None or osl is None:
        return "no request lengths"
    observation = SpeedObservation(
        origin=origin,
        input_tokens=isl,
        output_tokens=osl,
        kind=load[0],
        value=load[1],
        ttft_s=_seconds(fields, "time_to_first_token"),
        tpot_s=_seconds(fields, "inter_token_latency") if osl.mean >= 1.5 else None,
        output_tokens_per_s=fields.number("output_token_throughput", "avg"),
        requests=fields.count("request_count", "avg"),
        model=fields.text("input_config", "models", "items", 0, "name")
        or fields.text("input_config", "endpoint", "model_names", 0),
    )
    return observation if observation.measured else "no usable speed"


def _seconds(fields: Fields, name: str) -> float | None:
    value, unit = fields.number(name, "avg"), fields.text(name, "unit")
    if value is not None and unit not in SECONDS:
        fields.complaints.append(f"{name} is in {unit or 'no unit'}")
        return None
    return None if value is None else value * SECONDS[unit or ""]


def _load(fields: Fields) -> tuple[LoadKind, float] | None:
    """What the measured phase asked for; a rate counts before the limit of concurrency beside it."""
    phases = fields.get("input_config", "phases")
    homes: list[Sequence[str | int]] = [("input_config", "loadgen"), ("input_config", "perf_analyzer", "stimulus")]
    for index, phase in enumerate(phases if isinstance(phases, list) else ()):
        if isinstance(phase, dict) and phase.get("kind", "profiling") == "profiling":
            homes.insert(0, ("input_config", "phases", index))
    for home in homes:
        rate = fields.first(((*home, "request_rate"), (*home, "rate")))
        if rate is not None:
            return "rate", rate
        users = fields.number(*home, "concurrency")
        if users is not None:
            return "concurrency", users
    return None

"""guidellm's JSON report: one benchmark for each strategy of a sweep."""

from __future__ import annotations

from llmplan.measurements.benchmark.result import Fields, Result, lengths, ms, passed_over
from llmplan.plan.load import LoadKind
from llmplan.plan.observation import BenchmarkReading, SpeedObservation

FORMAT = "guidellm report (JSON)"


def recognizes(result: Result) -> bool:
    """Whether it has benchmarks with guidellm's metrics."""
    if len(result.records) != 1:
        return False
    fields = Fields(result.records[0])
    return isinstance(fields.get("benchmarks", 0, "metrics", "time_to_first_token_ms"), dict)


def read(result: Result) -> BenchmarkReading:
    """Every benchmark in the report."""
    report = Fields(result.records[0])
    entries = report.get("benchmarks")
    found: list[SpeedObservation] = []
    skipped: list[str] = []
    notes: list[str] = []
    for number, entry in enumerate(entries, start=1):
        fields = Fields(entry)
        origin = result.name if len(entries) == 1 else f"{result.name} benchmark {number}"
        observation = _observation(origin, fields, report)
        if isinstance(observation, str):
            skipped.append(passed_over(origin, observation, fields))
            continue
        found.append(observation)
        notes += [f"{origin}: {each}, not used" for each in fields.complaints]
        errored = fields.count("metrics", "request_totals", "errored") or 0
        if errored:
            notes.append(f"{origin}: {errored} requests failed")
    return BenchmarkReading(
        name=result.name, format=FORMAT, observations=tuple(found), skipped=tuple(skipped), notes=tuple(notes)
    )


def _observation(origin: str, fields: Fields, report: Fields) -> SpeedObservation | str:
    """One benchmark, or why it is of no use."""
    load = _load(fields)
    if isinstance(load, str):
        return load
    isl, osl = (lengths(fields.number(*_of(name))) for name in ("prompt_token_count", "output_token_count"))
    if isl is None or osl is None:
        return "no request lengths"
    several = osl.mean >= 1.5
    tpot = fields.number(*_of("inter_token_latency_ms")) if several else None
    observation = SpeedObservation(
        origin=origin,
        input_tokens=isl,
        output_tokens=osl,
        kind=load[0],
        value=load[1],
        cv_interarrival=0.0 if _strategy(fields) == "constant" else 1.0,
        ttft_s=ms(fields.number(*_of("time_to_first_token_ms"))),
        tpot_s=ms(tpot),
        output_tokens_per_s=fields.number(*_of("output_tokens_per_second")),
        requests=fields.count("metrics", "request_totals", "successful"),
        model=fields.text("config", "backend", "model") or report.text("config", "spec", "backend", "model"),
    )
    return observation if observation.measured else "no usable speed"


def _of(name: str) -> tuple[str, ...]:
    """The mean over requests that succeeded. guidellm's time per output token counts the first one; its inter-token
    latency does not, and is what TPOT means elsewhere."""
    return ("metrics", name, "successful", "mean")


def _strategy(fields: Fields) -> str:
    return (
        fields.text("config", "strategy", "type_")
        or fields.text("args", "strategy", "type_")
        or fields.text("scheduler", "strategy", "type_")
        or ""
    )


def _load(fields: Fields) -> tuple[LoadKind, float] | str:
    strategy = _strategy(fields)
    homes = (("config", "strategy"), ("args", "strategy"), ("scheduler", "strategy"))
    match strategy:
        case "synchronous":
            return "concurrency", 1.0
        case "concurrent":
            streams = fields.first((*home, name) for home in homes for name in ("streams", "max_concurrency"))
            return "no number of streams" if streams is None else ("concurrency", streams)
        case "constant" | "poisson" | "async":
            rate = fields.first((*home, "rate") for home in homes)
            return "no rate" if rate is None else ("rate", rate)
        case "throughput":
            limit = fields.first((*home, "max_concurrency") for home in homes)
            return ("saturation", 0.0) if limit is None else ("concurrency", limit)
    return f"its load is a {strategy!r}" if strategy else "no strategy: nobody says under which load"

"""`vllm bench serve --save-result` (plain, detailed, appended); SGLang's `bench_serving` has the same keys."""

from __future__ import annotations

import math
from typing import Any

from llmplan.measurements.benchmark.result import Fields, Result, clean, lengths, ms, passed_over
from llmplan.plan.load import LoadKind
from llmplan.plan.observation import BenchmarkReading, SpeedObservation

FORMAT = "vllm bench serve --save-result (JSON)"
ENGINES = {"vllm": "vllm", "sglang": "sglang", "sglang-native": "sglang", "sglang-oai": "sglang"}
"""what a client's backend says of the server; an OpenAI one says nothing"""
FAILED_SHARE = 0.05


def recognizes(result: Result) -> bool:
    """Whether the keys are those of this format."""
    return bool(result.records) and all(
        "completed" in record and ("mean_ttft_ms" in record or "median_ttft_ms" in record) for record in result.records
    )


def read(result: Result) -> BenchmarkReading:
    """Every run in the file."""
    found: list[SpeedObservation] = []
    skipped: list[str] = []
    notes: list[str] = []
    for number, record in enumerate(result.records, start=1):
        origin = result.name if len(result.records) == 1 else f"{result.name} run {number}"
        fields = Fields(record)
        observation = _observation(origin, fields)
        if isinstance(observation, str):
            skipped.append(passed_over(origin, observation, fields))
            continue
        found.append(observation)
        notes += [f"{origin}: {each}, not used" for each in fields.complaints]
        failed, completed = fields.count("failed") or 0, fields.count("completed") or 0
        if failed > FAILED_SHARE * (failed + completed):
            notes.append(f"{origin}: {failed} of {failed + completed} requests failed")
    return BenchmarkReading(
        name=result.name, format=FORMAT, observations=tuple(found), server=_server(result), skipped=tuple(skipped),
        notes=tuple(notes),
    )  # fmt: skip


def _observation(origin: str, fields: Fields) -> SpeedObservation | str:
    """One run, or why it is of no use."""
    completed = fields.number("completed")
    prompts, answers = fields.number("total_input_tokens"), fields.number("total_output_tokens")
    if completed is None or prompts is None or answers is None:
        return "no completed requests with their tokens"
    isl = lengths(prompts / completed, fields.get("input_lens"))
    osl = lengths(answers / completed, fields.get("output_lens"))
    if isl is None or osl is None:
        return "requests of less than one token"
    load = _load(fields, completed)
    if isinstance(load, str):
        return load
    kind, value = load
    by_mean = fields.first((("mean_tpot_ms",), ("mean_itl_ms",)))
    average = "mean" if by_mean is not None or fields.number("mean_ttft_ms") is not None else "p50"
    word = "mean" if average == "mean" else "median"
    several = osl.mean >= 1.5
    tpot = fields.first(((f"{word}_tpot_ms",), (f"{word}_itl_ms",))) if several else None
    observation = SpeedObservation(
        origin=origin,
        input_tokens=isl,
        output_tokens=osl,
        kind=kind,
        value=value,
        cv_interarrival=_cv(fields),
        ttft_s=ms(fields.number(f"{word}_ttft_ms")),
        tpot_s=ms(tpot),
        output_tokens_per_s=fields.number("output_throughput"),
        definition="mean" if average == "mean" else "p50",
        requests=int(completed),
        model=fields.text("model_id"),
    )
    return observation if observation.measured else "no usable speed"


def _load(fields: Fields, completed: float) -> tuple[LoadKind, float] | str:
    """Closed loop, open loop or everything at once; a rate under a limit counts as whichever of them held."""
    requests = fields.number("num_prompts") or completed
    limit = fields.number("max_concurrency")
    rate = fields.get("request_rate")
    unbounded = rate is None or (isinstance(rate, str) and rate.strip().casefold() in ("inf", "infinity"))
    if unbounded or rate == math.inf:
        return ("concurrency", limit) if limit is not None and limit < requests else ("burst", requests)
    per_s = fields.number("request_rate")
    if per_s is None:
        return "no usable request rate"
    if limit is None:
        return "rate", per_s
    peak = fields.number("max_concurrent_requests")
    if peak is None:
        return "both a rate and a limit of concurrency, and it is not said which of them held"
    return ("rate", per_s) if peak < limit else ("concurrency", limit)


def _cv(fields: Fields) -> float:
    """Coefficient of variation of the gaps: `burstiness` is the shape of a gamma distribution."""
    shape = fields.number("burstiness")
    return 1.0 if shape is None else shape**-0.5


def _server(result: Result) -> dict[str, Any]:
    """The engine, where every run was made with a client of one."""
    engines = {ENGINES.get(clean(str(record.get("backend"))).casefold()) for record in result.records}
    engine = engines.pop() if len(engines) == 1 else None
    return {} if engine is None else {"engine": engine}

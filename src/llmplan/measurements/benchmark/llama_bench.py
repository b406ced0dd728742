"""`llama-bench -o json` or `jsonl`: prompt (pp), generation (tg) and both (pg), one sequence at a time."""

from __future__ import annotations

from typing import Any

from llmplan.measurements.benchmark.result import Fields, Result, clean, passed_over
from llmplan.plan.observation import BenchmarkReading, SpeedObservation
from llmplan.spec.workload import Lengths

FORMAT = "llama-bench -o json"
ENGINE = "llama-cpp"


def recognizes(result: Result) -> bool:
    """Whether every record has the test's sizes and its speed."""
    return bool(result.records) and all(
        {"n_prompt", "n_gen", "avg_ts"} <= record.keys() and "isl" not in record for record in result.records
    )


def read(result: Result) -> BenchmarkReading:
    """Every test."""
    found: list[SpeedObservation] = []
    skipped: list[str] = []
    on_cpu = 0
    for number, record in enumerate(result.records, start=1):
        origin = f"{result.name} test {number}"
        fields = Fields(record)
        observation = _observation(origin, fields)
        if isinstance(observation, str):
            skipped.append(passed_over(origin, observation, fields))
        else:
            found.append(observation)
            on_cpu += (fields.text("backends") or "").strip().upper() in ("CPU", "BLAS")
    notes = [f"{result.name}: {on_cpu} of its tests ran on a CPU, which says nothing about a GPU"] if on_cpu else []
    return BenchmarkReading(
        name=result.name, format=FORMAT, observations=tuple(found), server={"engine": ENGINE}, skipped=tuple(skipped),
        notes=tuple(notes),
    )  # fmt: skip


def _observation(origin: str, fields: Fields) -> SpeedObservation | str:
    """One test, or why it is of no use. A prompt that is only read is a request for one token."""
    per_s = fields.number("avg_ts")
    prompt, answer, depth = (fields.count(name) or 0 for name in ("n_prompt", "n_gen", "n_depth"))
    if per_s is None:
        return "no speed"
    if not prompt and not answer:
        return "neither a prompt nor an answer"
    layers = fields.count("n_gpu_layers")
    if layers == 0:
        return "no layer on the GPU"
    common: dict[str, Any] = {
        "origin": origin,
        "kind": "concurrency",
        "value": 1.0,
        "output_tokens": Lengths.fixed(float(max(answer, 1))),
        "requests": len(fields.get("samples_ts") or ()) or None,
        "model": _model(fields),
        "client": False,
        "samples": False,
    }
    if prompt and answer:
        total_s = (prompt + answer) / per_s
        return SpeedObservation(
            input_tokens=Lengths.fixed(float(prompt)), output_tokens_per_s=answer / total_s, **common
        )
    if prompt:
        if depth:
            share = depth / (depth + prompt)
            isl = Lengths.fixed(float(depth + prompt))
            return SpeedObservation(input_tokens=isl, prefix_share=share, ttft_s=prompt / per_s, **common)
        return SpeedObservation(input_tokens=Lengths.fixed(float(prompt)), ttft_s=prompt / per_s, **common)
    return SpeedObservation(input_tokens=Lengths.fixed(float(max(depth, 1))), tpot_s=1.0 / per_s, **common)


def _model(fields: Fields) -> str | None:
    name = fields.text("model_filename")
    return clean(name.replace("\\", "/").rsplit("/", 1)[-1]) if name else fields.text("model_type")

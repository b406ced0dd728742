"""vLLM's `/metrics` text: means since the server started, and its KV pool. It does not say under which load.

Sums and counts of the histograms give mean TTFT, TPOT and lengths over all requests so far, whatever the traffic was;
the text has no clock, so that neither rate nor throughput can be had, nor requests in flight. One single request is the
exception: it ran alone.
"""

from __future__ import annotations

import math
import re
from typing import Any

from llmplan.measurements.benchmark.result import Result, clean, lengths
from llmplan.plan.load import LoadKind
from llmplan.plan.observation import BenchmarkReading, SpeedObservation
from llmplan.units import GIB

FORMAT = "vLLM /metrics (text)"
_SAMPLE = re.compile(r"^vllm:(\w+?)(?:\{(.*)\})? (\S+)(?: \d+)?$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
TTFT = "time_to_first_token_seconds"
TPOT = ("request_time_per_output_token_seconds", "inter_token_latency_seconds", "time_per_output_token_seconds")
"""newest name first"""


def recognizes(result: Result) -> bool:
    """Whether it is Prometheus text with vLLM's histograms."""
    return result.values is None and f"vllm:{TTFT}_sum" in result.text


def read(result: Result) -> BenchmarkReading:
    """The means of everything that the server has answered."""
    totals, labels = _parse(result.text)
    observation = _observation(result.name, totals, labels.get("model"))
    server, notes = _server(labels), []
    if observation is None:
        skipped: tuple[str, ...] = (f"{result.name}: no answered request in its histograms",)
        return BenchmarkReading(name=result.name, format=FORMAT, server=server, skipped=skipped)
    if observation.kind is None:
        notes.append(
            f"{result.name}: means of {observation.requests:,} requests since the server started; "
            "it does not say under which load, nor the throughput"
        )
    return BenchmarkReading(
        name=result.name, format=FORMAT, observations=(observation,), server=server, notes=tuple(notes)
    )


def _parse(text: str) -> tuple[dict[str, float], dict[str, str]]:
    """Sums over engines and models of each counter, and the labels that describe the server."""
    totals: dict[str, float] = {}
    labels: dict[str, str] = {}
    for name, inside, written in _SAMPLE.findall(text):
        if name.endswith(("_bucket", "_created")):
            continue
        found = dict(_LABEL.findall(inside))
        if name == "cache_config_info":
            labels |= found
        elif "model_name" in found:
            labels.setdefault("model", clean(found["model_name"]))
        try:
            value = float(written)
        except ValueError:
            continue
        if math.isfinite(value) and value >= 0.0:
            totals[name] = totals.get(name, 0.0) + value
    return totals, labels


def _mean(totals: dict[str, float], name: str) -> float | None:
    count, total = totals.get(f"{name}_count", 0.0), totals.get(f"{name}_sum", 0.0)
    return total / count if count > 0.0 and total > 0.0 else None


def _observation(name: str, totals: dict[str, float], model: str | None) -> SpeedObservation | None:
    isl, osl = (lengths(_mean(totals, f"request_{what}_tokens")) for what in ("prompt", "generation"))
    ttft_s = _mean(totals, TTFT)
    tpot_s = next((value for each in TPOT if (value := _mean(totals, each)) is not None), None)
    if isl is None or osl is None or (ttft_s is None and tpot_s is None):
        return None
    requests = int(totals.get(f"{TTFT}_count", 0.0))
    alone: LoadKind | None = "concurrency" if requests == 1 else None
    queries, hits = totals.get("prefix_cache_queries_total", 0.0), totals.get("prefix_cache_hits_total", 0.0)
    return SpeedObservation(
        origin=name,
        input_tokens=isl,
        output_tokens=osl,
        kind=alone,
        value=1.0 if alone else 0.0,
        prefix_share=min(1.0, hits / queries) if queries > 0.0 else 0.0,
        ttft_s=ttft_s,
        tpot_s=tpot_s if osl.mean >= 1.5 else None,
        requests=requests,
        model=model,
    )


def _server(labels: dict[str, str]) -> dict[str, Any]:
    """The settings among the labels of `cache_config_info`, by flag name."""
    found: dict[str, Any] = {"engine": "vllm"}
    for label, flag in (("gpu_memory_utilization", "gpu_memory_utilization"), ("block_size", "block_size")):
        value = _number(labels.get(label))
        if value:
            found[flag] = int(value) if flag == "block_size" else value
    pool = _number(labels.get("kv_cache_memory_bytes"))
    if pool:
        found["kv_cache_memory_gib"] = pool / GIB
    return found


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and 0.0 < value < 1e15 else None

"""Fit profiles/workloads/*.yaml to the public traces in $LLMPLAN_DATA/traces.

    python scripts/make_workload_profiles.py

Only summaries leave the traces: rate, burstiness, idle share, and mean, p50, p90 and p99 of the lengths; under
`traffic`, what a generator needs to make traffic like them: fitted arrivals or the hours of the trace, histograms of
lengths, and what prompts have in common.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
from profile_yaml import COLLECTED, DATA, ROOT, number, write_profile
from traffic_parts import conversations, fitted_traffic, histogram_of, profile, published_histogram

TRACES = DATA / "traces"


def lengths(side: str, tokens: Iterable[float]) -> dict[str, Any]:
    values = np.asarray(list(tokens), dtype=float)
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return _named(side, float(values.mean()), p50, p90, p99)


def _named(side: str, mean: float, p50: float, p90: float, p99: float) -> dict[str, Any]:
    return {
        f"{side}_tokens": number(round(mean, 1)),
        f"{side}_p50_tokens": number(round(p50)),
        f"{side}_p90_tokens": number(round(p90)),
        f"{side}_p99_tokens": number(round(p99)),
    }


def histogram_lengths(side: str, rows: list[dict[str, str]]) -> dict[str, Any]:
    """From bins given by their lower edge, tokens spread evenly within a bin."""
    edges = [float(row["bin_lo"]) for row in rows]
    shares = np.array([float(row["prob"]) for row in rows])
    bounds = np.array([*edges, edges[-1] ** 2 / edges[-2]])
    cumulative = np.concatenate([[0.0], np.cumsum(shares) / shares.sum()])
    p50, p90, p99 = (float(np.interp(share, cumulative, bounds)) for share in (0.5, 0.9, 0.99))
    middles = (bounds[:-1] + np.maximum(bounds[:-1], bounds[1:] - 1)) / 2
    return _named(side, float((middles * shares).sum() / shares.sum()), p50, p90, p99)


def arrivals(seconds: list[float]) -> dict[str, Any]:
    """Rate, burstiness, peak minute and idle minutes of a trace shorter than a few hours."""
    times = np.sort(np.array(seconds))
    gaps = np.diff(times)
    minutes = Counter(int((time - times[0]) // 60) for time in times)
    whole = max(1, int((times[-1] - times[0]) // 60))
    counts = [minutes.get(minute, 0) for minute in range(whole)]
    return {
        "requests_per_s": number(round(len(times) / (times[-1] - times[0]), 3)),
        "cv_interarrival": number(round(float(gaps.std() / gaps.mean()), 2)),
        "peak_to_mean": {
            "value": number(round(max(counts) / (sum(counts) / whole), 2)),
            "note": "busiest minute; the trace lasts an hour",
        },
        "idle_share": number(round(counts.count(0) / whole, 4)),
    }


def azure(name: str) -> dict[str, Any]:
    with gzip.open(TRACES / f"AzureLLMInferenceTrace_{name}.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp() for row in rows]
    return (
        arrivals(times)
        | lengths("input", (float(row["ContextTokens"]) for row in rows))
        | lengths("output", (float(row["GeneratedTokens"]) for row in rows))
    )


def azure_traffic(name: str) -> dict[str, Any]:
    note = "fitted to gaps, idle minutes, busiest minute, and dispersion of counts in 10 s and 60 s"
    return fitted_traffic(TRACES / f"AzureLLMInferenceTrace_{name}.csv.gz", note)


def mooncake_traffic(figures: dict[str, Any]) -> dict[str, Any]:
    path = TRACES / "mooncake_conversation_trace.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        answers = [json.loads(line)["output_length"] for line in file]
    note = "timestamps are rounded to 3 s and counts of minutes hardly vary: Poisson assumed"
    arrivals = {"gap_cv": 1, "kind": "assumed", "note": note}
    shared = conversations(path, 512, figures["prefix_share"]["value"], figures["input_tokens"])
    return {"arrivals": arrivals, "output_tokens": histogram_of(answers), **shared}


def mooncake() -> dict[str, Any]:
    with gzip.open(TRACES / "mooncake_conversation_trace.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    figures = arrivals([row["timestamp"] / 1000 for row in rows])
    note = "timestamps are rounded to 3 s, so gaps say nothing; Poisson assumed"
    figures["cv_interarrival"] = {"value": 1, "kind": "assumed", "note": note}
    figures |= lengths("input", (row["input_length"] for row in rows))
    figures |= lengths("output", (row["output_length"] for row in rows))
    seen: set[int] = set()
    hit = total = 0
    for row in rows:
        blocks = row["hash_ids"]
        known = next((index for index, block in enumerate(blocks) if block not in seen), len(blocks))
        hit += min(known * 512, row["input_length"])
        total += row["input_length"]
        seen.update(blocks)
    note = "input tokens in leading blocks of 512 seen before, cache of any size"
    own = "mostly a conversation's own history, which no other request shares"
    return figures | {
        "prefix_share": {"value": number(round(hit / total, 4)), "note": note},
        "prefixes": {"value": 0, "kind": "assumed", "note": own},
    }


def servegen_table(size: str, kind: str) -> list[dict[str, str]]:
    with (TRACES / f"servegen/language_m-{size}_{kind}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def servegen_traffic(size: str) -> dict[str, Any]:
    rates = np.array([float(row["requests_per_second"]) for row in servegen_table(size, "rate_10min")])
    hours = rates[: len(rates) // 6 * 6].reshape(-1, 6).mean(axis=1)
    return {
        "arrivals": profile(3600, hours, "requests/s of each hour of the trace; Poisson within the hour assumed"),
        "input_tokens": published_histogram(servegen_table(size, "input_tokens_hist")),
        "output_tokens": published_histogram(servegen_table(size, "output_tokens_hist")),
    }


def servegen(size: str) -> dict[str, Any]:
    def table(kind: str) -> list[dict[str, str]]:
        return servegen_table(size, kind)

    rates = np.array([float(row["requests_per_second"]) for row in table("rate_10min")])
    hours = rates[: len(rates) // 6 * 6].reshape(-1, 6).mean(axis=1)
    return {
        "requests_per_s": number(round(float(rates.mean()), 2)),
        "peak_to_mean": number(round(float(hours.max() / hours.mean()), 2)),
        "idle_share": {
            "value": number(round(float((rates == 0).mean()), 4)),
            "note": "ten-minute windows without a request",
        },
        "idle_bin_s": 600,
        **histogram_lengths("input", table("input_tokens_hist")),
        **histogram_lengths("output", table("output_tokens_hist")),
    }


def sharegpt() -> dict[str, Any]:
    with (TRACES / "sharegpt_first_turn_lengths_30k.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return lengths("input", (float(row["input_tokens"]) for row in rows)) | lengths(
        "output", (float(row["output_tokens"]) for row in rows)
    )


def sharegpt_traffic(**borrowed: str) -> dict[str, Any]:
    with (TRACES / "sharegpt_first_turn_lengths_30k.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    sides = ("input_tokens", "output_tokens")
    return {side: histogram_of(max(1, int(float(row[side]))) for row in rows) | borrowed for side in sides}


def burstgpt_hours() -> list[float]:
    with (TRACES / "burstgpt_1_hourly_derived.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    requests = {
        int(float(row["time_bin"])) // 3600: float(row["avg_turns"]) * float(row["session_count"]) for row in rows
    }
    return [requests.get(hour, 0.0) for hour in range(max(requests) + 1)]


def burstgpt_traffic() -> dict[str, Any]:
    note = "requests of each hour of the trace; Poisson within the hour assumed"
    lengths_of = "the trace's counts carry no lengths; ChatGPT first turns stand in"
    return {
        "arrivals": profile(3600, burstgpt_hours(), note),
        **sharegpt_traffic(kind="assumed", source="sharegpt", note=lengths_of),
    }


def burstgpt() -> dict[str, Any]:
    hours = burstgpt_hours()
    borrowed = {
        "kind": "assumed",
        "source": "sharegpt",
        "note": "the trace's counts carry no lengths; ChatGPT first turns stand in",
    }
    return {
        "requests_per_s": number(round(sum(hours) / len(hours) / 3600, 4)),
        "peak_to_mean": number(round(max(hours) / (sum(hours) / len(hours)), 1)),
        "idle_share": {"value": number(round(hours.count(0.0) / len(hours), 3)), "note": "hours without a request"},
        "idle_bin_s": 3600,
        **{name: {"value": value, **borrowed} for name, value in sharegpt().items()},
    }


SOURCES = {
    "azure": ("Azure LLM inference trace 2023 (CC-BY-4.0)", "https://github.com/Azure/AzurePublicDataset"),
    "mooncake": ("Mooncake conversation trace (Apache-2.0)", "https://github.com/kvcache-ai/Mooncake"),
    "servegen": ("ServeGen, language workloads (Apache-2.0)", "https://github.com/alibaba/ServeGen"),
    "burstgpt": ("BurstGPT, hourly request counts (CC-BY-4.0)", "https://github.com/HPMLL/BurstGPT"),
    "sharegpt": ("ShareGPT first turns, 30,000 conversations", "https://huggingface.co/datasets/anon8231489123/ShareGPT_Vicuna_unfiltered"),
}  # fmt: skip


def write(
    entity_id: str, name: str, aliases: list[str], source: str, figures: dict[str, Any], traffic: dict[str, Any]
) -> None:
    stated = [*figures.values(), *traffic.values()]
    cited = {source} | {each["source"] for each in stated if isinstance(each, dict) and "source" in each}
    data = {
        "id": entity_id,
        "name": name,
        "aliases": aliases,
        "defaults": {"source": source, "as_of": COLLECTED, "kind": "derived"},
        "figures": figures,
        "traffic": traffic,
        "sources": {
            key: {"title": title, "url": url, "retrieved": COLLECTED}
            for key, (title, url) in SOURCES.items()
            if key in cited
        },
    }
    write_profile(ROOT / f"profiles/workloads/{entity_id}.yaml", data)


def main() -> int:
    if not TRACES.is_dir():
        print(f"{TRACES} is not there: set LLMPLAN_DATA", file=sys.stderr)
        return 1
    write(
        "azure-code",
        "Code completion, bursts within the minute (Azure 2023)",
        ["code"],
        "azure",
        azure("code"),
        azure_traffic("code"),
    )
    write(
        "azure-conversation",
        "Conversation (Azure 2023)",
        ["conversation", "azure-conv"],
        "azure",
        azure("conv"),
        azure_traffic("conv"),
    )
    write(
        "mooncake-conversation",
        "Long conversations with shared prefixes (Mooncake)",
        ["mooncake"],
        "mooncake",
        mooncake(),
        mooncake_traffic(mooncake()),
    )
    write(
        "burstgpt-hourly",
        "A campus service that is idle two hours in five (BurstGPT)",
        ["burstgpt", "bursty"],
        "burstgpt",
        burstgpt(),
        burstgpt_traffic(),
    )
    for size, word in (("large", "large"), ("mid", "mid-sized"), ("small", "small")):
        name = f"Steady cloud traffic of a {word} model (ServeGen)"
        write(f"servegen-{size}", name, [f"m-{size}"], "servegen", servegen(size), servegen_traffic(size))
    write(
        "sharegpt-chat",
        "Chat without shared context; state your own rate (ShareGPT)",
        ["chat", "sharegpt"],
        "sharegpt",
        sharegpt(),
        sharegpt_traffic(),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The flags of a question: traffic, promise, limits and the hardware at hand, shared by `recommend` and `cost`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from llmplan.cli import _parse
from llmplan.cli._options import PRIVACY, TERMS, amount, count, many


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficFlags:
    """Who asks how much. None leaves it to the workload file, then to the default."""

    requests_per_second: Annotated[
        float | None,
        amount(
            "--requests-per-second",
            "Mean rate.",
            above=0,
            at_most=_parse.MAX_REQUESTS_PER_S,
            metavar="R",
            envvar="LLMPLAN_REQUESTS_PER_SECOND",
        ),
    ] = None
    requests_per_minute: Annotated[
        float | None,
        amount(
            "--requests-per-minute",
            "Mean rate, for slow traffic.",
            above=0,
            at_most=60 * _parse.MAX_REQUESTS_PER_S,
            metavar="R",
        ),
    ] = None
    concurrency: Annotated[
        float | None,
        amount(
            "--concurrency",
            "Users who each always have a request in flight.",
            above=0,
            at_most=1e6,
            metavar="N",
            envvar="LLMPLAN_CONCURRENCY",
        ),
    ] = None
    isl: Annotated[int | None, count("--isl", "Input tokens of a request.", envvar="LLMPLAN_ISL")] = None
    osl: Annotated[int | None, count("--osl", "Output tokens of a request.", envvar="LLMPLAN_OSL")] = None
    workload: Annotated[
        str | None,
        typer.Option(
            "--workload",
            metavar="NAME|FILE",
            envvar="LLMPLAN_WORKLOAD",
            help="A catalogue workload or a YAML file; flags win over it.",
        ),
    ] = None
    context_tokens: Annotated[int | None, count("--context-tokens", "Longest request to admit, input plus output.")] = (
        None
    )
    prefix_share: Annotated[
        float | None,
        amount("--prefix-share", "Share of the input that requests have in common.", at_least=0, at_most=1),
    ] = None
    prefixes: Annotated[
        int | None,
        count(
            "--prefixes",
            "Different prefixes, each held once (default: one a tenant); 0: each request has its own.",
            at_least=0,
            at_most=1_000_000,
        ),
    ] = None
    peak_to_mean: Annotated[
        float | None, amount("--peak-to-mean", "Busiest hour over the mean.", at_least=1, at_most=1000)
    ] = None
    burstiness: Annotated[
        float | None,
        amount("--burstiness", "Variation of the gaps between requests; 1 is Poisson.", at_least=0, at_most=100),
    ] = None
    idle_share: Annotated[
        float | None, amount("--idle-share", "Share of minutes without any request.", at_least=0, at_most=0.9999)
    ] = None
    idle_bin_s: Annotated[
        float | None,
        amount("--idle-bin-s", "Seconds that --idle-share counts by, a minute if unset.", at_least=1, at_most=604800),
    ] = None
    hours_per_day: Annotated[
        float | None,
        amount("--hours-per-day", "Hours a day with traffic; the rate is a mean over all 24.", above=0, at_most=24),
    ] = None
    tenants: Annotated[
        int | None, count("--tenants", "Customers or teams with traffic of their own.", at_most=1_000_000)
    ] = None
    adapters: Annotated[int | None, count("--adapters", "LoRA adapters to serve.", at_least=0, at_most=1_000_000)] = (
        None
    )
    lora_rank: Annotated[int | None, count("--lora-rank", "Rank of the adapters.", at_most=4096)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseFlags:
    """Latency promised for 95 of 100 requests."""

    ttft_p95_ms: Annotated[
        float | None,
        amount(
            "--ttft-p95-ms",
            "Time to the first token.",
            above=0,
            at_most=1e9,
            metavar="MS",
            envvar="LLMPLAN_TTFT_P95_MS",
        ),
    ] = None
    tpot_p95_ms: Annotated[
        float | None,
        amount(
            "--tpot-p95-ms", "Time per output token.", above=0, at_most=1e9, metavar="MS", envvar="LLMPLAN_TPOT_P95_MS"
        ),
    ] = None
    e2e_p95_ms: Annotated[
        float | None, amount("--e2e-p95-ms", "Time of the whole request.", above=0, at_most=1e9, metavar="MS")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFlags:
    """What the answer may use; nothing said means anything in the catalogue."""

    gpu: Annotated[list[str] | None, many("--gpu", "ID", "Plan on this GPU only", "LLMPLAN_GPU")] = None
    provider: Annotated[
        list[str] | None, many("--provider", "ID", "Buy from this seller or company only", "LLMPLAN_PROVIDER")
    ] = None
    region: Annotated[list[str] | None, many("--region", "NAME", "Run in this region only", "LLMPLAN_REGION")] = None
    term: Annotated[
        list[Any] | None,
        typer.Option(
            "--term", parser=_parse.choice("--term", TERMS), metavar="|".join(TERMS), envvar="LLMPLAN_TERM",
            help="How to pay for machines (repeatable; default: all but spot).",
        ),
    ] = None  # fmt: skip
    engine: Annotated[list[str] | None, many("--engine", "ID", "Serve with this engine only", "LLMPLAN_ENGINE")] = None
    weights: Annotated[list[str] | None, many("--weights", "FMT", "Use this weight format only")] = None
    kv_cache: Annotated[list[str] | None, many("--kv-cache", "FMT", "Use this KV cache format only")] = None
    privacy: Annotated[
        str,
        typer.Option(
            "--privacy", parser=_parse.choice("--privacy", PRIVACY), metavar="|".join(PRIVACY),
            envvar="LLMPLAN_PRIVACY", help="private: no hosted API; air-gapped: own hardware only.",
        ),
    ] = "any"  # fmt: skip
    include_marketplaces: Annotated[
        bool, typer.Option("--include-marketplaces", help="Also rent strangers' machines (vast.ai and the like).")
    ] = False
    max_usd_per_month: Annotated[
        float | None,
        amount(
            "--max-usd-per-month", "Budget.", above=0, at_most=1e12, metavar="USD", envvar="LLMPLAN_MAX_USD_PER_MONTH"
        ),
    ] = None
    max_gpus: Annotated[int | None, count("--max-gpus", "Most GPUs.", at_most=1_000_000)] = None
    max_utilization: Annotated[
        float | None,
        amount("--max-utilization", "Share of capacity to use at the peak.", above=0, at_most=1, metavar="F"),
    ] = None
    spare_replicas: Annotated[
        int | None, count("--spare-replicas", "Replicas on top of a fleet of two or more.", at_least=0, at_most=1000)
    ] = None
    max_quality_loss: Annotated[
        float | None,
        amount(
            "--max-quality-loss",
            "Relative loss (0.01 is 1 %) up to which a format may be recommended.",
            at_least=0,
            at_most=1,
            metavar="F",
        ),
    ] = None
    commitment_premium: Annotated[
        float | None,
        amount(
            "--commitment-premium",
            "How much more (0.2 is 20 %) guaranteed capacity may cost than capacity on demand.",
            at_least=0,
            at_most=10,
            metavar="F",
        ),
    ] = None
    unverified_saving: Annotated[
        float | None,
        amount(
            "--unverified-saving",
            "Saving from which an option whose latency nobody states is recommended.",
            at_least=0,
            at_most=1,
            metavar="F",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareFlags:
    """Hardware that is there already."""

    have: Annotated[
        list[Any] | None,
        typer.Option(
            "--have", parser=_parse.node_group, metavar="NODESxGPUSxID",
            help="Plan on this hardware of your own, for example 4x4xa10-24gb (repeatable).",
        ),
    ] = None  # fmt: skip
    local: Annotated[bool, typer.Option("--local", help="Plan on this machine's GPUs.")] = False
    host_ram_gib: Annotated[
        float | None, amount("--host-ram-gib", "Memory of each host of --have.", above=0, at_most=1e6, metavar="GIB")
    ] = None
    host_memory_gb_per_s: Annotated[
        float | None, amount("--host-memory-gb-per-s", "Memory bandwidth of each host.", above=0, at_most=1e5)
    ] = None
    network_gb_per_s: Annotated[
        float | None,
        amount(
            "--network-gb-per-s",
            "Network between the nodes of --have; replicas span nodes only with it.",
            above=0,
            at_most=1e5,
        ),
    ] = None
